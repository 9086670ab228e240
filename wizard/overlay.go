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

func (o *overlay) page(m *Model) page {
	return page{lines: o.lines(m), top: o.at, keys: []string{"↑↓ scroll", "esc back"}}
}
