package wizard

import (
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/cursor"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/ask"
)

// longList is how many options are more than one looks through.
const longList = 12

// findState narrows a long list of options to those with some words in them.
type findState struct {
	all   []ask.Option
	input textinput.Model
	open  bool
}

// newInput is a line to type into.
func (m *Model) newInput(placeholder string) textinput.Model {
	in := textinput.New()
	in.Prompt, in.Placeholder, in.PlaceholderStyle = "", placeholder, m.theme.quiet
	in.Cursor.SetMode(cursor.CursorStatic)
	in.CharLimit = 4096
	return in
}

// findable says whether the page has a list that can be narrowed. Where several
// can be ticked, what is ticked has to be in sight.
func (q *questionState) findable() bool { return len(q.find.all) > longList && !q.Repeats() }

// openFind opens the line with what is looked for.
func (m *Model) openFind() tea.Cmd {
	f := &m.question.find
	f.input, f.open = m.newInput("part of a name"), true
	m.question.narrow()
	return f.input.Focus()
}

// findKey is a key while what is looked for is typed.
func (m *Model) findKey(k tea.KeyMsg) tea.Cmd {
	q := &m.question
	switch k.String() {
	case "esc":
		q.find.open = false
		q.find.input.SetValue("")
		q.narrow()
		return nil
	case "enter", "up", "down":
		q.find.open = false
		return nil
	}
	k.Runes = slices.DeleteFunc(slices.Clone(k.Runes), func(r rune) bool { return oneLine(string(r)) != string(r) })
	var cmd tea.Cmd
	q.find.input, cmd = q.find.input.Update(k)
	q.narrow()
	return cmd
}

// narrow keeps the options in which all words occur, and what is no answer.
func (q *questionState) narrow() {
	words := strings.Fields(strings.ToLower(q.find.input.Value()))
	q.options, q.cursor, q.err = nil, 0, nil
	for _, o := range q.find.all {
		text := strings.ToLower(o.Text + " " + o.Help)
		if !answers(o) || !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			q.options = append(q.options, o)
		}
	}
}

// findLine shows what is looked for, if anything is.
func (m *Model) findLine(width int) []string {
	q, t := &m.question, m.theme
	if !q.findable() || !q.find.open && q.find.input.Value() == "" {
		return nil
	}
	in := q.find.input
	in.Width = max(10, width-8)
	return []string{"   " + t.quiet.Render("find: ") + in.View(), ""}
}
