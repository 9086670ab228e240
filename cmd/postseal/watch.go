package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/policy"
	"postseal/internal/postfix"
	"postseal/internal/probe"
	"postseal/internal/report"
	"postseal/internal/session"
)

func (a *app) watchCmd() *cobra.Command {
	var listeners bool
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Check once that listeners show the certificates in their files, and that TLS holds no mail back; for a timer",
		Long: `watch shakes hands with every listener and compares the certificate it shows with the one in its file, whichever client
renewed it. A renewed certificate that is not shown, because nothing reloaded Postfix, is a frequent cause of outages. If
Postfix reads a copy, watch also checks whether the original is newer.

It also looks for mail that waits in the queue because of TLS, and says when Postfix returns it to its senders. It changes
nothing, and ends with 3 if something differs or mail waits.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			s, err := a.open()
			if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
				return err
			}
			checks := plan.Present(s.Facts)
			proofs := apply.Observe(a.Ctx, a.Machine, s.ConfigDir, checks)
			outdated := s.Facts.Outdated()
			stale := s.Facts.StaleMaps
			var held []policy.Holdup
			var queueErr error
			if !listeners {
				held, queueErr = policy.Holdups(a.Ctx, a.Machine, s.Facts)
			}
			wrong := len(outdated)+len(stale)+len(held) > 0
			for _, p := range proofs {
				wrong = wrong || !p.OK
			}
			if a.JSON {
				if err := a.Printer(a.Out).JSON(map[string]any{"listeners": proofs, "outdated": outdated, "sni_maps": append([]detect.StaleMap{}, stale...), "held_by_tls": held, "queue_problem": problem(queueErr)}); err != nil {
					return err
				}
			} else {
				a.Printer(a.Out).Proofs(proofs)
				for _, o := range outdated {
					fmt.Fprintf(a.Out, "✗ %s is outdated: %s contains a newer certificate for the same names, valid until %s; Postfix shows the one valid until %s.\n", report.Clean(o.Shown.Chain), report.Clean(o.Renewed.Chain),
						o.Renewed.NotAfter.UTC().Format(time.DateOnly), o.Shown.NotAfter.UTC().Format(time.DateOnly))
					if why := exposed(o); why != "" {
						fmt.Fprintf(a.Out, "  Other accounts can change it: %s. Check it before you use it: %s\n", report.Clean(why), hint.ShellLine([]string{"postseal", "cert", "inspect", o.Renewed.Chain}))
					} else if why := unnameable(o); why != "" {
						fmt.Fprintf(a.Out, "  Postfix cannot read it there: %s.\n", report.Clean(why))
					}
				}
				for _, t := range stale {
					fmt.Fprintf(a.Out, "✗ %s is older than its files: Postfix shows its outdated content for %s.\n  Rebuild it: %s\n", report.Clean(t.Table), report.Clean(strings.Join(t.Keys, ", ")), hint.ShellLine(t.Remedy()))
				}
				switch {
				case len(outdated) > 0:
					for _, argv := range takeNewer(s, outdated) {
						fmt.Fprintf(a.Out, "To use the newer one: %s\n", hint.ShellLine(argv))
					}
				default:
					fmt.Fprint(a.Out, afterProofs(s.ConfigDir, proofs))
				}
				a.printHeld(s, held, queueErr)
			}
			if wrong {
				return cli.ErrFindings
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&listeners, "listeners", false, "check the listeners only, not the queue; for hooks")
	return cmd
}

// mostHoldups bounds how many reasons for waiting mail are printed.
const mostHoldups = 20

// printHeld prints which mail waits because of TLS, or why that is not known.
func (a *app) printHeld(s *session.Session, held []policy.Holdup, err error) {
	if err != nil {
		a.Printer(a.Err).Note("What waits in the queue is not known: " + err.Error())
	}
	for _, h := range held[:min(len(held), mostHoldups)] {
		fmt.Fprintf(a.Out, "✗ %s: %s TLS since %s UTC, and Postfix returns the oldest on %s UTC: %s\n", report.Clean(h.Domain), strings.ToLower(waits(h.Messages)),
			minute(h.Arrived), minute(h.Bounces), report.Clean(h.Reason))
		fmt.Fprintf(a.Out, "  What would release them: %s\n", hint.ShellLine(s.Verb("why", h.Domain)))
	}
	if more := len(held) - mostHoldups; more > 0 {
		fmt.Fprintf(a.Out, "  and %d more: --json lists all\n", more)
	}
}

// problem is an error as data; nil if there is none.
func problem(err error) *string {
	if err == nil {
		return nil
	}
	text := err.Error()
	return &text
}

// minute is how a time is written for people.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// afterProofs says what to type about listeners that are not as they should be; where
// nothing listens at all there is nothing to reload.
func afterProofs(configDir string, proofs []apply.Proof) string {
	command, silent, wrong := []string{"postfix", "-c", configDir, "reload"}, 0, 0
	for _, p := range proofs {
		if !p.OK {
			wrong++
			if p.Stage == probe.Connecting {
				silent++
			}
		}
	}
	switch {
	case wrong == 0:
		return ""
	case silent == len(proofs):
		command[3] = "start"
		return "No listener answers. If Postfix is not running: " + hint.ShellLine(command) + "\n"
	}
	return "If a file was renewed: " + hint.ShellLine(command) + "\n"
}

// exposed is how an account other than root can change the newer file, or empty.
func exposed(o detect.Outdated) string {
	return strings.Join(o.Renewed.ExposedBy(), ", ")
}

// unnameable is why Postfix would not read the newer files where a service names them,
// or empty. For main.cf, apply judges that.
func unnameable(o detect.Outdated) string {
	if len(o.Shown.Services) == 0 {
		return ""
	}
	if err := errors.Join(postfix.CheckPath(o.Renewed.Key), postfix.CheckPath(o.Renewed.Chain)); err != nil {
		return strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return ""
}

// takeNewer are the commands that have Postfix use what its copies were made of, but for
// what another account can change.
func takeNewer(s *session.Session, outdated []detect.Outdated) (out [][]string) {
	outdated = slices.DeleteFunc(slices.Clone(outdated), func(o detect.Outdated) bool { return exposed(o) != "" })
	inMain := slices.DeleteFunc(slices.Clone(outdated), func(o detect.Outdated) bool { return !o.Shown.Server && !o.Shown.Client })
	if len(inMain) > 0 {
		out = append(out, takeByApply(s, inMain))
	}
	argv := []string{"postconf", "-c", s.ConfigDir, "-P"}
	for _, l := range s.Facts.Listeners {
		if s.Facts.OwnCertificate(l.Service) {
			argv = append(argv, takeByService(s.Facts, l, outdated)...)
		}
	}
	if len(argv) > 4 {
		out = append(out, argv, []string{"postfix", "-c", s.ConfigDir, "reload"})
	}
	return out
}

// takeByService are settings of a service that has a certificate of its own, as
// postconf -P takes them: no answer is about it.
func takeByService(f *detect.Facts, l detect.Listener, outdated []detect.Outdated) (out []string) {
	set := func(name, value string) { out = append(out, l.Service.ID()+"/smtpd_tls_"+name+"="+value) }
	groups, _ := f.CertificateFiles(&l.Service, "smtpd_tls_")
	for _, o := range outdated {
		at := slices.IndexFunc(groups, func(g []string) bool { return slices.Contains(g, o.Shown.Chain) })
		if at < 0 || unnameable(o) != "" {
			continue
		}
		if f.Config.Text(&l.Service, "smtpd_tls_chain_files") == "" {
			kind := ""
			if f.Config.Text(&l.Service, "smtpd_tls_eccert_file") == o.Shown.Chain {
				kind = "ec"
			}
			set(kind+"cert_file", o.Renewed.Chain)
			set(kind+"key_file", o.Renewed.Key)
			continue
		}
		var files []string
		for _, path := range groups[at] {
			switch path {
			case o.Shown.Chain:
				files = append(files, o.Renewed.Key, o.Renewed.Chain)
			case o.Shown.Key:
			default:
				files = append(files, path)
			}
		}
		groups[at] = slices.Compact(files)
	}
	if f.Config.Text(&l.Service, "smtpd_tls_chain_files") != "" {
		if before, _ := f.CertificateFiles(&l.Service, "smtpd_tls_"); !slices.Equal(before[0], groups[0]) {
			set("chain_files", strings.Join(groups[0], ","))
		}
	}
	return out
}

// takeByApply is the command for what main.cf names.
func takeByApply(s *session.Session, outdated []detect.Outdated) []string {
	argv := s.Verb("apply")
	if !slices.ContainsFunc(outdated, func(o detect.Outdated) bool { return o.Renewed.Owner != "" }) {
		return argv // the last answers name the files
	}
	for _, x := range []struct {
		flag string
		used []detect.Certificate
	}{{"--cert", s.Facts.ServerCertificates()}, {"--client-cert", s.Facts.ClientCertificates()}} {
		var paths []string
		behind := false
		for _, c := range x.used {
			path := c.Chain
			for _, o := range outdated {
				if o.Shown.Chain == c.Chain && o.Shown.Algorithm == c.Algorithm {
					path, behind = o.Renewed.Chain, true
				}
			}
			paths = append(paths, path)
		}
		for _, path := range slices.Compact(paths) {
			if behind { // else the last answer stays
				argv = append(argv, x.flag, path)
			}
		}
	}
	return argv
}
