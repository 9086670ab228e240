package hint

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ShellLine writes a command so that a shell reads the same words back. It is
// plain text: characters that a terminal does not show, and bytes that are no UTF-8, stand
// in it as escapes. A word that ends with a line end needs a shell that knows $'...'
// (POSIX.1-2024); to others it is a file that does not exist.
func ShellLine(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = shellWord(w)
	}
	return strings.Join(out, " ")
}

func shellWord(w string) string {
	switch {
	case strings.HasSuffix(w, "\n"): // a command substitution loses it
		return `$'` + escaped(w) + `'`
	case !utf8.ValidString(w) || strings.ContainsFunc(w, unprintable):
		// $'...' is not read by every sh(1). A command substitution is.
		return `"$(printf -- '` + strings.ReplaceAll(escaped(w), "%", "%%") + `')"`
	case w == "" || strings.ContainsFunc(w, func(r rune) bool { return !strings.ContainsRune(plainInShell, r) }):
		return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return w
}

// escaped is a word in which what a shell or printf(1) reads as more than itself is an
// octal escape: also the "!" that an interactive shell expands within double quotes.
func escaped(w string) string {
	var out strings.Builder
	for rest := w; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && n <= 1 || unprintable(r):
			for _, b := range []byte(rest[:n]) {
				fmt.Fprintf(&out, `\%03o`, b)
			}
		case r == '\'' || r == '\\' || r == '!':
			fmt.Fprintf(&out, `\%03o`, r)
		default:
			out.WriteString(rest[:n])
		}
		rest = rest[n:]
	}
	return out.String()
}

// Hidden reports whether a terminal shows nothing for a character, and perhaps does
// something: control characters, format characters such as those that change the
// direction of writing, and separators of lines and paragraphs.
func Hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// unprintable reports whether a terminal would not show r as itself, which is also so for
// spaces of other kinds.
func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// plainInShell are characters that no shell takes for more than themselves.
const plainInShell = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,=@%+"
