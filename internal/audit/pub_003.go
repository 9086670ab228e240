package audit

import (
	"maps"
	"slices"

	"postseal/certs"
)

var pub003 = Rule{
	ID: "PS-PUB-003", Part: Publishing, Severity: Critical, Since: "1.0",
	Title:  "no TLSA record names a certificate that is shown",
	Why:    "Senders with DANE that are shown it do not deliver.",
	Level:  Must,
	Source: "RFC 7672 section 2.2",
	Cure:   outside("postseal publish"),
	Check: when(func(e *Evidence) bool { return len(e.TLSA)+len(unkept(e))+len(refusedAt(e)) > 0 }, func(f *Evidence) []Hit {
		var out []Hit
		for _, name := range slices.Sorted(maps.Keys(f.TLSA)) {
			if !usable(f.TLSA[name]) {
				continue // mail arrives: PS-PUB-031
			}
			matched, judged := false, false
			for _, c := range f.ServerCertificates() {
				chains, _, err := f.Chains(c.Chain)
				if err != nil {
					continue
				}
				for _, chain := range chains {
					judged = true
					for _, finding := range chain.Inspect(certs.Want{TLSA: map[string][]certs.TLSA{name: f.TLSA[name]}, MailNames: map[string][]string{name: f.MailNames(name)}, Now: f.Now}).Findings {
						matched = matched || finding.Topic == "TLSA" && finding.Level == certs.Good
					}
				}
			}
			if judged && !matched {
				out = append(out, Hit{Detail: "of the records of " + name})
			}
		}
		for _, detail := range refusedAt(f) {
			out = append(out, Hit{Detail: detail})
		}
		for _, name := range unkept(f) { // of two certificates one may be named
			if hit := (Hit{Detail: "of the records of " + name}); !slices.Contains(out, hit) {
				out = append(out, hit)
			}
		}
		return out
	}),
}

// unkept are the servers of which a certificate was seen that none of their
// records names.
func unkept(e *Evidence) (names []string) {
	for _, d := range e.Domains {
		for _, x := range d.MX {
			if x.DANE.Kept != nil && !*x.DANE.Kept && !slices.Contains(names, x.Name) {
				names = append(names, x.Name)
			}
		}
	}
	return names
}
