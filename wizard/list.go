package wizard

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"postseal/internal/diff"
	"postseal/internal/interview"
	"postseal/internal/plan"
	"postseal/internal/report"
)

// listState is the page with all answers: where a rerun opens, and where one
// answer can be changed.
type listState struct {
	cursor  int
	editing bool
	// review says that the review leads here, and ← back to it; opened that it was
	// opened from here, and leads back.
	review, opened bool
	// summary says what the answers would change.
	summary string
	changes bool
}

// showList opens the list of all answers of the flow.
func (m *Model) showList() tea.Cmd {
	if m.order != nil {
		return m.showOrder()
	}
	m.stage = overview
	m.list.editing = false
	m.list.cursor = min(m.list.cursor, len(m.relevant())-1)
	m.list.summary, m.list.changes = m.summarise()
	return nil
}

// openRerun opens on what is due, or else on the list.
func (m *Model) openRerun() tea.Cmd {
	m.list.review = false
	cert, ok := interview.All.Lookup(certKey)
	if !ok || len(m.session.Due()) == 0 || !cert.Relevant(m.session.Facts, m.server.answers) {
		return m.showList()
	}
	m.list.editing = true
	m.ask(cert)
	return nil
}

func (m *Model) summarise() (string, bool) {
	p, err := m.session.Preview(m.server.answers)
	if err != nil {
		return err.Error(), true
	}
	if p.Empty() {
		return "Nothing would change: the server already matches these answers.", false
	}
	added, removed := 0, 0
	for _, f := range p.Files {
		if f.Kind != plan.MainCF && f.Kind != plan.MasterCF {
			continue
		}
		if d, err := diff.Compare(f.Path, f.Before, f.After, nil); err == nil {
			added, removed = added+d.Added, removed+d.Removed
		}
	}
	return fmt.Sprintf("%d %s would change: %s.", len(p.Files), plural(len(p.Files), "file", "files"), report.Lines(added, removed)), true
}

func (m *Model) listKey(k tea.KeyMsg) tea.Cmd {
	switch k.String() {
	case "r":
		m.list.opened = true
		return m.startReview()
	case "left", "esc", "backspace":
		if m.list.review {
			return m.startReview()
		}
		return m.showHome()
	case "q":
		return m.quit()
	default:
		m.pick(k)
	}
	return nil
}

// pick moves the cursor of a list of answers, or opens one.
func (m *Model) pick(k tea.KeyMsg) {
	items := m.relevant()
	switch k.String() {
	case "up", "k":
		m.list.cursor = max(0, m.list.cursor-1)
	case "down", "j":
		m.list.cursor = min(len(items)-1, m.list.cursor+1)
	case "enter", "right":
		m.list.editing = true
		m.ask(items[m.list.cursor])
	}
}

func (m *Model) listPage() page {
	t := m.theme
	sign := t.good.Render(signGood)
	if m.list.changes {
		sign = t.caution.Render(signNote)
	}
	lines := hang("   "+sign+" ", wrapAll(m.list.summary, m.width-8))
	answers, focus := m.answerLines()
	return page{title: append(lines, ""), lines: answers, focus: focus, keys: []string{"↑↓ choose", "enter change", "r review", "← back", "q quit"}}
}

// answerLines are the answers of the flow, with where they come from; focus is
// the line of the cursor.
func (m *Model) answerLines() (lines []string, focus int) {
	t, items, given := m.theme, m.relevant(), m.flow().answers
	section, column := "", 17
	for _, q := range items {
		if m.width >= 70 {
			column = max(column, len(q.Name())+2)
		}
	}
	for i, q := range items {
		s, _, _, _ := q.Texts()
		if s != section {
			section = s
			lines = append(lines, "   "+t.quiet.Render(s))
		}
		lead, style := "     ", t.plain
		if i == m.list.cursor {
			lead, style, focus = "   "+t.accent.Render(signHere)+" ", t.strong, len(lines)
		}
		values, source := q.Value(m.session.Facts, given)
		text := oneLine(strings.Join(values, ", "))
		if len(values) == 0 {
			text = t.caution.Render("no answer")
		}
		from := t.quiet.Render(source.String())
		name := style.Render(q.Name()) + strings.Repeat(" ", max(1, column-len(q.Name())))
		if m.width < 70 {
			lines = append(lines, ansi.Truncate(lead+name+text, m.width-1, signFolded))
			continue
		}
		room := m.width - 5 - column - 20
		lines = append(lines, lead+name+ansi.Truncate(text+strings.Repeat(" ", max(0, room-ansi.StringWidth(text))), room, signFolded)+" "+from)
	}
	return lines, focus
}
