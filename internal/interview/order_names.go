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
		Title:   "Names in the certificate",
		Why:     "Verifying senders look for the name in your MX record, and mail clients for the name that users entered.",
		Help: `The CA must validate each name. A certificate shows all of its names to everyone, also in public logs: leave
out names that only your users know. Wildcards such as *.example.org can only be validated by DNS.`,
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
				return ask.Suggestion[[]string]{Why: "no name of this server is known for which a CA can sign"}
			}
			return suggest(names, ask.Detected, "servers and users reach this server by these names")
		},
		Check: func(v []string, _ Facts, _ *ask.Answers) error {
			var all []error
			for _, n := range v {
				if !HostName(n) {
					all = append(all, hint.New(fmt.Sprintf("%.80q is not a host name for which a CA can sign", n), "use a host name: --name mx.example.org"))
				}
			}
			return errors.Join(all...)
		},
	}
}

// Names returns those of this server's names that a certificate can contain.
func Names(f Facts) []string {
	return slices.DeleteFunc(f.NeededNames(), func(n string) bool { return !HostName(n) })
}

// HostName reports whether a name is a DNS host name, possibly a wildcard, and so also
// a harmless name for a directory.
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
