package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"postseal/internal/audit"
	"postseal/internal/report"
	"postseal/internal/session"
)

func (a *app) auditCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "audit",
		Short: "Report card: what this server does about TLS, what is wrong with it, and what cures it",
		Long: `audit looks and changes nothing. It says which Postfix this is and what it is for, and judges it by rules, in four
parts: receiving, sending, publishing and certificates. Each part begins with 100 points, and each finding costs it
some: critical 60, high 25, medium 10, low 3, a note nothing. 90 is an A, 75 a B, 60 a C, 40 a D. Nothing is lost for
taking mail without TLS on port 25: RFC 3207 wants it so. Any user can run it; what that user may not see is said.
`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			s, err := a.open()
			if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
				return err
			}
			card := audit.Audit(s.Facts)
			if a.json {
				err = a.printer(a.out).JSON(map[string]any{"facts": report.FactsJSON(s.Facts), "card": report.CardJSON(card)})
			} else {
				a.printer(a.out).Remarks(s.Facts)
				fmt.Fprintln(a.out)
				a.printer(a.out).Card(card)
			}
			wanting := slices.ContainsFunc(card.Findings, func(f audit.Finding) bool { return f.Severity > audit.Note })
			if err == nil && wanting {
				err = errFindings
			}
			return err
		},
	}
}
