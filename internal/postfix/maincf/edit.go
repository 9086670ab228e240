package maincf

import (
	"fmt"
	"strings"

	"postseal/internal/postfix/logical"
)

// Markers are the line beginnings between which a block stands.
type Markers struct{ Begin, End string }

// Block is a marked region of a file.
type Block struct {
	// First and Last are the physical lines of the two markers, from 1.
	First, Last int
	// Lines are the lines from marker to marker, without line ends.
	Lines []string
}

// Block finds the region between the markers. ok is false if there is none;
// err tells of markers that do not pair up, which only a person can mend.
func (f *File) Block(m Markers) (b Block, ok bool, err error) {
	for i, raw := range f.text.Physical {
		switch {
		case strings.HasPrefix(raw, m.Begin):
			if b.First != 0 {
				return b, false, fmt.Errorf("line %d: second %q, the first is line %d", i+1, m.Begin, b.First)
			}
			b.First = i + 1
		case strings.HasPrefix(raw, m.End):
			if b.First == 0 || b.Last != 0 {
				return b, false, fmt.Errorf("line %d: %q without %q before it", i+1, m.End, m.Begin)
			}
			b.Last = i + 1
		}
		if b.First != 0 && (b.Last == 0 || b.Last == i+1) {
			b.Lines = append(b.Lines, strings.TrimRight(raw, "\r\n"))
		}
	}
	if b.First != 0 && b.Last == 0 {
		return b, false, fmt.Errorf("line %d: %q without %q after it", b.First, m.Begin, m.End)
	}
	return b, b.First != 0, nil
}

// In reports whether e starts inside b.
func (b Block) In(e Entry) bool { return b.First <= e.Line && e.Line <= b.Last }

// Edit describes one change of a file.
type Edit struct {
	Markers Markers
	// Drop says which assignments outside the block go. Their comments stay.
	Drop func(Entry) bool
	// Block holds the lines of the new block with its markers and without
	// line ends; empty removes the block.
	Block []string
}

// Apply returns the edited file. The block stands where it stood; a new one
// takes the place of the first assignment that goes, with the text that explains it
// below, or else the end of the file. Everything that is not dropped keeps its bytes, except that a last
// line without a newline gets one if the block follows it.
func (f *File) Apply(e Edit) (*File, error) {
	for _, line := range e.Block {
		if strings.ContainsAny(line, "\n\r\x00") {
			return nil, fmt.Errorf("a line of the block contains a line break: %.60q", line)
		}
	}
	old, had, err := f.Block(e.Markers)
	if err != nil {
		return nil, err
	}
	gone := make([]bool, len(f.text.Physical))
	for i := range gone {
		gone[i] = had && old.First <= i+1 && i+1 <= old.Last
	}
	at := len(gone)
	if had {
		at = old.First - 1
	}
	for _, entry := range f.entries {
		drop := had && old.In(entry)
		if !drop && e.Drop != nil && e.Drop(entry) {
			drop = true
			if !had && at == len(gone) {
				at = f.above(entry)
			}
		}
		for _, i := range entry.own {
			// A line inside the block that continues an assignment before
			// it is the administrator's.
			gone[i] = drop
		}
	}
	// The block must not give a skipped line something to continue, nor come
	// between an assignment and a line that continues it.
	for _, i := range f.text.Orphans {
		if !gone[i] && i >= at {
			at = i + 1
		}
	}
	for _, entry := range f.entries {
		first, last := entry.own[0], entry.own[len(entry.own)-1]
		if !gone[first] && first < at && at <= last {
			at = last + 1
		}
	}
	return Parse(f.splice(gone, at, e.Block, had)), nil
}

// above returns the line above which a block goes that takes the place of an assignment.
// Where a text of some lines explains that assignment alone, as in the files of Red Hat, it
// is above the text: below, the text would seem to be about the block. A heading, of one
// line, with a ruler or of several assignments, stays above.
func (f *File) above(e Entry) int {
	lines := f.text.Physical
	comment := func(i int) bool {
		return i >= 0 && i < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[i]), "#")
	}
	first, next := e.own[0], e.own[len(e.own)-1]+1
	if next < len(lines) && strings.TrimSpace(lines[next]) != "" && !comment(next) {
		return first
	}
	at := first
	ruled := false
	for comment(at - 1) {
		at--
		ruled = ruled || ruler(lines[at])
	}
	if first-at < 2 || ruled {
		return first
	}
	return at
}

// ruler reports whether a comment is a line across the page: "##########" or "# -----".
func ruler(line string) bool {
	line = strings.TrimSpace(line)
	return len(line) > 5 && strings.Trim(line, "#=-_*~ ") == ""
}

// splice joins what is left with the block before line at.
func (f *File) splice(gone []bool, at int, block []string, had bool) string {
	stays := make([]string, 0, len(gone))
	n := 0
	for i, l := range f.text.Physical {
		if i == at {
			n = len(stays)
		}
		if !gone[i] {
			stays = append(stays, l)
		}
	}
	if at == len(gone) {
		n = len(stays)
	}
	before, after := stays[:n:n], stays[n:]
	if len(block) == 0 {
		return strings.Join(stays, "")
	}
	// A block alone in a file goes by its own line ends.
	around := stays
	if len(around) == 0 {
		around = f.text.Physical
	}
	nl := logical.Newline(around)
	if n := len(before); n > 0 {
		if !strings.HasSuffix(before[n-1], "\n") {
			before[n-1] += strings.TrimPrefix(nl, trailingCR(before[n-1]))
		}
		if !had && !logical.Ignored(strings.TrimRight(before[n-1], "\r\n")) {
			before = append(before, nl)
		}
	}
	if !had && len(after) > 0 && strings.TrimSpace(after[0]) != "" {
		after = append([]string{nl}, after...)
	}
	return strings.Join(before, "") + strings.Join(block, nl) + nl + strings.Join(after, "")
}

// trailingCR is "\r" if s ends with one: half a line end is already there.
func trailingCR(s string) string {
	if strings.HasSuffix(s, "\r") {
		return "\r"
	}
	return ""
}
