package report

import (
	"fmt"
	"strings"

	"postseal/internal/publish"
)

// Published prints the TLSA records to add and remove, certificate by certificate, and what
// is wrong with those that are published.
func (p Printer) Published(list []publish.Report) {
	if len(list) == 0 {
		fmt.Fprintln(p.W, "No certificate is in use: there is nothing to publish.")
	}
	for _, r := range list {
		fmt.Fprintf(p.W, "%s\n", Clean(r.Name))
		for _, f := range r.Findings {
			fmt.Fprintf(p.W, "  ✗ %s\n", Clean(strings.TrimSpace(f.Owner+" "+f.Text)))
			fmt.Fprintf(p.W, "    → %s\n", Clean(f.Hint))
		}
		for _, s := range r.Steps {
			fmt.Fprint(p.W, stepText(s))
		}
		if len(r.Steps)+len(r.Findings) == 0 {
			fmt.Fprintln(p.W, "  ✓ the published records are correct: nothing to do")
		}
	}
}

// stepText is a step, with the line for the zone.
func stepText(s publish.Step) string {
	when := "now"
	if !s.Due {
		when = "not before " + s.NotBefore.UTC().Format("2006-01-02 15:04:05") + " UTC"
	}
	switch s.Action {
	case publish.Add:
		return fmt.Sprintf("  + add %s: %s\n    %s\n", when, s.Why, Clean(s.ZoneLine()))
	case publish.Remove:
		return fmt.Sprintf("  - remove %s: %s\n    %s IN TLSA %s\n", when, s.Why, Clean(s.Owner)+".", s.Record)
	}
	return fmt.Sprintf("    the key (%s) can be rolled over %s: %s\n", s.Algorithm, when, Clean(s.Why))
}
