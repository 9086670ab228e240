package report

import (
	_ "embed" // the schema
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"postseal/internal/audit"
	"postseal/internal/domain"
	"postseal/internal/hint"
	"postseal/internal/postfix"
	"postseal/internal/probe"
	"postseal/internal/rehearse"
	"postseal/internal/senders"
)

// CardSchema describes what postseal audit --json prints (JSON Schema, draft
// 2020-12).
//
//go:embed card.schema.json
var CardSchema []byte

// cardVersion is that of the schema: it changes when something is taken away or
// means something else.
const cardVersion = 1

// auditJSON is all of an audit as data.
type auditJSON struct {
	Version int        `json:"version"`
	When    time.Time  `json:"when"`
	Facts   any        `json:"facts"`
	Card    cardJSON   `json:"card"`
	Live    []liveJSON `json:"live"`
	// Domains are what this server's own domains publish.
	Domains  []*domain.Domain `json:"domains"`
	Sent     []rehearse.Trial `json:"sent"`
	Opinions []opinionJSON    `json:"opinions"`
	// Senders are what well-known ones would agree on, by what was known of them
	// on that day.
	Senders sendersJSON `json:"senders"`
}

type sendersJSON struct {
	Date     string            `json:"date"`
	Outcomes []senders.Outcome `json:"outcomes"`
}

type cardJSON struct {
	Grades     []gradeJSON   `json:"grades"`
	Findings   []findingJSON `json:"findings"`
	Suppressed []findingJSON `json:"suppressed"`
	Passed     []string      `json:"passed"`
	Idle       []string      `json:"idle"`
	Notes      []string      `json:"notes"`
}

type gradeJSON struct {
	Part   audit.Part `json:"part"`
	Grade  string     `json:"grade"`
	Points int        `json:"points"`
	Basis  string     `json:"basis"`
	Looked bool       `json:"looked"`
	Lost   []string   `json:"lost"`
}

type findingJSON struct {
	ID       string      `json:"id"`
	Title    string      `json:"title"`
	Part     audit.Part  `json:"part"`
	Severity string      `json:"severity"`
	Points   int         `json:"points"`
	Why      string      `json:"why"`
	Level    audit.Level `json:"level"`
	Source   string      `json:"source"`
	Cure     string      `json:"cure"`
	Since    string      `json:"since"`
	Hits     []hitJSON   `json:"hits"`
	// Until and Reason are of a suppression.
	Until  string `json:"until,omitempty"`
	Reason string `json:"reason,omitempty"`
}

type hitJSON struct {
	Detail string         `json:"detail"`
	Origin postfix.Origin `json:"origin"`
	Remedy string         `json:"remedy,omitempty"`
}

type liveJSON struct {
	Service string             `json:"service"`
	Seen    *probe.Enumeration `json:"seen,omitempty"`
	Named   []namedJSON        `json:"named"`
	Error   string             `json:"error,omitempty"`
}

// namedJSON is a handshake in which a host was named.
type namedJSON struct {
	Name  string   `json:"name"`
	Shown []string `json:"shown"` // the names in the certificate
	Error string   `json:"error,omitempty"`
}

type opinionJSON struct {
	Who  string `json:"who"`
	What string `json:"what"`
	Says string `json:"says"`
	Why  string `json:"why,omitempty"`
}

// AuditJSON gives an audit as data, as CardSchema describes it.
func AuditJSON(e *audit.Evidence, c audit.Card) any {
	out := auditJSON{
		Version: cardVersion, When: e.Now.UTC(), Facts: FactsJSON(e.Facts), Card: card(c),
		Live: []liveJSON{}, Domains: append([]*domain.Domain{}, e.Domains...), Sent: []rehearse.Trial{}, Opinions: []opinionJSON{},
	}
	out.Senders = sendersJSON{senders.Date(), append([]senders.Outcome{}, audit.Senders(e)...)}
	for _, l := range e.Live {
		j := liveJSON{Service: l.Listener.Service.ID(), Seen: l.Seen, Named: []namedJSON{}}
		for _, n := range l.Named {
			one := namedJSON{Name: n.Name, Shown: []string{}}
			if len(n.Certs) > 0 {
				one.Shown = list(n.Certs[0].DNSNames)
			}
			if n.Err != nil {
				one.Error = n.Err.Error()
			}
			j.Named = append(j.Named, one)
		}
		if l.Err != nil {
			j.Error = l.Err.Error()
		}
		out.Live = append(out.Live, j)
	}
	if e.Sent != nil {
		out.Sent = append(out.Sent, e.Sent.Trials...)
	}
	for _, o := range audit.Opinions(e) {
		out.Opinions = append(out.Opinions, opinionJSON(o))
	}
	return out
}

func card(c audit.Card) cardJSON {
	out := cardJSON{Grades: []gradeJSON{}, Findings: []findingJSON{}, Suppressed: []findingJSON{}, Passed: []string{}, Idle: []string{}, Notes: append([]string{}, c.Notes...)}
	for _, g := range c.Grades {
		out.Grades = append(out.Grades, gradeJSON{g.Part, g.Letter, g.Points, g.Basis, g.Looked, append([]string{}, g.Lost...)})
	}
	for _, f := range c.Findings {
		out.Findings = append(out.Findings, finding(f))
	}
	for _, f := range c.Suppressed {
		out.Suppressed = append(out.Suppressed, finding(f))
	}
	for _, r := range c.Passed {
		out.Passed = append(out.Passed, r.ID)
	}
	for _, r := range c.Idle {
		out.Idle = append(out.Idle, r.ID)
	}
	return out
}

