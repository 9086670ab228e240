package report

import (
	"fmt"
	"strings"

	"postseal/internal/audit"
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

// Remarks prints what was found, without judging it.
func (p Printer) Remarks(f *detect.Facts) {
	g := *f
	g.Problems = nil
	p.Facts(&g)
}

// Card prints the grades, and every finding with what it does to mail, by whose
// word, and what cures it.
func (p Printer) Card(c audit.Card) {
	for _, g := range c.Grades {
		p.printf("%s %3d of 100\n", p.paint(bold, fmt.Sprintf("%-13s %s", g.Part, g.Letter)), g.Points)
	}
	for _, f := range c.Findings {
		fmt.Fprintln(p.W)
		sign := p.note()
		if f.Severity >= audit.High {
			sign = p.bad()
		}
		cost := f.Severity.String()
		if f.Severity > 0 {
			cost += fmt.Sprintf(", -%d", int(f.Severity))
		}
		p.indented(sign+" ", 2, f.ID+" "+f.Title+" ("+cost+")")
		for _, h := range f.Hits {
			text := h.Detail
			if h.At != (postfix.Origin{}) {
				text += " (" + h.At.String() + ")"
			}
			p.indented("    ", 6, text)
		}
		p.indented("  ", 2, f.Why)
		p.indented(p.paint(quiet, "  says: "), 8, f.Source)
		p.indented(p.paint(quiet, "  cure: "), 8, f.Cure)
	}
}

// cardJSON is a card as data.
type cardJSON struct {
	Grades   []gradeJSON   `json:"grades"`
	Findings []findingJSON `json:"findings"`
}

type gradeJSON struct {
	Part   audit.Part `json:"part"`
	Grade  string     `json:"grade"`
	Points int        `json:"points"`
	Lost   []string   `json:"lost"`
}

type findingJSON struct {
	ID       string     `json:"id"`
	Title    string     `json:"title"`
	Part     audit.Part `json:"part"`
	Severity string     `json:"severity"`
	Points   int        `json:"points"`
	Why      string     `json:"why"`
	Source   string     `json:"source"`
	Cure     string     `json:"cure"`
	Hits     []hitJSON  `json:"hits"`
}

type hitJSON struct {
	Detail string         `json:"detail"`
	Origin postfix.Origin `json:"origin"`
}

// CardJSON gives a card as data.
func CardJSON(c audit.Card) any {
	out := cardJSON{Grades: []gradeJSON{}, Findings: []findingJSON{}}
	for _, g := range c.Grades {
		out.Grades = append(out.Grades, gradeJSON{g.Part, g.Letter, g.Points, append([]string{}, g.Lost...)})
	}
	for _, f := range c.Findings {
		j := findingJSON{f.ID, f.Title, f.Part, f.Severity.String(), int(f.Severity), f.Why, f.Source, strings.TrimSpace(f.Cure), []hitJSON{}}
		for _, h := range f.Hits {
			j.Hits = append(j.Hits, hitJSON{h.Detail, h.At})
		}
		out.Findings = append(out.Findings, j)
	}
	return out
}
