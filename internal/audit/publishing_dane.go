package audit

import (
	"fmt"
	"maps"
	"slices"

	"postseal/certs"
	"postseal/internal/dane"
	"postseal/internal/detect"
)

// publishingDANERules are the rules about TLSA records.
var publishingDANERules = []Rule{
	noTLSA, unsignedTLSA, mismatchedTLSA, unusableTLSA, fleetingTLSA,
}

var noTLSA = Rule{
	ID: "PS-PUB-001", Part: Publishing, Severity: Medium, Since: "1.0",
	Title:  "No TLSA records are published",
	Why:    "Senders that support DANE cannot authenticate this server: an attacker on the network path can strip TLS.",
	Level:  Should,
	Source: "RFC 7672; NCSC-NL: DANE must be published",
	Cure:   outside("postseal publish"),
	Check: when(func(e *Evidence) bool { return receives(e) && e.Resolver.Validates == detect.Yes }, func(e *Evidence) (hits []Hit) {
		if e.Role == detect.Sender || len(e.Needed) == 0 {
			return nil
		}
		for _, d := range e.Domains {
			for _, name := range bare(d) {
				hits = append(hits, Hit{Detail: "none for " + name + ", while another server of " + d.Name + " has some"})
			}
		}
		known := slices.ContainsFunc(e.DANE, func(h dane.Host) bool { return h.State != dane.None && !h.Answered })
		if known || len(e.TLSA)+len(e.Unproved)+len(hits) > 0 {
			return hits
		}
		return []Hit{{Detail: "none for " + e.Needed[0].Name}}
	}),
}

var unsignedTLSA = Rule{
	ID: "PS-PUB-002", Part: Publishing, Severity: High, Since: "1.0",
	Title:  "TLSA records are published in a zone that is not signed",
	Why:    "Senders ignore them: DANE protects nothing.",
	Level:  Must,
	Source: "RFC 6698 section 4: DNSSEC MUST be used",
	Cure:   outside("sign the zone"),
	Check: when(func(e *Evidence) bool { return len(e.Unproved)+len(e.TLSA) > 0 }, func(e *Evidence) []Hit {
		var out []Hit
		for _, n := range e.Unproved {
			out = append(out, Hit{Detail: n + " has records that DNSSEC does not authenticate"})
		}
		return out
	}),
}

var mismatchedTLSA = Rule{
	ID: "PS-PUB-003", Part: Publishing, Severity: Critical, Since: "1.0",
	Title:  "No TLSA record matches a certificate that is presented",
	Why:    "Senders with DANE that get that certificate do not deliver.",
	Level:  Must,
	Source: "RFC 7672 section 2.2",
	Cure:   outside("postseal publish"),
	Check: when(func(e *Evidence) bool { return len(e.TLSA)+len(unkept(e))+len(refusedAt(e)) > 0 }, func(e *Evidence) []Hit {
		var out []Hit
		for _, name := range slices.Sorted(maps.Keys(e.TLSA)) {
			if !usable(e.TLSA[name]) {
				continue // mail arrives: PS-PUB-031
			}
			matched, judged := false, false
			for _, c := range e.ServerCertificates() {
				chains, _, err := e.Chains(c.Chain)
				if err != nil {
					continue
				}
				for _, chain := range chains {
					judged = true
					for _, finding := range chain.Inspect(certs.Want{TLSA: map[string][]certs.TLSA{name: e.TLSA[name]}, MailNames: map[string][]string{name: e.MailNames(name)}, Now: e.Now}).Findings {
						matched = matched || finding.Topic == "TLSA" && finding.Level == certs.Good
					}
				}
			}
			if judged && !matched {
				out = append(out, Hit{Detail: "of the records of " + name})
			}
		}
		for _, detail := range refusedAt(e) {
			out = append(out, Hit{Detail: detail})
		}
		for _, name := range unkept(e) { // of two certificates one may be named
			if hit := (Hit{Detail: "of the records of " + name}); !slices.Contains(out, hit) {
				out = append(out, hit)
			}
		}
		return out
	}),
}

// unkept are the servers that showed a certificate which their records do not
// authenticate.
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

var unusableTLSA = Rule{
	ID: "PS-PUB-031", Part: Publishing, Severity: Medium, Since: "1.0",
	Title:  "No TLSA record is usable for mail",
	Why:    "Senders with DANE require TLS because of such records but do not authenticate the server: an attacker on the network path can pose as it.",
	Level:  Should,
	Source: "RFC 7672 sections 2.2 and 3.1.3; seen on Postfix 3.7",
	Cure:   outside("postseal publish"),
	Check: when(func(e *Evidence) bool { return len(e.TLSA) > 0 }, func(e *Evidence) (out []Hit) {
		for _, name := range slices.Sorted(maps.Keys(e.TLSA)) {
			if records := e.TLSA[name]; len(records) > 0 && !usable(records) {
				out = append(out, Hit{Detail: fmt.Sprintf("%s has %q; mail needs usage 3 or 2", name, records[0])})
			}
		}
		return out
	}),
}

// usable reports whether senders can authenticate a server by one of its records.
// Without one they require TLS, and accept any certificate (RFC 7672, section 2.2).
func usable(records []certs.TLSA) bool { return slices.ContainsFunc(records, certs.TLSA.Usable) }

var fleetingTLSA = Rule{
	ID: "PS-PUB-032", Part: Publishing, Severity: Low, Since: "1.0",
	Title:  "All TLSA records are bound to one certificate",
	Why:    "After the next renewal no record matches, and senders with DANE do not deliver.",
	Level:  Should,
	Source: "RFC 7671 section 5.1: publish 3 1 1",
	Cure:   outside("postseal publish"),
	Check: when(func(e *Evidence) bool { return len(e.TLSA) > 0 }, func(e *Evidence) (out []Hit) {
		for _, name := range slices.Sorted(maps.Keys(e.TLSA)) {
			if fleeting(e.TLSA[name]) {
				out = append(out, Hit{Detail: name + " has only records with selector 0"})
			}
		}
		return out
	}),
}
