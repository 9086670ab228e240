package interview

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/ask"
	"postseal/internal/hint"
)

func (o *Order) aboutNames() {
	o.names = &ask.Question[[]string, Facts]{
		Key:     "name",
		Section: SectionOrder,
		Title:   "For which names?",
		Why:     "Senders that check look for the name that your MX record has, and mail programs for the one that users typed.",
		Help: `Each name must be proved to the CA. A certificate shows all of its names to everybody, also in public
logs: what only your users know does not belong in it. A wildcard such as *.example.org is proved by DNS only.`,
		Many:        true,
		Placeholder: "mx.example.org",
		Parse:       func(texts []string) ([]string, error) { return texts, nil },
		Format:      func(v []string) []string { return v },
		Offer: func(f Facts, _ *ask.Answers) []ask.Choice[string] {
			var out []ask.Choice[string]
			for _, n := range f.Needed {
				out = append(out, ask.Choice[string]{Value: n.Name, Name: n.Name, Help: n.Why})
			}
			return out
		},
		Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[[]string] {
			names := Names(f)
			if len(names) == 0 {
				return ask.Suggestion[[]string]{Why: "no name of this server is known that a CA can sign"}
			}
			return suggest(names, ask.Detected, "these are the names under which others reach this server")
		},
		Check: func(v []string, _ Facts, _ *ask.Answers) error {
			var all []error
			for _, n := range v {
				if !HostName(n) {
					all = append(all, hint.New(fmt.Sprintf("%.80q is no host name that a CA can sign", n), "give --name mx.example.org"))
				}
			}
			return errors.Join(all...)
		},
	}
}

// Names are those of this server's names that a certificate can have.
func Names(f Facts) []string {
	return slices.DeleteFunc(f.NeededNames(), func(n string) bool { return !HostName(n) })
}

// HostName reports whether a name is one of the DNS, a wildcard perhaps, and so
// also a harmless name for a folder.
func HostName(n string) bool {
	n = strings.TrimPrefix(n, "*.")
	if len(n) == 0 || len(n) > 253 || !strings.Contains(n, ".") {
		return false
	}
	for _, label := range strings.Split(n, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			strings.ContainsFunc(label, func(r rune) bool {
				return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
			}) {
			return false
		}
	}
	return true
}
