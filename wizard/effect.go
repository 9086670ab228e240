package wizard

import (
	"fmt"
	"strings"

	"postseal/internal/ask"
	"postseal/internal/diff"
	"postseal/internal/interview"
	"postseal/internal/plan"
	"postseal/internal/report"
)

// setting is a parameter of main.cf, or of one service in master.cf.
type setting struct{ service, parameter string }

func settingOf(c plan.Change) setting { return setting{c.Service, c.Parameter} }

// effect is what an answer does to the files.
type effect struct {
	changes        []plan.Change
	added, removed int
	err            error
}

// foresee makes the plan of every option, and finds out which settings differ.
func (m *Model) foresee() {
	if m.order != nil {
		return // an order changes no file of Postfix
	}
	q := &m.question
	values := map[setting]map[string]bool{}
	var order []setting
	for _, o := range q.options {
		if !answers(o) {
			continue
		}
		e := m.effectOf([]string{o.Text})
		q.effects[o.Text] = e
		for _, c := range e.changes {
			id := settingOf(c)
			if values[id] == nil {
				values[id] = map[string]bool{}
				order = append(order, id)
			}
		}
	}
	for _, id := range order {
		for _, e := range q.effects {
			values[id][e.after(id)] = true
		}
		if len(values[id]) > 1 {
			q.affected = append(q.affected, id)
		}
	}
}

// after is what a setting will be, as one string that can be compared.
func (e effect) after(id setting) string {
	for _, c := range e.changes {
		if settingOf(c) == id {
			return fmt.Sprint(c.Kept, c.After)
		}
	}
	return "unchanged"
}

// effectOf makes the plan for an answer.
func (m *Model) effectOf(texts []string) effect {
	a := m.server.answers.Clone()
	if err := m.question.Set(a, texts, ask.Typed); err != nil {
		return effect{err: err}
	}
	interview.Settle(a)
	p, err := m.session.Preview(a)
	if err != nil {
		return effect{err: err}
	}
	e := effect{changes: p.Changes}
	for _, kind := range []plan.Kind{plan.MainCF, plan.MasterCF} {
		if f, ok := p.File(kind); ok {
			if d, err := diff.Compare(f.Path, f.Before, f.After, nil); err == nil {
				e.added, e.removed = e.added+d.Added, e.removed+d.Removed
			}
		}
	}
	return e
}

// beside is what stands beside a question: the certificate that would be
// shown, and what the answer does to the files.
func (m *Model) beside(width int) []string {
	if m.order != nil {
		return m.orderLines(width)
	}
	lines := m.certificateLines(width)
	if len(lines) > 0 {
		lines = append(lines, "")
	}
	return append(lines, m.effectLines(width)...)
}

// effectLines show what the chosen answer does to the files.
func (m *Model) effectLines(width int) []string {
	q, t := &m.question, m.theme
	if q.typing || len(q.options) == 0 || !answers(q.options[q.cursor]) {
		return nil
	}
	e := q.effects[q.options[q.cursor].Text]
	lines := []string{t.quiet.Render("main.cf"), t.quiet.Render(strings.Repeat("─", max(0, width)))}
	if e.err != nil {
		return append(lines, styled(t.quiet, wrapAll(e.err.Error(), width))...)
	}
	for _, id := range q.affected {
		lines = append(lines, m.effectOn(id, e, width)...)
	}
	if len(q.affected) == 0 {
		lines = append(lines, styled(t.quiet, wrap("this changes no line on its own", width))...)
	}
	return append(lines, "", t.quiet.Render("in all "+report.Lines(e.added, e.removed)))
}

// effectOn is one setting before and after.
func (m *Model) effectOn(id setting, e effect, width int) (out []string) {
	t := m.theme
	line := func(op, value string, style interface{ Render(...string) string }) {
		text := id.parameter + " = " + value
		if id.service != "" {
			text = id.service + " -o " + id.parameter + "=" + value
		}
		for i, l := range wrap(text, width-3) {
			if i > 0 {
				l = "  " + l
			}
			out = append(out, style.Render(op+l))
		}
	}
	for _, c := range e.changes {
		if settingOf(c) != id {
			continue
		}
		if c.Present {
			line("-", c.Before, t.bad.UnsetBold())
		}
		if c.Kept {
			line("+", c.After, t.good)
		}
		return out
	}
	if v := m.session.Facts.Config.Value(nil, id.parameter); id.service == "" && v.Set {
		line(" ", v.Raw, t.quiet)
	}
	return out
}
