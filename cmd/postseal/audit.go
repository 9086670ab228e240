package main

import (
	"errors"

	"github.com/spf13/cobra"

	"postseal/internal/report"
	"postseal/internal/session"
)

func (a *app) auditCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "audit",
		Short: "Say what this server does about TLS, and which settings do not do what they seem to",
		Long: `audit looks and changes nothing. It says which Postfix this is and what it is for, which certificates it
shows, whether its resolver validates DNSSEC, and which settings are obsolete, misspelt or defeated by others.
Any user can run it; what that user may not see is said.
`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			s, err := a.open()
			if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
				return err
			}
			if a.json {
				if err := a.printer(a.out).JSON(report.FactsJSON(s.Facts)); err != nil {
					return err
				}
				if len(s.Facts.Problems) > 0 {
					return errFindings
				}
				return nil
			}
			if a.printer(a.out).Facts(s.Facts) > 0 {
				return errFindings
			}
			return nil
		},
	}
}
