package wizard

import "strings"

// keyHelp are the keys of the page, also those for which its foot has no room, those of
// every page, and the words.
func (m *Model) keyHelp() (out []string) {
	add := func(k, what string) { out = append(out, k+"\t"+what) }
	for _, k := range m.page().keys {
		k, what, _ := strings.Cut(k, " ")
		add(k, what)
	}
	out = append(out, "", "On every page")
	if m.stage != asking && m.seekable() != nil {
		add("/", "search this page")
	}
	add("l", "commands run")
	add("↑↓ or k j", "move, or scroll; PgUp PgDn Home End, too")
	add("→", "as Enter, where that goes on")
	add("esc", "as ←; backspace, too")
	add("ctrl+c", "stop, or leave")
	out = append(out, "", "Words")
	return append(out, glossaryLines()...)
}
