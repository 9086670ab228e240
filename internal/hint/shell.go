package hint

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ShellLine writes a command so that a shell reads the same words back. It is
// plain text: control characters, and bytes that are no UTF-8, stand in it as
// escapes, since it is shown on terminals. Only line ends at the end of such a
// word are lost.
func ShellLine(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = shellWord(w)
	}
	return strings.Join(out, " ")
}

func shellWord(w string) string {
	switch {
	case !utf8.ValidString(w) || strings.ContainsFunc(w, hidden):
		// $'...' is not read by every sh(1). A command substitution is.
		return `"$(printf -- '` + escaped(w) + `')"`
	case w == "" || strings.ContainsFunc(w, func(r rune) bool { return !strings.ContainsRune(plainInShell, r) }):
		return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return w
}

// escaped is a word, without line ends at its end, as the format of printf(1).
func escaped(w string) string {
	var out strings.Builder
	for rest := strings.TrimRight(w, "\n"); rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && n <= 1 || hidden(r):
			for _, b := range []byte(rest[:n]) {
				fmt.Fprintf(&out, `\%03o`, b)
			}
		case r == '\'' || r == '\\':
			fmt.Fprintf(&out, `\%03o`, r)
		case r == '%':
			out.WriteString("%%")
		default:
			out.WriteString(rest[:n])
		}
		rest = rest[n:]
	}
	return out.String()
}

// hidden reports whether a terminal would not show r as itself.
func hidden(r rune) bool { return !unicode.IsPrint(r) }

// plainInShell are characters that no shell takes for more than themselves.
const plainInShell = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,=@%+"
