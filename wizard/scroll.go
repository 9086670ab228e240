package wizard

import (
	"slices"

	tea "github.com/charmbracelet/bubbletea"
)

// text makes a page without a cursor: what does not fit can be scrolled to.
func (m *Model) text(p page) page {
	p.top = m.top
	if len(p.lines) > m.room(p) {
		p.keys = slices.Insert(slices.Clone(p.keys), max(0, len(p.keys)-1), "↑↓ scroll", "/ search")
	}
	return p
}

// room is how many lines of a page fit.
func (m *Model) room(p page) int {
	room := m.height - len(m.header())
	p.settle(room)
	return room - len(p.title) - len(m.theme.foot(&p, m.width, room, m.height))
}

// scroll is a key on a page without a cursor.
func (m *Model) scroll(k tea.KeyMsg) {
	p := m.page()
	scrolled(&m.top, k, len(p.lines), m.room(p))
}

// scrolled moves the first of so many lines that is shown, if the key is one
// that does.
func scrolled(top *int, k tea.KeyMsg, lines, room int) bool {
	last := max(0, lines-room)
	at := min(*top, last) // the window may have grown
	switch k.String() {
	case "up", "k":
		at--
	case "down", "j":
		at++
	case "pgup":
		at -= max(1, room-1)
	case "pgdown", " ":
		at += max(1, room-1)
	case "home", "g":
		at = 0
	case "end", "G":
		at = last
	default:
		return false
	}
	*top = max(0, min(at, last))
	return true
}
