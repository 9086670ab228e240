package wizard

import (
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
)

// seekState is a search in what is on a page.
type seekState struct {
	open  bool
	input textinput.Model
	// from is where the search began, and hit the line that was found; -1 if none was.
	from, hit int
}

// seekable is what can be searched: lines, the one where it starts, and what goes to one.
type seekable struct {
	lines []string
	at    int
	show  func(line int)
}

// scrolling is what can be searched where a line is shown by scrolling to it.
func scrolling(lines []string, top *int) *seekable {
	return &seekable{lines, *top, func(i int) { *top = max(0, i-2) }} // above it stand "↑ more", and a line of context
}

// seekable is what can be searched on this page, or nil.
func (m *Model) seekable() *seekable {
	switch {
	case m.help != nil:
		return scrolling(m.help.lines(m), &m.help.at)
	case m.stage == asking, m.stage == applying, m.stage == homing:
		return nil
	case m.stage == reviewing && (m.review.waiting || m.review.err != nil || m.review.plan.Empty()):
		return nil
	case m.stage == reviewing:
		return scrolling(m.fileLines(), &m.review.at)
	case m.stage == carding && m.card.opened:
		return scrolling(m.findingPage().lines, &m.card.top)
	case m.stage == carding:
		var titles []string
		for _, f := range m.card.entries() {
			titles = append(titles, f.ID+" "+string(f.Part)+" "+f.Severity.String()+" "+f.Title)
		}
		return &seekable{titles, max(0, m.card.cursor-1), func(i int) { m.card.cursor = i + 1 }}
	case m.stage == overview:
		var answers []string
		for _, q := range m.relevant() {
			values, source := q.Value(m.session.Facts, m.flow().answers)
			answers = append(answers, q.Name()+" "+strings.Join(values, ", ")+" "+source.String())
		}
		return &seekable{answers, m.list.cursor, func(i int) { m.list.cursor = i }}
	}
	return scrolling(m.pageHere().lines, &m.top)
}

// openSeek opens the line for what is searched.
func (m *Model) openSeek() tea.Cmd {
	s := m.seekable()
	if s == nil {
		return nil
	}
	m.seek = seekState{open: true, input: m.newInput("words"), from: s.at, hit: -1}
	return m.seek.input.Focus()
}

func (m *Model) seekKey(k tea.KeyMsg) tea.Cmd {
	s, target := &m.seek, m.seekable()
	if target == nil {
		s.open = false
		return nil
	}
	switch k.String() {
	case "esc":
		s.open = false
		return nil
	case "enter", "down":
		m.seekFrom(target, s.hit+1, 1)
		return nil
	case "up":
		m.seekFrom(target, s.hit-1, -1)
		return nil
	}
	k.Runes = slices.DeleteFunc(slices.Clone(k.Runes), func(r rune) bool { return oneLine(string(r)) != string(r) })
	var cmd tea.Cmd
	s.input, cmd = s.input.Update(k)
	m.seekFrom(target, s.from, 1)
	return cmd
}

// seekFrom goes to the next line with all the words, in one direction and round the end.
func (m *Model) seekFrom(target *seekable, from, step int) {
	s := &m.seek
	words := strings.Fields(strings.ToLower(s.input.Value()))
	s.hit = -1
	n := len(target.lines)
	for i := range n {
		at := ((from+i*step)%n + n) % n
		text := strings.ToLower(ansi.Strip(target.lines[at]))
		if len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			s.hit = at
			target.show(at)
			return
		}
	}
}

// seekPage is the page with the line for what is searched, and a mark before what was found.
func (m *Model) seekPage(p page) page {
	s, t := &m.seek, m.theme
	in := s.input
	in.Width = max(10, m.width-30)
	p.question = "   " + t.quiet.Render("search: ") + in.View()
	if s.hit < 0 && strings.TrimSpace(in.Value()) != "" {
		p.question += "  " + t.caution.Render("not on this page")
	}
	p.keys = []string{"enter next", "↑ previous", "esc close"}
	target := m.seekable()
	if s.hit < 0 || target == nil || s.hit >= len(target.lines) {
		return p
	}
	if i := slices.Index(p.lines, target.lines[s.hit]); i >= 0 && strings.HasPrefix(p.lines[i], " ") {
		p.lines = slices.Clone(p.lines)
		p.lines[i] = t.accent.Render(signHere) + p.lines[i][1:]
	}
	return p
}
