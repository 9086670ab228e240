package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"postseal/internal/apply"
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
accidents. It changes nothing, and ends with 3 if something differs.
`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			s, err := a.open()
			if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
				return err
			}
			checks := plan.Present(s.Facts)
			proofs := apply.Observe(a.ctx, a.machine, s.ConfigDir, checks)
			wrong := false
			for _, p := range proofs {
				wrong = wrong || !p.OK
			}
			if a.json {
				if err := a.printer(a.out).JSON(map[string]any{"listeners": proofs}); err != nil {
					return err
				}
			} else {
				a.printer(a.out).Proofs(proofs)
				if wrong {
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
