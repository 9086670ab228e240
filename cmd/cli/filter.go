package cli

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// filter is the last door before a terminal: whatever a certificate, a server or a log
// has put into a text, what a terminal would take for a command becomes visible. Colours
// pass, and the carriage return that draws a line again. What prints a text makes it
// clean beforehand (report.Clean), and knows better how it should look.
type filter struct{ io.Writer }

// colour is the only sequence that is printed (ECMA-48, SGR).
var colour = regexp.MustCompile(`^\x1b\[[0-9;]*m`)

func (f filter) Write(b []byte) (int, error) {
	text := string(b)
	if !strings.ContainsFunc(text, hidden) && utf8.ValidString(text) {
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
		if hidden(r) {
			fmt.Fprintf(&out, "\\u%04x", r)
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

// hidden reports whether a terminal shows nothing for a character, and perhaps does
// something: control characters, and those that change the direction of writing.
func hidden(r rune) bool {
	return r != '\n' && r != '\r' && r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp))
}
