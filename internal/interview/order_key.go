package interview

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"postseal/certs/authority"
	"postseal/internal/ask"
	"postseal/internal/hint"
)

func (o *Order) aboutKey() {
	const both = "P256,RSA2048"
	o.keyType = &ask.Question[string, Facts]{
		Key:     "key-type",
		Section: SectionOrder,
		Title:   "Key types",
		Why:     "One certificate is obtained for each type; Postfix presents each peer the one that it supports.",
		Help: `Nearly every sender prefers ECDSA P-256. Without an RSA key, senders that support only RSA find no TLS here and
deliver in cleartext. Types: ` + strings.Join(authority.KeyTypes, ", ") + `; one ECDSA and one RSA type, separated by a comma, give both.`,
		Choices: []ask.Choice[string]{
			{Value: "P256", Name: "P256", Help: "ECDSA: small and fast"},
			{Value: both, Name: both, Help: "also RSA, for senders that support nothing else"},
			{Value: "RSA2048", Name: "RSA2048", Help: "RSA alone"},
		},
		Placeholder: "P384,RSA3072",
		Parse: func(texts []string) (string, error) {
			rsa := map[bool]bool{}
			for _, kind := range strings.Split(texts[0], ",") {
				if !slices.Contains(authority.KeyTypes, kind) {
					return "", hint.New(fmt.Sprintf("%.40q is not a key type", kind), "use one or both of "+strings.Join(authority.KeyTypes, ", "))
				}
				is := strings.HasPrefix(kind, "RSA")
				if rsa[is] {
					return "", hint.New("Postfix can serve one certificate of each algorithm", both+" gives one of each")
				}
				rsa[is] = true
			}
			return texts[0], nil
		},
		Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[string] {
			for _, c := range f.ServerCertificates() {
				if c.Algorithm == "RSA" {
					return suggest(both, ask.Detected, "an RSA key is in use now: senders that support only RSA keep TLS")
				}
			}
			return suggest("P256", ask.Default, "nearly every sender prefers it")
		},
	}
	choice := func(f Facts, a *ask.Answers) bool { return o.ca(f, a).Both(f.Now) || o.ownCA(f, a) }
	o.bothUses = &ask.Question[bool, Facts]{
		Key:     "both-uses",
		Section: SectionOrder,
		Title:   "Also use it as a client certificate?",
		Why:     "A server that requires a trusted client certificate refuses one that is for servers only.",
		Help: `Hardly any server asks for a client certificate, and public CAs stopped signing for that use in 2025 and 2026. A
private CA can do it: the request then asks for both uses.`,
		Choices: yesNo("ask the CA for both uses", "for receiving only"),
		Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[bool] {
			if o.ca(f, a).Both(f.Now) {
				return suggest(true, ask.Detected, "this CA signs for both uses")
			}
			return suggest(false, ask.Default, "hardly any server asks for it, and most CAs refuse the request")
		},
		Sure: func(f Facts, a *ask.Answers) bool { return !o.ca(f, a).Both(f.Now) },
		Check: func(v bool, f Facts, a *ask.Answers) error {
			if v && !choice(f, a) {
				ca := o.ca(f, a)
				return hint.New(ca.Title+" does not sign for both uses: "+ca.Note+" (as of "+o.cas.AsOf+")", "choose a private CA, or do without a client certificate: hardly any server asks for one")
			}
			return nil
		},
	}
	o.profile = optional(ask.Question[string, Facts]{
		Key:         "acme-profile",
		Title:       "Certificate profile of the CA",
		Why:         "The profiles of a CA differ in lifetime and in what the certificate contains.",
		Help:        `postseal cert obtain --list-profiles shows what the CA offers; none leaves the choice to the CA.`,
		Placeholder: "tlsserver",
		Offer: func(Facts, *ask.Answers) []ask.Choice[string] {
			if len(o.Profiles) == 0 {
				return nil
			}
			out := []ask.Choice[string]{{Value: "none", Name: "none", Help: "the CA's default"}}
			for _, name := range slices.Sorted(maps.Keys(o.Profiles)) {
				out = append(out, ask.Choice[string]{Value: name, Name: name, Help: o.Profiles[name]})
			}
			return out
		},
	}, "the CA has a default")
}
