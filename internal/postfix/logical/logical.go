// Package logical joins the physical lines of a Postfix configuration file
// into logical lines, as main.cf and master.cf share the rules (postconf(5),
// "The general format of the main.cf file"; readlline(3) in the source).
//
// It keeps every byte, so that a file can be printed back unchanged, and it
// does not know what the text of a line means.
package logical

import "strings"

// File is a configuration file cut into physical lines.
type File struct {
	text string
	// Physical holds each line with its terminator; the last may have none.
	// Joined, they are the file.
	Physical []string
	// Logical holds what Postfix reads, in order.
	Logical []Line
	// Orphans are indexes of physical lines that Postfix skips with a warning,
	// because they start with white space and there is nothing to continue.
	Orphans []int
}

// Line is one logical line.
type Line struct {
	// Text is what Postfix reads: the physical lines without their newlines,
	// white space between them kept, comments and blank lines left out.
	Text string
	// Own are the indexes of the physical lines that hold the text. They need
	// not follow each other: comments and blank lines may stand between.
	Own []int
}

// First is the index of the physical line on which l starts.
func (l Line) First() int { return l.Own[0] }

// Last is the index of the last physical line that belongs to l.
func (l Line) Last() int { return l.Own[len(l.Own)-1] }

// Parse cuts text into lines. It cannot fail: whatever Postfix would refuse is
// still kept and printed back.
func Parse(text string) *File {
	f := &File{text: text}
	f.Physical = make([]string, 0, strings.Count(f.text, "\n")+1)
	for rest := f.text; rest != ""; {
		n := strings.IndexByte(rest, '\n') + 1
		if n == 0 {
			n = len(rest)
		}
		f.Physical = append(f.Physical, rest[:n])
		rest = rest[n:]
	}
	own := make([]int, 0, len(f.Physical)) // of all lines, one after the other
	var cur *Line                          // the logical line under way
	var parts []string                     // its text; joined at its end, since there may be a million
	end := func() {
		if len(parts) > 1 {
			cur.Text = strings.Join(parts, "")
		}
	}
	for i, raw := range f.Physical {
		text := trimNewline(raw)
		switch {
		case Ignored(text):
			// Comments and blank lines vanish wherever they are: they do not
			// end a continuation.
		case IsSpace(text[0]) && cur != nil:
			parts = append(parts, text)
			own = append(own, i)
			cur.Own = own[len(own)-len(cur.Own)-1:]
		case IsSpace(text[0]):
			f.Orphans = append(f.Orphans, i)
		default:
			end()
			own = append(own, i)
			f.Logical = append(f.Logical, Line{Text: text, Own: own[len(own)-1:]})
			cur, parts = &f.Logical[len(f.Logical)-1], append(parts[:0], text)
		}
	}
	end()
	return f
}

// String gives the file back as it was read.
func (f *File) String() string { return f.text }

// Newline is the line end that most of the lines have: "\n" or "\r\n".
func Newline(lines []string) string {
	crlf, lf := 0, 0
	for _, l := range lines {
		switch {
		case strings.HasSuffix(strings.TrimSuffix(l, "\n"), "\r"):
			crlf++
		case strings.HasSuffix(l, "\n"):
			lf++
		}
	}
	if crlf > lf {
		return "\r\n"
	}
	return "\n"
}

// IsSpace reports whether Postfix treats c as white space (ISSPACE in
// sys_defs.h: ASCII only).
func IsSpace(c byte) bool {
	return c == ' ' || c >= '\t' && c <= '\r'
}

// Ignored reports whether a physical line without its newline is a comment or blank.
func Ignored(text string) bool {
	for i := 0; i < len(text); i++ {
		if !IsSpace(text[i]) {
			return text[i] == '#'
		}
	}
	return true
}

func trimNewline(s string) string {
	if n := len(s); n > 0 && s[n-1] == '\n' {
		return s[:n-1]
	}
	return s
}
