// Package maincf reads and edits main.cf without losing a byte.
//
// It knows how Postfix reads the file (postconf(5); dict_load_fp and
// split_nameval in the source): which lines form an assignment, that the last
// one wins, and how $name is expanded. It does not know what any parameter
// means, and it does no I/O.
package maincf

import (
	"fmt"
	"strings"

	"postseal/internal/postfix/logical"
)

// File is a parsed main.cf. It is never changed: edits return a new one.
type File struct {
	text    *logical.File
	entries []Entry
	last    map[string]int // the entry that counts, by name
}

// Entry is one assignment.
type Entry struct {
	// Name and Value are as Postfix splits them; Value is not expanded.
	Name, Value string
	// Line is the number of the physical line on which it starts, from 1.
	Line int
	// Bad says why Postfix refuses the line, or is empty. Every Postfix
	// program that reads such a file dies.
	Bad string

	own []int
}

// Parse reads text. It cannot fail; see Problems for what Postfix would refuse.
func Parse(text string) *File {
	f := &File{text: logical.Parse(text)}
	n := len(f.text.Logical)
	f.entries, f.last = make([]Entry, n), make(map[string]int, n)
	for i, l := range f.text.Logical {
		e := Entry{Line: l.First() + 1, own: l.Own}
		e.Name, e.Value, e.Bad = Split(l.Text)
		f.entries[i] = e
		if e.Bad == "" {
			f.last[e.Name] = i
		}
	}
	return f
}

// Split cuts "name = value" as split_nameval(3) does: the name runs to the
// first blank or "=", blanks around "=" and at the end go. bad says what is
// wrong in Postfix's own words, or is empty.
func Split(text string) (name, value, bad string) {
	text = strings.Trim(text, spaces)
	end := strings.IndexAny(text, "="+spaces)
	if text == "" || end == 0 {
		return "", "", "missing attribute name"
	}
	if end < 0 {
		return text, "", "missing '=' after attribute name"
	}
	rest := strings.TrimLeft(text[end:], spaces)
	if !strings.HasPrefix(rest, "=") {
		return text[:end], "", "missing '=' after attribute name"
	}
	return text[:end], strings.TrimLeft(rest[1:], spaces), ""
}

// spaces are what Postfix takes for white space (logical.IsSpace).
const spaces = " \t\n\v\f\r"

// String prints the file: Parse(s).String() is s, whatever s is.
func (f *File) String() string { return f.text.String() }

// Entries are all assignments in the order of the file, refused ones among them.
func (f *File) Entries() []Entry { return f.entries }

// Get returns the assignment of name that counts: the last one.
func (f *File) Get(name string) (Entry, bool) {
	i, ok := f.last[name]
	if !ok {
		return Entry{}, false
	}
	return f.entries[i], true
}

// Line is a physical line by its number, from 1.
type Line struct {
	Number int
	Text   string
}

// Continued are the lines that continue an assignment. Comments and blank lines
// may stand between them and do not end it.
func (f *File) Continued(e Entry) (out []Line) {
	for _, i := range e.own[1:] {
		out = append(out, Line{i + 1, strings.TrimRight(f.text.Physical[i], "\r\n")})
	}
	return out
}

// Problem is something in the file that Postfix refuses or warns of.
type Problem struct {
	Line  int // from 1
	Text  string
	Fatal bool // every Postfix program stops at it
}

// Problems lists what Postfix would complain of, in the order of lines.
func (f *File) Problems() []Problem {
	var out []Problem
	for i, l := range f.text.Physical {
		if strings.IndexByte(l, 0) >= 0 {
			out = append(out, Problem{Line: i + 1, Text: "text after a NUL byte may be ignored"})
		}
		if i == 0 && strings.HasPrefix(l, "\ufeff") {
			out = append(out, Problem{Line: 1, Text: "a byte order mark at the start hides the first parameter"})
		}
	}
	for _, i := range f.text.Orphans {
		out = append(out, Problem{Line: i + 1, Text: "starts with white space but continues nothing: Postfix skips it"})
	}
	last := map[string]Entry{}
	for _, e := range f.entries {
		if e.Bad != "" {
			out = append(out, Problem{Line: e.Line, Text: e.Bad, Fatal: true})
			continue
		}
		if old, ok := last[e.Name]; ok && old.Value != e.Value {
			out = append(out, Problem{Line: e.Line, Text: fmt.Sprintf("overrides %s of line %d", e.Name, old.Line)})
		}
		last[e.Name] = e
	}
	return out
}
