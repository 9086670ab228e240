// Package templates is the text that postseal puts on disk, in files that an
// administrator can read without knowing Go, and the code that picks from it.
//
// What is chosen is decided elsewhere: this package only has the words.
package templates

import (
	_ "embed"
	"fmt"
	"strings"
	"unicode"
)

// DeployHook is what an ACME client runs after it has renewed a certificate.
//
//go:embed deploy-hook.sh
var DeployHook string

//go:embed main.cf
var mainCF string

//go:embed removed
var removed string

// OpenSSL is a configuration file for the TLS library of smtpd.
//
//go:embed openssl-smtpd.cnf
var OpenSSL string

// The lines between which the block in main.cf stands. The first begins with
// Begin, the last with End.
const (
	Begin = "# BEGIN postseal"
	End   = "# END postseal"

	beginLine = Begin + " (TLS): run postseal again to change this, or edit it here"
)

// Setting is a parameter with its value.
type Setting struct{ Name, Value string }

// Reason is why a line is there, and who says so.
type Reason struct{ Why, Source string }

// stanza is a paragraph of a catalogue: a reason and the lines that it is for.
type stanza struct {
	section string
	comment []string // the lines as they are written
	Reason
	lines []Setting // Value is a pattern
}

var (
	blockStanzas   = parse(mainCF)
	removedStanzas = parse(removed)
)

// parse reads a catalogue. The files are compiled in, and a test reads them,
// so a malformed one cannot reach a user.
func parse(text string) (out []stanza) {
	var cur stanza
	section := ""
	flush := func() {
		if len(cur.lines) > 0 {
			cur.section = section
			cur.Reason = reason(cur.comment)
			out = append(out, cur)
		}
		cur = stanza{}
	}
	for _, l := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(l, "## Section: "):
			flush()
			section = strings.TrimPrefix(l, "## Section: ")
		case strings.HasPrefix(l, "##"):
		case l == "":
			flush()
		case strings.HasPrefix(l, "#"):
			cur.comment = append(cur.comment, l)
		default:
			name, value, _ := strings.Cut(l, " =")
			cur.lines = append(cur.lines, Setting{name, strings.TrimPrefix(value, " ")})
		}
	}
	flush()
	return out
}

// reason joins a comment to a sentence and takes the source out of its
// brackets. "postconf(5)" alone stands for the entry of that parameter.
func reason(comment []string) Reason {
	var words []string
	for _, l := range comment {
		words = append(words, strings.TrimPrefix(l, "# "))
	}
	text := strings.Join(words, " ")
	why, source, ok := strings.Cut(text, "[")
	if !ok {
		return Reason{Why: text}
	}
	return Reason{strings.TrimSpace(why), strings.TrimSuffix(source, "]")}
}

// find is the first stanza with a line for the setting.
func find(stanzas []stanza, s Setting) (int, bool) {
	for i, st := range stanzas {
		for _, l := range st.lines {
			if (l.Name == s.Name || l.Name == "*") && match(l.Value, s.Value) {
				return i, true
			}
		}
	}
	return 0, false
}

// match compares a value with a pattern in which * stands for anything.
func match(pattern, value string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == value
	}
	if !strings.HasPrefix(value, parts[0]) {
		return false
	}
	value = value[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(value, p)
		if i < 0 {
			return false
		}
		value = value[i+len(p):]
	}
	return strings.HasSuffix(value, parts[len(parts)-1])
}

// Block writes the block for main.cf: the settings in the order of the
// catalogue, each under its reason, without line ends. It fails for a setting
// that the catalogue has no line for, and for one with a control character.
func Block(settings []Setting) ([]string, error) {
	chosen := make([][]Setting, len(blockStanzas))
	for _, s := range settings {
		i, ok := find(blockStanzas, s)
		if !ok {
			return nil, fmt.Errorf("no text for %s = %s", s.Name, s.Value)
		}
		if strings.ContainsFunc(s.Name+s.Value, unicode.IsControl) {
			return nil, fmt.Errorf("writing %s: control character in %.60q", s.Name, s.Value) // it could begin a line of its own
		}
		chosen[i] = append(chosen[i], s)
	}
	out := []string{beginLine}
	section := ""
	for i, st := range blockStanzas {
		if len(chosen[i]) == 0 {
			continue
		}
		if st.section != section {
			if section != "" {
				out = append(out, "")
			}
			section = st.section
			out = append(out, "# "+section)
		}
		out = append(out, st.comment...)
		for _, s := range chosen[i] {
			out = append(out, strings.TrimSuffix(s.Name+" = "+s.Value, " "))
		}
	}
	return append(out, End), nil
}

// Why is the reason for a setting of the block.
func Why(s Setting) Reason { return lookup(blockStanzas, s) }

// WhyRemoved is the reason for which a line goes.
func WhyRemoved(name string) Reason { return lookup(removedStanzas, Setting{Name: name}) }

func lookup(stanzas []stanza, s Setting) Reason {
	i, ok := find(stanzas, s)
	if !ok {
		return Reason{}
	}
	r := stanzas[i].Reason
	if r.Source == "postconf(5)" {
		r.Source += " " + s.Name
	}
	return r
}
