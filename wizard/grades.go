package wizard

import (
	"context"
	"fmt"
	"slices"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"postseal/internal/apply"
	"postseal/internal/audit"
)

// gradesState are the grades before a run and after it.
type gradesState struct {
	// run is the run that they are about; before is empty if the grades were not known.
	run    string
	before []audit.Grade
	// after is the card as it is with the run, once it is ready; failed is why there is none.
	after  *audit.Card
	failed error
	// recorded: the grades stand in the record of the run.
	recorded bool
}

// measured is the end of grading a server anew.
type measured struct {
	run  string
	card audit.Card
	err  error
}

// measure grades the server anew, with what a run has changed, while the person reads.
func (m *Model) measure(r *apply.Receipt) tea.Cmd {
	if r.Kind != "apply" || r.FilesOnly || m.grades.run == r.ID {
		return nil
	}
	m.grades = gradesState{run: r.ID}
	if m.card.ready && m.review.plan != nil {
		m.grades.before = m.card.card.Grades
	}
	ctx, o, run := m.ctx, m.o, r.ID
	m.gathering.Add(1)
	return func() tea.Msg {
		defer m.gathering.Done()
		card, err := o.cardNow(ctx)
		return measured{run, card, err}
	}
}

// cardNow grades the server as it is now.
func (o Options) cardNow(ctx context.Context) (card audit.Card, err error) {
	s, err := o.open(ctx, nil)
	if err != nil {
		return card, err
	}
	e, err := o.evidence(ctx, s)
	if err != nil {
		return card, err
	}
	return audit.Audit(e, s.Suppressions...), nil
}

// measuring reports whether the grades are on their way.
func (m *Model) measuring() bool {
	g := &m.grades
	return g.run != "" && g.after == nil && g.failed == nil && m.end.err == nil
}

func (m *Model) measured(g measured) tea.Cmd {
	if g.run != m.grades.run {
		return nil
	}
	if m.grades.failed = g.err; g.err == nil {
		m.grades.after = &g.card
	}
	return m.record()
}

// record writes the grades into the record of a run that stays, for the next look.
func (m *Model) record() tea.Cmd {
	r, g := m.end.receipt, &m.grades
	if m.stage != ended || m.end.err != nil || r == nil || r.ID != g.run || r.Phase != apply.Kept || g.after == nil || g.recorded || !m.session.Facts.Root {
		return nil
	}
	g.recorded = true
	letters := lettersOf(g.after.Grades)
	ctx, machine, dir, run := m.ctx, m.o.Machine, m.session.StateDir, r.ID
	m.gathering.Add(1)
	return func() tea.Msg {
		defer m.gathering.Done()
		_ = apply.Graded(context.WithoutCancel(ctx), machine, dir, run, letters) // the next look does without
		return nil
	}
}

// lettersOf are the letters of grades, by part.
func lettersOf(all []audit.Grade) map[string]string {
	out := map[string]string{}
	for _, x := range all {
		out[string(x.Part)] = x.Letter
	}
	return out
}

// worthDoing are the findings of a card that cost points.
func worthDoing(c *audit.Card) []audit.Finding {
	return slices.DeleteFunc(slices.Clone(c.Findings), func(f audit.Finding) bool { return f.Severity <= audit.Note })
}

// gradeText is a grade, after that which was there before it.
func (m *Model) gradeText(part audit.Part, before, now string) string {
	t := m.theme
	text := t.quiet.Render(string(part)) + " "
	if before != "" && before != now {
		text += t.grade(before).Render(before) + " → "
	}
	return text + t.grade(now).Render(now)
}

// gradeRows are the grades before and after a run.
func (m *Model) gradeRows(row func(name string, lines []string)) {
	g, t := &m.grades, m.theme
	switch {
	case g.run == "":
		return
	case g.failed != nil:
		row("grades", styled(t.quiet, wrap("not known: "+g.failed.Error(), m.width-19)))
		return
	case g.after == nil:
		row("grades", []string{t.quiet.Render(m.spinner() + " testing again")})
		return
	}
	was := lettersOf(g.before)
	var all []string
	for _, x := range g.after.Grades {
		all = append(all, m.gradeText(x.Part, was[string(x.Part)], x.Letter))
	}
	row("grades", inLines(all, m.width-19))
}

// openRows are the findings that are left, each with its cure.
func (m *Model) openRows(row func(name string, lines []string)) {
	g, t := &m.grades, m.theme
	if g.after == nil {
		return
	}
	open := worthDoing(g.after)
	if len(open) == 0 {
		return
	}
	var lines []string
	for i, f := range open {
		if i == mostLost && len(open) > mostLost+1 {
			lines = append(lines, wrap(fmt.Sprintf("and %d others: postseal audit", len(open)-i), m.width-19)...)
			break
		}
		lines = append(lines, wrap(f.Title, m.width-19)...)
		lines = append(lines, hang("→ ", styled(t.quiet, wrap(f.Cure.Text, m.width-21)))...)
	}
	row("still open", lines)
}

// inLines puts texts beside each other, as many as fit.
func inLines(all []string, width int) (lines []string) {
	line := ""
	for _, text := range all {
		if line != "" && ansi.StringWidth(line)+3+ansi.StringWidth(text) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += "   "
		}
		line += text
	}
	return append(lines, line)
}
