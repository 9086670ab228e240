package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/audit"
	"postseal/internal/hint"
	"postseal/internal/report"
	"postseal/internal/senders"
	"postseal/internal/session"
)

// severities are what --fail-on takes, from mild to grave.
var severities = []audit.Severity{audit.Note, audit.Low, audit.Medium, audit.High, audit.Critical}

const never = "never"

func (a *app) auditCmd() *cobra.Command {
	var o struct {
		all, noLive, noRehearsal, schema bool
		failOn, html, compare            string
	}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Print a report card: what this server does about TLS, what is wrong, and the remedies",
		Long: `audit changes nothing. It reports which Postfix this is and what it is for, and judges it by ` + fmt.Sprint(len(audit.Rules)) + ` rules in four
parts: receiving, sending, publishing and certificates. Each part starts with 100 points, and each finding costs points
once: critical 70, high 25, medium 10, low 3, a note nothing. 90 is an A, 75 a B, 60 a C, 40 a D. Accepting mail without
TLS on port 25 costs nothing, because RFC 3207 requires it of a public server.

Receiving is judged by the configuration and by about 150 unfinished handshakes with each listener, which Postfix logs.
Sending is judged by what a private copy of this server does with test servers, which needs root. Without these, audit
judges the configuration alone, and the card says so.

To suppress a finding that is acceptable here, add a line to the answers file, with a reason and the last day on which it
holds:
suppress = ["PS-RCV-018 until 2027-03-01: the next release brings OpenSSL 3.5"]

audit ends with 3 if there is a finding of the severity of --fail-on or above. With --compare, only findings count that
are new since the older card, or that concern more places. The JSON of --compare has since, grades, better, worse,
suppressed and not_looked_at; --schema describes the card itself.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if o.schema {
				_, err := a.Out.Write(report.CardSchema)
				return err
			}
			limit, err := failOn(o.failOn)
			if err != nil {
				return err
			}
			s, err := a.open()
			if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
				return err
			}
			var old []byte
			if o.compare != "" {
				data, failed := a.Machine.ReadFile(o.compare)
				if failed != nil {
					return hint.Wrap(fmt.Errorf("reading an older card: %w", failed), "make one with: postseal audit --json > card.json")
				}
				old = data
			}
			done := a.Waiting("shaking hands with the listeners, and rehearsing")
			e, gathered := s.Evidence(a.Ctx, session.Gather{Live: !o.noLive, Send: !o.noRehearsal})
			done()
			if gathered != nil {
				return gathered
			}
			e.Earlier = report.Earlier(old)
			card := audit.Audit(e, s.Suppressions...)
			worst, found := card.Worst()
			var since *report.CardDiff
			if old != nil {
				d, failed := report.Compare(old, card)
				if failed != nil {
					return failed
				}
				since = &d
				worst, found = d.Worst()
			}
			if printed := a.printCard(e, card, o.all, o.html, since); printed != nil {
				return printed
			}
			if err == nil && found && worst >= limit {
				err = cli.ErrFindings
			}
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.all, "all", false, "also list what was checked and not found")
	f.StringVar(&o.failOn, "fail-on", "low", "exit with 3 from this severity on: note, low, medium, high, critical, never")
	_ = cmd.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions(severityNames(), cobra.ShellCompDirectiveNoFileComp))
	f.StringVar(&o.html, "html", "", "also write the card as one page to `FILE`; - prints the page instead of the text")
	f.StringVar(&o.compare, "compare", "", "report what is better and worse since `OLD.json` (made by audit --json), and fail only if something is worse")
	f.BoolVar(&o.noLive, "no-live", false, "make no handshakes")
	f.BoolVar(&o.noRehearsal, "no-rehearsal", false, "do not rehearse sending")
	f.BoolVar(&o.schema, "schema", false, "print the JSON schema of the card that --json prints, and stop")
	return cmd
}

// failOn reads --fail-on. Never is more than the gravest.
func failOn(text string) (audit.Severity, error) {
	if text == never {
		return audit.Critical + 1, nil
	}
	for _, s := range severities {
		if s.String() == text {
			return s, nil
		}
	}
	return 0, cli.Misuse(hint.New(fmt.Sprintf("--fail-on %q is no severity", text), "write one of "+strings.Join(severityNames(), ", ")))
}

// severityNames are the values of --fail-on.
func severityNames() []string {
	var out []string
	for _, s := range severities {
		out = append(out, s.String())
	}
	return append(out, never)
}

// printCard prints a card in the form that was asked for.
func (a *app) printCard(e *audit.Evidence, card audit.Card, all bool, html string, since *report.CardDiff) error {
	p := a.Printer(a.Out)
	if html != "" {
		var page bytes.Buffer
		if err := report.CardHTML(&page, e, card); err != nil {
			return err
		}
		if html == "-" {
			_, err := a.Out.Write(page.Bytes())
			return err
		}
		if err := a.Machine.Save(html, page.Bytes(), 0o600); err != nil {
			return hint.Wrap(fmt.Errorf("writing the page: %w", err), cmp.Or(hint.Of(err), "use --html with a file that this user can write"))
		}
	}
	if since != nil {
		if a.JSON {
			return p.JSON(since)
		}
		p.Compared(*since)
		return nil
	}
	if a.JSON {
		return p.JSON(report.AuditJSON(e, card))
	}
	p.Remarks(e.Facts)
	fmt.Fprintln(a.Out)
	p.Card(card, all)
	if all || slices.ContainsFunc(audit.Opinions(e), func(o audit.Opinion) bool { return o.Why != "" }) {
		p.Opinions(audit.Opinions(e))
	}
	if met := audit.Senders(e); all || slices.ContainsFunc(met, func(o senders.Outcome) bool { return o.Fails != "" }) {
		p.Senders(met)
	}
	return nil
}
