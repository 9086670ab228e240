package report

import (
	"cmp"
	"io"
	"strings"
)

// ascii writes the signs of the house where a terminal may have no others.
var ascii = strings.NewReplacer(
	"✓", "v", "✗", "x", "●", "*", "▸", ">", "·", "-", "…", "...", "←", "<-", "→", "->", "↑↓", "up/down", "↑", "^", "↓", "v",
	"└", "`", "─", "-", "−", "-", "␊", "|", "␍", "|",
)

// ASCII is text with the signs of the house in ASCII. What comes from outside, such as
// names, stays as it is.
func ASCII(text string) string { return ascii.Replace(text) }

// SpeaksASCII reports whether the locale is set to one without UTF-8 (POSIX, section
// 8.2). Where none is set, as in containers, nothing is known of the terminal, and UTF-8
// is what nearly all have.
func SpeaksASCII(getenv func(string) string) bool {
	locale := strings.ToLower(cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")))
	return locale != "" && !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8")
}

// ASCIIWriter writes the signs of the house in ASCII.
type ASCIIWriter struct{ io.Writer }

// Write implements io.Writer. A text is written as a whole: no sign is cut in two.
func (w ASCIIWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, ASCII(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}
