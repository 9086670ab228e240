package main

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/hint"
	"postseal/internal/lineage"
	"postseal/internal/plan"
	"postseal/internal/report"
	"postseal/internal/session"
)

// sayObtained says where a certificate is now, and what is still to be typed.
func (a *app) sayObtained(s *session.Session, l *lineage.Lineage, files []string) {
	fmt.Fprintf(a.Out, "\nInstalled: %s\n", report.Clean(strings.Join(files, ", ")))
	if slices.ContainsFunc(files, func(path string) bool { return !plan.Uses(s.Facts, path) }) {
		words := s.Verb("apply")
		for _, path := range files {
			words = append(words, "--cert", path)
		}
		fmt.Fprintf(a.Out, "To use it in Postfix: %s\n", hint.ShellLine(words))
	}
	if l.BothUses {
		fmt.Fprintf(a.Out, "To use it for sending: %s\n", hint.ShellLine(append(s.Verb("apply"), "--client-cert", files[0])))
	}
	if text := a.timer(s); text != "" {
		fmt.Fprintln(a.Out, text)
	}
}

// renewTimer is the timer that make install brings.
const renewTimer = "postseal-renew.timer"

// timer says what to type if no timer renews what was obtained; nothing if one
// does. Its unit knows of the usual folders alone.
func (a *app) timer(s *session.Session) string {
	renew := s.Verb("cert", "renew")
	if len(renew) > 3 {
		return "Renewed by: " + hint.ShellLine(renew) + "\n  twice a day; systemctl cat postseal-renew.service says how to add it to the timer"
	}
	o, err := a.Machine.Run(a.Ctx, "systemctl", "is-enabled", renewTimer)
	switch state := strings.TrimSpace(o.Stdout); {
	case err == nil && o.Code == 0:
		return ""
	case err == nil && state == "disabled":
		return "Not renewed automatically yet: systemctl enable --now " + renewTimer
	}
	return "Not renewed automatically yet: run " + hint.ShellLine(renew) + " twice a day, for example from cron"
}
