package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/plan"
	"postseal/internal/report"
	"postseal/internal/session"
)

func (a *app) watchCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Look once whether every listener shows the certificate that is in its file; for a timer",
		Long: `watch shakes hands with every listener and compares what is shown with what is in the file, whoever renewed it.
A certificate that was renewed and is not shown, since nobody reloaded Postfix, is the most frequent of all TLS
accidents. Where Postfix reads a copy, it also looks whether the file that the copy was made of is newer by now. It
changes nothing, and ends with 3 if something differs.
`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			s, err := a.open()
			if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
				return err
			}
			checks := plan.Present(s.Facts)
			proofs := apply.Observe(a.ctx, a.machine, s.ConfigDir, checks)
			outdated := s.Facts.Outdated()
			wrong := len(outdated) > 0
			for _, p := range proofs {
				wrong = wrong || !p.OK
			}
			if a.json {
				if err := a.printer(a.out).JSON(map[string]any{"listeners": proofs, "outdated": outdated}); err != nil {
					return err
				}
			} else {
				a.printer(a.out).Proofs(proofs)
				for _, o := range outdated {
					fmt.Fprintf(a.out, "✗ %s stayed behind: %s has a newer certificate for the same names, until %s, and Postfix shows the one until %s.\n", report.Clean(o.Shown.Chain), report.Clean(o.Renewed.Chain),
						o.Renewed.NotAfter.UTC().Format(time.DateOnly), o.Shown.NotAfter.UTC().Format(time.DateOnly))
				}
				switch {
				case len(outdated) > 0:
					fmt.Fprintf(a.out, "Take the newer one: %s\n", report.ShellLine(takeNewer(s, outdated)))
				case wrong:
					fmt.Fprintf(a.out, "If a file was renewed: %s\n", report.ShellLine([]string{"postfix", "-c", s.ConfigDir, "reload"}))
				}
			}
			if wrong {
				return errFindings
			}
			return nil
		},
	}
}

// takeNewer is the command that has Postfix use what its copies were made of.
func takeNewer(s *session.Session, outdated []detect.Outdated) []string {
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
