package wizard

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
)

// overlay is a page of text over another.
type overlay struct {
	title string
	text  []string
	at    int
}

func newOverlay(title string, text []string) *overlay { return &overlay{title: title, text: text} }

func (o *overlay) key(m *Model, k tea.KeyMsg) {
	if p := o.page(m); !scrolled(&o.at, k, len(p.lines), m.room(p)) {
		m.help = nil
	}
}

func (o *overlay) lines(m *Model) []string {
	lines := []string{"   " + m.theme.strong.Render(oneLine(o.title)), ""}
	for _, l := range o.text {
		if name, text, ok := strings.Cut(l, "\t"); ok {
			lines = append(lines, m.termLines(name, text)...)
			continue
		}
		text := strings.TrimLeft(l, " ")
		lead := "   " + l[:len(l)-len(text)]
		for _, sign := range []string{signGood, signNote, signBad} {
			if rest, ok := strings.CutPrefix(text, sign+" "); ok {
				lead, text = lead+m.theme.sign(sign)+" ", rest
			}
		}
		lines = append(lines, hang(lead, wrap(text, m.width-3-ansi.StringWidth(lead)))...)
	}
	return lines
}

// termColumn is the width of a term and of a key in a help text.
const termColumn = 20

// termLines are a term, or a key, with what it means beside it, or under it where the window
// is narrow.
func (m *Model) termLines(name, text string) []string {
	t := m.theme
	if m.width < 60 {
		return append([]string{"   " + t.strong.Render(name)}, indent("     ", wrap(text, m.width-7))...)
	}
	return hang("   "+t.strong.Render(name)+strings.Repeat(" ", max(1, termColumn-ansi.StringWidth(name))), wrap(text, m.width-5-termColumn))
}

func (o *overlay) page(m *Model) page {
	p := page{lines: o.lines(m), top: o.at, keys: []string{"esc back"}}
	if len(p.lines) > m.room(p) {
		p.keys = []string{"↑↓ scroll", "/ search", "esc back"}
	}
	return p
}
