package report

import (
	_ "embed" // the page
	"html/template"
	"io"
	"slices"
	"time"

	"postseal/internal/audit"
	"postseal/internal/rehearse"
	"postseal/internal/senders"
)

//go:embed card.html.tmpl
var cardPage string

var cardTemplate = template.Must(template.New("card").Parse(cardPage))

// pageFinding is a finding as the page has it: all text is cleaned.
type pageFinding struct {
	ID, Title, Severity, Why, Level, Source, Cure string
	Cost                                          int
	Hits                                          []pageHit
	Open                                          bool
	Until, Reason                                 string
}

// pageHit is one place of a finding, with the command that ends it.
type pageHit struct{ Text, Remedy string }

type pagePart struct {
	Name     string
	Findings []pageFinding
	Passed   []audit.Rule
}

type pageSent struct{ Text, Got, Class string }

type pageSender struct{ Name, Met, Class string }

type page struct {
	Host, When, Version, Role string
	Card                      audit.Card
	Parts                     []pagePart
	Suppressed                []pageFinding
	Opinions                  []audit.Opinion
	Sent                      []pageSent
	Senders                   []pageSender
	SendersDate, LeftOut      string
}

// CardHTML writes an audit as one page that needs nothing else: no script, no
// picture, no font, and a policy that forbids the browser to fetch any.
func CardHTML(w io.Writer, e *audit.Evidence, c audit.Card) error {
	p := page{
		Host: oneLine(e.Hostname), When: e.Now.UTC().Format(time.RFC1123), Version: oneLine(e.Config.Version.String()), Role: string(e.Role),
		Card: c, Opinions: audit.Opinions(e),
	}
	p.Card.Grades = slices.Clone(p.Card.Grades)
	for i := range p.Card.Grades {
		p.Card.Grades[i].Basis = oneLine(p.Card.Grades[i].Basis)
	}
	p.Card.Notes = slices.Clone(p.Card.Notes)
	for i := range p.Card.Notes {
		p.Card.Notes[i] = oneLine(p.Card.Notes[i])
	}
	for i := range p.Opinions {
		p.Opinions[i].Says = oneLine(p.Opinions[i].Says)
	}
	for _, part := range audit.Parts {
		one := pagePart{Name: string(part)}
		for _, f := range c.Findings {
			if f.Part == part {
				one.Findings = append(one.Findings, onPage(f))
			}
		}
		for _, r := range c.Passed {
			if r.Part == part {
				one.Passed = append(one.Passed, r)
			}
		}
		p.Parts = append(p.Parts, one)
	}
	for _, f := range c.Suppressed {
		p.Suppressed = append(p.Suppressed, onPage(f))
	}
	for _, o := range audit.Senders(e) {
		class := "passed"
		if o.Fails != "" {
			class = "high"
		}
		p.Senders = append(p.Senders, pageSender{o.Sender, oneLine(Met(o)), class})
	}
	p.SendersDate, p.LeftOut = senders.Date(), senders.LeftOut()
	if e.Sent != nil {
		class := map[rehearse.Verdict]string{rehearse.Fine: "passed", rehearse.Noted: "note", rehearse.Failed: "high"}
		for _, t := range e.Sent.Trials {
			p.Sent = append(p.Sent, pageSent{oneLine(t.Text), oneLine(t.Got), class[t.Verdict]})
		}
	}
	return cardTemplate.Execute(w, p)
}

func onPage(f audit.Finding) pageFinding {
	out := pageFinding{ID: f.ID, Title: f.Title, Severity: f.Severity.String(), Why: f.Why, Level: string(f.Level), Source: f.Source, Cure: f.Cure.Text, Cost: int(f.Severity), Open: f.Severity >= audit.High}
	for _, h := range f.Hits {
		out.Hits = append(out.Hits, pageHit{oneLine(HitText(h)), oneLine(h.Remedy)})
	}
	if s := f.Suppressed; s != nil {
		out.Until, out.Reason = s.Until.Format(time.DateOnly), oneLine(s.Reason)
	}
	return out
}
