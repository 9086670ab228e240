package wizard

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"postseal/internal/report"
)

// The smallest window that a page fits into.
const (
	minWidth  = 40
	minHeight = 10
)

// page is what a stage draws between header and keys.
type page struct {
	// title stands above the body, and stays there when that is scrolled.
	title []string
	// beside stands to the right of title and body, behind column split, from line
	// besideTop on.
	beside           []string
	split, besideTop int
	// lines are the body. If there are more than fit, the window shows those
	// around focus, or from top on.
	lines      []string
	focus, top int
	// keys are the keys that work here, "enter next", most wanted first.
	keys []string
	// question is asked below the lines, and stays there when they are scrolled.
	question string
}

// frame puts header, body and keys together: exactly height lines of at most
// width columns.
func (t theme) frame(head []string, p page, width, height int) string {
	if width < minWidth || height < minHeight {
		return "The window is too small: it\nneeds 40 columns and 10 lines."
	}
	p.settle(height - len(head))
	foot := t.foot(&p, width, height-len(head), height)
	lines := append(append([]string{}, head...), t.body(p, height-len(head)-len(foot))...)
	for len(lines) < height-len(foot) {
		lines = append(lines, "")
	}
	lines = append(lines, foot...)
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, width, signFolded)
	}
	return strings.Join(lines, "\n")
}

// settle puts the title into the body where it would take more than a third of so many
// lines: what can be chosen is wanted more.
func (p *page) settle(room int) {
	if len(p.title) > room/3 {
		p.lines, p.focus, p.title = append(slices.Clone(p.title), p.lines...), p.focus+len(p.title), nil
	}
}

// body is what is shown of a page in so many lines: its title, and the window.
func (t theme) body(p page, room int) []string {
	room -= len(p.title)
	shown, above, below := window(p, room)
	shown = slices.Clone(shown)
	if below && len(shown) > 0 {
		shown[len(shown)-1] = "   " + t.quiet.Render("↓ more")
	}
	if above && len(shown) > 0 {
		shown[0] = "   " + t.quiet.Render("↑ more")
	}
	all := append(slices.Clone(p.title), shown...)
	if len(p.beside) == 0 {
		return all
	}
	room += len(p.title)
	beside := p.beside[max(0, min(p.besideTop, len(p.beside)-room)):]
	if len(beside) > room && room > 0 {
		beside = append(slices.Clone(beside[:room-1]), t.quiet.Render("↓ more: pgdn"))
	}
	return columns(all, beside, p.split)
}

// foot is what stands at the bottom of a page for which there is so much room below the
// header: the keys, and a question for which there is no room below the lines.
func (t theme) foot(p *page, width, room, height int) []string {
	keys := t.keyLines(p.keys, width, height)
	switch {
	case p.question == "":
	case len(p.lines)+2 <= room-len(keys):
		p.lines = append(slices.Clone(p.lines), "", p.question)
	default:
		return append([]string{p.question}, keys...)
	}
	return keys
}

// window cuts the lines of a page down to room.
func window(p page, room int) (out []string, above, below bool) {
	if room <= 0 {
		return nil, false, false
	}
	if len(p.lines) <= room {
		return p.lines, false, false
	}
	from := p.first(room)
	return p.lines[from : from+room], from > 0, from+room < len(p.lines)
}

// first is the first line that is shown where there is so much room.
func (p page) first(room int) int { return max(0, min(max(p.top, p.centred(room)), len(p.lines)-room)) }

// centred is the first line with the focus in the middle.
func (p page) centred(room int) int { return max(0, min(p.focus-room/2, len(p.lines)-room)) }

// keyRows is how many lines of keys there are at most: a narrow window needs a
// second, a low one has no room for it.
func keyRows(width, height int) int {
	if width < 80 && height >= 15 {
		return 2
	}
	return 1
}

// keyLines lays the keys out in rows; what does not fit is left out from the
// end, but for enter and the last, which is how to leave.
func (t theme) keyLines(keys []string, width, height int) []string {
	if len(keys) == 0 {
		return nil
	}
	show := slices.Clone(keys)
	rows := inRows(show, width)
	for len(show) > 2 && len(rows) > keyRows(width, height) {
		i := len(show) - 2
		if strings.HasPrefix(show[i], "enter ") {
			i--
		}
		show = slices.Delete(show, i, i+1)
		rows = inRows(show, width)
	}
	out := []string{""}
	for _, row := range rows {
		for i, k := range row {
			if key, what, ok := strings.Cut(k, " "); ok {
				row[i] = t.strong.Render(key) + " " + t.quiet.Render(what)
			}
		}
		out = append(out, " "+strings.Join(row, "  "))
	}
	return out
}

// inRows breaks keys into rows that fit.
func inRows(keys []string, width int) (rows [][]string) {
	for _, k := range keys {
		last := len(rows) - 1
		if last < 0 || ansi.StringWidth(strings.Join(append(slices.Clone(rows[last]), k), "  "))+2 > width {
			rows = append(rows, []string{k})
			continue
		}
		rows[last] = append(rows[last], k)
	}
	return rows
}

// oneLine makes text safe that comes from outside and is one line: a name with
// a line end in it could otherwise draw a line that we never did.
func oneLine(text string) string {
	return strings.ReplaceAll(report.Clean(strings.TrimRight(text, "\n")), "\n", "␊")
}

// wrap breaks text that is one line into lines of at most width columns,
// between words; a word that is too long, such as a path, is cut where it
// reads best.
func wrap(text string, width int) (out []string) {
	width = max(8, width)
	line := ""
	for _, word := range strings.Fields(oneLine(text)) {
		if line != "" && ansi.StringWidth(line)+1+ansi.StringWidth(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			out = append(out, line)
		}
		for line = word; ansi.StringWidth(line) > width; {
			head := cut(line, width)
			out = append(out, head)
			line = line[len(head):]
		}
	}
	return append(out, line)
}

// wrapAll is wrap for text that may have several lines, as errors have.
func wrapAll(text string, width int) (out []string) {
	for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		out = append(out, wrap(l, width)...)
	}
	return out
}

// cut is the beginning of a long word that fits: up to a slash or another
// mark if one is near, else as much as there is room for.
func cut(word string, width int) string {
	head := ansi.Truncate(word, width, "")
	for _, marks := range []string{"/,", "-_.="} {
		if i := strings.LastIndexAny(head, marks); i > len(head)/3 {
			return head[:i+1]
		}
	}
	return head
}

// indent puts the same lead before every line.
func indent(lead string, lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = lead + l
	}
	return out
}

// hang puts a lead before the first line and blanks of the same width before
// the others.
func hang(lead string, lines []string) []string {
	out := indent(strings.Repeat(" ", ansi.StringWidth(lead)), lines)
	if len(lines) > 0 {
		out[0] = lead + lines[0]
	}
	return out
}

// columns puts two columns of lines side by side.
func columns(left, right []string, leftWidth int) []string {
	n := max(len(left), len(right))
	out := make([]string, n)
	for i := range n {
		l, r := "", ""
		if i < len(left) {
			l = ansi.Truncate(left[i], leftWidth, signFolded)
		}
		if i < len(right) {
			r = right[i]
		}
		if ansi.StringWidth(r) == 0 {
			out[i] = l
			continue
		}
		out[i] = l + strings.Repeat(" ", max(1, leftWidth+1-ansi.StringWidth(l))) + r
	}
	return out
}