func finding(f audit.Finding) findingJSON {
	j := findingJSON{ID: f.ID, Title: f.Title, Part: f.Part, Severity: f.Severity.String(), Points: int(f.Severity), Why: f.Why, Level: f.Level, Source: f.Source, Cure: f.Cure.Text, Since: f.Since, Hits: []hitJSON{}}
	for _, h := range f.Hits {
		j.Hits = append(j.Hits, hitJSON{h.Detail, h.At, h.Remedy})
	}
	if s := f.Suppressed; s != nil {
		j.Until, j.Reason = s.Until.Format(time.DateOnly), s.Reason
	}
	return j
}

// CardDiff is what changed since an older card.
type CardDiff struct {
	Since  time.Time     `json:"since"`
	Grades []GradeChange `json:"grades"`
	// Better are findings that are gone, or are found in fewer places, Worse those
	// that are new or are found in more.
	Better []string `json:"better"`
	Worse  []string `json:"worse"`
	// Suppressed were taken out by hand since, and Unseen had nothing to look at
	// this time: both may still be so.
	Suppressed []string `json:"suppressed"`
	Unseen     []string `json:"not_looked_at"`
	worst      audit.Severity
}

// Worst is the severity of the worst finding that is new or is found in more
// places, and whether there is one.
func (d CardDiff) Worst() (audit.Severity, bool) { return d.worst, len(d.Worse) > 0 }

// GradeChange is the points of one part, then and now; nil where it was not
// judged.
type GradeChange struct {
	Part audit.Part `json:"part"`
	Was  *int       `json:"was"`
	Now  *int       `json:"now"`
	// Basis says what it is judged by now, if that was something else.
	Basis string `json:"basis,omitempty"`
}

// judgedPoints are the points of a part, or nil.
func judgedPoints(g gradeJSON) *int {
	if g.Grade == audit.Unjudged || g.Grade == "" {
		return nil
	}
	return &g.Points
}

// Earlier returns what the domains published when an older card was printed as JSON.
func Earlier(old []byte) []*domain.Domain {
	var was struct {
		Domains []*domain.Domain `json:"domains"`
	}
	if json.Unmarshal(old, &was) != nil {
		return nil // Compare says why
	}
	return was.Domains
}

// Compare says what changed since an audit that was printed as JSON.
func Compare(old []byte, c audit.Card) (CardDiff, error) {
	var was auditJSON
	if err := json.Unmarshal(old, &was); err != nil {
		return CardDiff{}, hint.Wrap(fmt.Errorf("reading an older card: %w", err), "make one with: postseal audit --json > card.json")
	}
	if was.Version < 1 || was.Version > cardVersion {
		return CardDiff{}, hint.New(fmt.Sprintf("this is no card, or one of version %d; this postseal reads 1 to %d", was.Version, cardVersion), "make one with: postseal audit --json > card.json")
	}
	now := card(c)
	d := CardDiff{Since: was.When, Grades: []GradeChange{}, Better: []string{}, Worse: []string{}, Suppressed: []string{}, Unseen: []string{}}
	less := map[audit.Part]bool{} // parts at which less was looked
	for _, g := range now.Grades {
		change := GradeChange{Part: g.Part, Now: judgedPoints(g)}
		for _, o := range was.Card.Grades {
			if o.Part != g.Part {
				continue
			}
			change.Was = judgedPoints(o)
			if o.Looked != g.Looked {
				change.Basis, less[g.Part] = g.Basis, o.Looked
			}
		}
		d.Grades = append(d.Grades, change)
	}
	hits := func(in []findingJSON) map[string]findingJSON {
		out := map[string]findingJSON{}
		for _, f := range in {
			out[f.ID] = f
		}
		return out
	}
	before, hushed := hits(was.Card.Findings), hits(now.Suppressed)
	hidden := hits(was.Card.Suppressed)
	for _, f := range now.Findings {
		known := len(d.Worse)
		switch o, ok := before[f.ID]; {
		case !ok && hidden[f.ID].ID != "": // its suppression has ended
			d.Worse = append(d.Worse, f.ID+" "+f.Title+", which was suppressed")
		case !ok && slices.Contains(was.Card.Idle, f.ID):
			d.Worse = append(d.Worse, f.ID+" "+f.Title+", which was not looked at")
		case !ok:
			d.Worse = append(d.Worse, f.ID+" "+f.Title)
		case len(f.Hits) > len(o.Hits):
			d.Worse = append(d.Worse, fmt.Sprintf("%s %s, in %d places instead of %d", f.ID, f.Title, len(f.Hits), len(o.Hits)))
		case len(f.Hits) < len(o.Hits):
			d.Better = append(d.Better, fmt.Sprintf("%s %s, in %d places of %d", f.ID, f.Title, len(o.Hits)-len(f.Hits), len(o.Hits)))
		}
		if len(d.Worse) > known {
			d.worst = max(d.worst, audit.Severity(f.Points))
		}
	}
	after := hits(now.Findings)
	for _, f := range was.Card.Findings {
		switch text := f.ID + " " + f.Title; {
		case after[f.ID].ID != "":
		case hushed[f.ID].ID != "":
			d.Suppressed = append(d.Suppressed, text)
		case slices.Contains(now.Passed, f.ID) && !less[f.Part]:
			d.Better = append(d.Better, text)
		default: // nothing to look at, or not as closely
			d.Unseen = append(d.Unseen, text)
		}
	}
	return d, nil
}
