package report

import (
	"fmt"
	"strings"

	"postseal/internal/publish"
)

// Published prints the DNS records to add and remove, and what is wrong with those that are
// published; or else none, if there is nothing to print.
func (p Printer) Published(list []publish.Report, none string) {
	if len(list) == 0 && none != "" {
		fmt.Fprintln(p.W, none)
	}
	for _, r := range list {
		fmt.Fprintf(p.W, "%s\n", oneLine(r.Name))
		for _, f := range r.Findings {
			fmt.Fprintf(p.W, "  ✗ %s\n", oneLine(strings.TrimSpace(f.Owner+" "+f.Text)))
			fmt.Fprintf(p.W, "    → %s\n", oneLine(f.Hint))
		}
		for _, s := range r.Steps {
			fmt.Fprint(p.W, stepText(s, r.Name))
		}
		if len(r.Steps)+len(r.Findings) == 0 {
			fmt.Fprintln(p.W, "  ✓ the published records are correct: nothing to do")
		}
	}
}

// stepText is a step about a certificate or domain, with the line for the zone.
func stepText(s publish.Step, name string) string {
	when := "now"
	switch {
	case !s.Due && s.NotBefore.IsZero():
		when = "afterwards"
	case !s.Due:
		when = "not before " + s.NotBefore.UTC().Format("2006-01-02 15:04:05") + " UTC"
	}
	switch s.Action {
	case publish.Serve:
		text := fmt.Sprintf("  + serve %s, at %s: %s\n", when, publish.PolicyURL(oneLine(name)), oneLine(s.Why))
		for line := range strings.Lines(s.Record) {
			text += "    " + oneLine(strings.TrimSuffix(line, "\n")) + "\n"
		}
		return text
	case publish.Add:
		return fmt.Sprintf("  + add %s: %s\n    %s\n", when, oneLine(s.Why), oneLine(s.ZoneLine()))
	case publish.Remove:
		return fmt.Sprintf("  - remove %s: %s\n    %s\n", when, oneLine(s.Why), oneLine(s.ZoneLine()))
	case publish.Order:
		text := fmt.Sprintf("    the certificate (%s) can be ordered %s with postseal cert obtain or renew", s.Algorithm, when)
		if s.Why != "" {
			text += ": " + oneLine(s.Why)
		}
		return text + "\n"
	}
	return fmt.Sprintf("    the key (%s) can be rolled over %s: %s\n", s.Algorithm, when, oneLine(s.Why))
}
