package main

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/lineage"
	"postseal/internal/plan"
	"postseal/internal/report"
)

// sayObtained says where a certificate is now, and what is still to be typed.
func (a *app) sayObtained(f *detect.Facts, l *lineage.Lineage, files []string) {
	fmt.Fprintf(a.out, "\nIn place: %s\n", report.Clean(strings.Join(files, ", ")))
	if slices.ContainsFunc(files, func(path string) bool { return !plan.Uses(f, path) }) {
		words := []string{"postseal", "apply"}
		for _, path := range files {
			words = append(words, "--cert", path)
		}
		fmt.Fprintf(a.out, "Shown by Postfix after: %s\n", report.ShellLine(words))
	}
	if l.BothUses {
		fmt.Fprintf(a.out, "Shown when sending after: %s\n", report.ShellLine([]string{"postseal", "apply", "--client-cert", files[0]}))
	}
	if text := a.timer(); text != "" {
		fmt.Fprintln(a.out, text)
	}
}

// renewTimer is the timer that make install brings.
const renewTimer = "postseal-renew.timer"

// timer says what to type if no timer renews what was obtained; nothing if one
// does. Its unit knows of the usual folders alone.
func (a *app) timer() string {
	renew := []string{"postseal", "cert", "renew"}
	for _, dir := range [][2]string{{"--config-dir", a.settings.ConfigDir}, {"--state-dir", a.settings.StateDir}, {"--certs-dir", a.settings.CertsDir}} {
		if dir[1] != "" {
			renew = append(renew, dir[0], dir[1])
		}
	}
	if len(renew) > 3 {
		return "Renewed by: " + report.ShellLine(renew) + "\n  twice a day; systemctl cat postseal-renew.service says how to add it to the timer"
	}
	o, err := a.machine.Run(a.ctx, "systemctl", "is-enabled", renewTimer)
	switch state := strings.TrimSpace(o.Stdout); {
	case err == nil && o.Code == 0:
		return ""
	case err == nil && state == "disabled":
		return "Not renewed by itself yet: systemctl enable --now " + renewTimer
	}
	return "Not renewed by itself yet: run " + report.ShellLine(renew) + " twice a day, from cron say"
}
