package wizard

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"postseal/internal/ask"
)

// helpText is the long form of why, and what is in force now.
func (m *Model) helpText() []string {
	q := &m.question
	out := []string{q.why, ""}
	for _, paragraph := range strings.Split(q.text, "\n\n") {
		out = append(out, strings.ReplaceAll(paragraph, "\n", " "), "")
	}
	if now := q.Present(m.session.Facts); now != "" {
		out = append(out, "Now: "+now, "")
	}
	out = append(out, m.suggestion(), "")
	if m.order != nil {
		out = append(out, "By flag: postseal cert obtain --"+q.Name())
	} else {
		out = append(out, "By flag: --"+q.Name()+". In the answers file: "+q.Name()+" = …")
	}
	return append(append(out, "", "Keys on this page"), m.keyHelp()...)
}

// besideWidth is how wide what stands beside a question may be; 0 if there is no room.
func besideWidth(width int) int {
	if width < 76 {
		return 0
	}
	return max(39, width*46/100) - 2 // the longest name of a parameter takes 34 columns
}

func (m *Model) questionPage() page {
	q := &m.question
	t := m.theme
	wide := besideWidth(m.width) > 0
	width := m.width - 4
	if wide {
		width = m.width - 6 - besideWidth(m.width)
	}
	title := append(indent("   ", styled(t.strong, wrap(q.title, width))), "")
	var lines []string
	add := func(l ...string) { lines = append(lines, l...) }
	add(m.findLine(width)...)
	focus := 0
	for i, o := range q.options {
		if i == q.cursor {
			focus = len(lines)
		}
		add(m.option(i, o, width)...)
	}
	if q.err != nil {
		add("")
		focus = len(lines)
		add(m.errorLines(q.err, width+4)...)
	}
	if q.making {
		add("")
		focus = len(lines)
		add(hang("   "+t.caution.Render(signNote)+" ", wrap(selfSigning(m.session), width-2))...)
	}
	if q.waiting {
		add("", "   "+t.quiet.Render("looking at the files …"))
	}
	add("")
	add(indent("   ", wrap(m.suggestion(), width))...)
	if q.cursor < len(q.options) && q.options[q.cursor].Evidence != "" {
		add(indent("   ", wrap(q.options[q.cursor].Text+": "+q.options[q.cursor].Evidence+".", width))...)
	}
	if now := q.Present(m.session.Facts); now != "" {
		add(indent("   ", styled(t.quiet, wrap("Now: "+now, width)))...)
	}
	if _, source := q.Value(m.session.Facts, m.flow().answers); source > ask.Detected && source < ask.Typed {
		add("   " + t.quiet.Render("Chosen: from "+source.String()))
	}
	add("")
	add(indent("   ", wrap(q.why, width))...)
	var beside []string
	if wide {
		beside = m.beside(besideWidth(m.width))
	} else {
		add("")
		add(indent("   ", m.beside(m.width-6))...)
	}
	p := page{title: title, lines: lines, beside: beside, split: width + 4, besideTop: q.besideTop, focus: focus, keys: []string{"↑↓ choose", "enter next", "← back", "? why", "a accept the rest", "d diff", "q quit"}}
	if m.order != nil {
		p.keys = []string{"↑↓ choose", "enter next", "← back", "? why", "a accept the rest", "q quit"}
	}
	if q.Repeats() && q.cursor < len(q.options) && (answers(q.options[q.cursor]) || q.options[q.cursor].Open) {
		p.keys = slices.Insert(p.keys, 1, "space tick")
	}
	if q.findable() {
		p.keys = slices.Insert(p.keys, 1, "/ find")
	}
	if q.cursor < len(q.options) && q.options[q.cursor].Open {
		p.keys[slices.Index(p.keys, "enter next")] = "enter edit"
	}
	switch {
	case q.find.open:
		p.keys = []string{"enter choose", "esc show all", "ctrl+c quit"}
	case q.making:
		p.keys = []string{"y make", "esc cancel"}
	case q.waiting:
		p.keys = []string{"← back", "q quit"}
	case q.typing:
		p.keys = []string{"enter next", "esc list", "ctrl+c quit"}
	}
	return p
}

// suggestion is what is proposed, and why.
func (m *Model) suggestion() string {
	texts, why := m.question.Proposal(m.session.Facts, m.flow().answers)
	if len(texts) == 0 {
		return "No suggestion: " + why + "."
	}
	return "Suggested: " + strings.Join(texts, ", ") + ", because " + why + "."
}

// option is one line of the list, or more if its help does not fit.
func (m *Model) option(i int, o ask.Option, width int) []string {
	q, t := &m.question, m.theme
	lead, style := "     ", t.plain
	if i == q.cursor {
		lead, style = "   "+t.accent.Render(signHere)+" ", t.strong
	}
	if q.Repeats() && answers(o) {
		tick := "[ ] "
		if q.checked[i] {
			tick = "[x] "
		}
		lead += tick
	}
	if q.typing && i == q.cursor && typed(o) {
		in := q.input
		in.Width = max(10, width-6)
		return []string{lead + in.View()}
	}
	name := oneLine(o.Text)
	column := q.column()
	room := width - 2
	if q.Repeats() {
		if room -= 4; !answers(o) {
			column += 4 // it has no box to tick
		}
	}
	if column > room/2 {
		out := hang(lead, styled(style, wrap(name, room)))
		return append(out, indent("       ", styled(t.quiet, wrap(o.Help, width-6)))...)
	}
	help := styled(t.quiet, wrap(o.Help, room-column-3))
	return hang(lead, columns([]string{style.Render(name)}, help, column+1))
}

// column is the width of the names of the options.
func (q *questionState) column() int {
	w := 8
	for _, o := range q.options {
		w = max(w, ansi.StringWidth(oneLine(o.Text)))
	}
	return w
}

func styled(s interface{ Render(...string) string }, lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = s.Render(l)
	}
	return out
}
