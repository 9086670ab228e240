package publish

import (
	"encoding/hex"
	"fmt"
	"slices"

	"postseal/certs"
)

// Finding is something wrong with what is published, and what to do.
type Finding struct {
	Owner string `json:"owner"`
	Text  string `json:"text"`
	Hint  string `json:"hint"`
	// Unknown reports whether nothing is known of what is published.
	Unknown bool `json:"unknown,omitempty"`
}

// tooMany is from how many records on some senders give up (postseal's research
// on Microsoft's behaviour; there is no such limit in RFC 7672).
const tooMany = 12

// Findings judges what is published, apart from what is missing.
func Findings(in Input) (out []Finding) {
	unsigned := 0
	for _, o := range in.Owners {
		say := func(text, hint string) { out = append(out, Finding{Owner: o.Name, Text: text, Hint: hint}) }
		switch o.State {
		case Unproved:
			say("it could not be verified whether records are published"+because(o.Why), "check that the resolver answers and validates DNSSEC")
			continue
		case Unsigned:
			unsigned++
			if len(o.Records) > 0 {
				say("its records are not signed: senders ignore them", "sign the zone (DNSSEC), or remove them")
			}
			continue
		}
		for _, s := range o.Servers {
			if s.Unknown != "" {
				say("the records at its name server "+s.Name+" are unknown: "+s.Unknown, "repair that server, or remove it from the zone: senders may get other records from it")
			} else if first := o.answering()[0]; !same(s.Records, first.Records) {
				say("its name servers do not have the same records: "+s.Name+" differs from "+first.Name, "wait until it has received the zone; if it does not, check the zone transfer")
			}
		}
		served := 0
		for _, r := range o.Records {
			switch {
			case !r.Usable():
				say(fmt.Sprintf("%s: senders ignore this kind of record (RFC 7672, section 3.1.3)", short(r)), "replace it with 3 1 1")
			case r.Usage == 3 && r.Selector == 0:
				say(fmt.Sprintf("%s matches one certificate and becomes wrong at each renewal", short(r)), "replace it with 3 1 1, which identifies the key")
			case r.Usage == 2 && r.Selector == 0:
				say(fmt.Sprintf("%s matches one certificate of the CA and becomes wrong when the CA changes it", short(r)), "replace it with 3 1 1")
			}
			record := []certs.TLSA{r}
			switch {
			case slices.ContainsFunc(in.Keys, func(k Key) bool { return k.Role == Current && k.named(o, record) }):
				served++
			case r.Usage == 2 && r.Usable() && !slices.ContainsFunc(in.Keys, func(k Key) bool { return k.Role == Current && k.Chain == nil }):
				say(fmt.Sprintf("%s matches a CA that is not in the chain presented now", short(r)), "CAs change their intermediates without warning: use 3 1 1")
			case r.Usage == 3 && r.Selector == 1 && r.Usable() && !slices.ContainsFunc(in.Keys, func(k Key) bool { return k.named(o, record) }):
				say(fmt.Sprintf("%s matches no key known here", short(r)), "if no other server answers under this name, remove it")
			}
		}
		if len(o.Records) > 0 && served == 0 {
			if slices.ContainsFunc(o.Records, certs.TLSA.Usable) {
				say("none of its records matches a key in use: senders with DANE do not deliver", "add the record of the key in use now")
			} else {
				say("none of its records can be used for mail: senders with DANE encrypt but do not authenticate", "add the record of the key in use now")
			}
		}
		if len(o.Records) > tooMany {
			say(fmt.Sprintf("it has %d records; some senders give up above %d", len(o.Records), tooMany), "remove those that are not needed")
		}
	}
	if unsigned > 0 && unsigned == len(in.Owners) {
		out = append(out, Finding{Text: "no name is signed (DNSSEC): TLSA records would have no effect, and none are suggested", Hint: "sign the zone first, at your DNS provider"})
	}
	return out
}

// same reports whether two sets have the same records.
func same(a, b []certs.TLSA) bool {
	in := func(r certs.TLSA, all []certs.TLSA) bool {
		return slices.ContainsFunc(all, func(s certs.TLSA) bool { return s.String() == r.String() })
	}
	return len(a) == len(b) && !slices.ContainsFunc(a, func(r certs.TLSA) bool { return !in(r, b) })
}

// short returns a record with the beginning of its data.
func short(r certs.TLSA) string {
	return fmt.Sprintf("%d %d %d %s…", r.Usage, r.Selector, r.Matching, hex.EncodeToString(r.Data[:min(4, len(r.Data))]))
}
