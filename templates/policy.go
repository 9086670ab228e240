package templates

import (
	_ "embed"
	"fmt"
	"strings"
	"unicode"
)

//go:embed tls_policy
var policyHead string

// PolicyLine is an entry of a policy table.
type PolicyLine struct {
	Destination string
	Level       string
	Attributes  []string
	// Reason is a comment for readers of the file.
	Reason string
}

// Value is the right-hand side of the entry.
func (l PolicyLine) Value() string {
	return strings.Join(append([]string{l.Level}, l.Attributes...), " ")
}

// PolicyTable writes the text of a policy table, each entry under its reason. It fails for
// an entry that Postfix could read as more than one word in its place.
func PolicyTable(lines []PolicyLine) (string, error) {
	var b strings.Builder
	b.WriteString(policyHead)
	for _, l := range lines {
		for _, word := range append([]string{l.Destination, l.Level}, l.Attributes...) {
			if word == "" || strings.HasPrefix(word, "#") || strings.ContainsFunc(word, func(r rune) bool {
				return r <= ' ' || r > '~' || r == ',' || r == '{' || r == '}' || r == '$'
			}) {
				return "", fmt.Errorf("writing the policy of %.80q: %.80q is no word of a policy table", l.Destination, word)
			}
		}
		reason := strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r > '~' {
				return '?'
			}
			return r
		}, l.Reason)
		fmt.Fprintf(&b, "\n# %s\n%s %s\n", reason, l.Destination, l.Value())
	}
	return b.String(), nil
}
