package wizard

import (
	"postseal/internal/report"
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
	switch k.String() {
	case "up", "k":
		o.at--
	case "down", "j":
		o.at++
	case "pgup":
		o.at -= m.height / 2
	case "pgdown", " ":
		o.at += m.height / 2
	default:
		m.help = nil
	}
	o.at = max(0, min(o.at, len(o.lines(m))-o.room(m)))
}

// room is how many lines of the overlay fit at the least.
func (o *overlay) room(m *Model) int { return max(1, m.height-6) }

func (o *overlay) lines(m *Model) []string {
	lines := []string{"   " + m.theme.strong.Render(report.Clean(o.title)), ""}
	for _, l := range o.text {
		lead := l[:len(l)-len(strings.TrimLeft(l, " "))]
		lines = append(lines, indent("   "+lead, wrap(strings.TrimLeft(l, " "), m.width-6-ansi.StringWidth(lead)))...)
	}
	return lines
}

func (o *overlay) page(m *Model) page {
	return page{lines: o.lines(m), focus: o.at + o.room(m)/2, keys: []string{"↑↓ scroll", "esc back"}}
}
