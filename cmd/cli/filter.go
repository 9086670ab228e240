package cli

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"postseal/internal/hint"
)

// filter is the last door before a terminal: whatever a certificate, a server or a log
// has put into a text, what a terminal would take for a command becomes visible. Colours
// pass, and the carriage return that draws a line again. What prints a text makes it
// clean beforehand (report.Clean), and knows better how it should look.
type filter struct{ io.Writer }

// colour is the only sequence that is printed: bold, faint, and the sixteen colours of
// text (ECMA-48, SGR). Others can hide text.
var colour = regexp.MustCompile(`^\x1b\[([0-2]|3[0-79]|9[0-7])?(;([0-2]|3[0-79]|9[0-7]))*m`)

func (f filter) Write(b []byte) (int, error) {
	text := string(b)
	if !strings.ContainsFunc(text, escaped) && utf8.ValidString(text) {
		return f.Writer.Write(b)
	}
	var out strings.Builder
	for len(text) > 0 {
		if c := colour.FindString(text); c != "" {
			out.WriteString(c)
			text = text[len(c):]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		if escaped(r) {
			for _, unit := range utf16.AppendRune(nil, r) { // as JSON escapes it
				fmt.Fprintf(&out, "\\u%04x", unit)
			}
		} else {
			out.WriteRune(r) // what is not UTF-8 becomes U+FFFD
		}
		text = text[n:]
	}
	if _, err := io.WriteString(f.Writer, out.String()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// escaped reports whether a character is printed as an escape.
func escaped(r rune) bool {
	return r != '\n' && r != '\r' && r != '\t' && hint.Hidden(r)
}
