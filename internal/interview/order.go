package interview

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"postseal/certs/authority"
	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/hint"
)

// SectionOrder groups the questions about a certificate from a CA.
const SectionOrder = "New certificate"

// Order holds the questions about a certificate from a CA: a set of its own, since
// none of the answers goes into main.cf.
type Order struct {
	ask.Set[Facts]
	cas authority.List
	web detect.Web
	// Profiles maps the profiles that the CA offers to its descriptions of them, once it
	// was asked (draft-ietf-acme-profiles).
	Profiles map[string]string

	server, caFile, email, eabKID, eabHMACFile                              *ask.Question[string, Facts]
	names, dnsSet, dnsSecretFile                                            *ask.Question[[]string, Facts]
	challenge, httpListen, tlsListen, webroot, dnsProgram                   *ask.Question[string, Facts]
	dnsProvider, dnsServer, dnsZone, tsigKey, tsigAlgorithm, tsigSecretFile *ask.Question[string, Facts]
	keyType, profile, alsoReload                                            *ask.Question[string, Facts]
	bothUses                                                                *ask.Question[bool, Facts]
}

// NewOrder returns the questions for these CAs and the listeners of this server.
func NewOrder(cas authority.List, web detect.Web) *Order {
	o := &Order{cas: cas, web: web}
	o.aboutCA()
	o.aboutNames()
	o.aboutProof()
	o.aboutUpdates()
	o.aboutProvider()
	o.aboutKey()
	o.aboutOthers()
	o.Set = ask.Set[Facts]{
		o.server, o.caFile, o.eabKID, o.eabHMACFile,
		o.names,
		o.challenge, o.httpListen, o.tlsListen, o.webroot, o.dnsProvider, o.dnsSet, o.dnsSecretFile, o.dnsProgram, o.dnsServer, o.dnsZone, o.tsigKey, o.tsigAlgorithm, o.tsigSecretFile,
		o.keyType, o.bothUses, o.profile, o.alsoReload, o.email,
	}
	return o
}

// OrderDecisions holds the effective answers, typed. Answers that do not matter are
// empty.
type OrderDecisions struct {
	CA                                  authority.CA
	CAFile, Email, EABKID, EABHMACFile  string
	Names, KeyTypes                     []string
	Challenge, Listen, Webroot, Program string
	Update                              Update
	Provider                            Provider
	Profile, AlsoReload                 string
	BothUses                            bool
}

// Provider is the DNS provider of the zone: Values are its fields that are not secret,
// Files the files that hold the secret ones.
type Provider struct {
	Code          string
	Values, Files map[string]string
}

// Update is where DNS updates go (RFC 2136), and the key that signs them (RFC 8945).
type Update struct{ Server, Zone, Key, Algorithm, SecretFile string }

// Decide reads the answers. It fails if the CA is unknown.
func (o *Order) Decide(f Facts, a *ask.Answers) (OrderDecisions, error) {
	ca, err := o.cas.Find(o.server.Get(f, a))
	if err != nil {
		return OrderDecisions{}, err
	}
	text := func(q *ask.Question[string, Facts]) string {
		if !q.Relevant(f, a) {
			return ""
		}
		return q.Get(f, a)
	}
	fields := func(q *ask.Question[[]string, Facts]) map[string]string {
		if !q.Relevant(f, a) {
			return nil
		}
		out := map[string]string{}
		for _, pair := range q.Get(f, a) {
			name, value, _ := strings.Cut(pair, "=")
			out[name] = value
		}
		return out
	}
	return OrderDecisions{
		Provider: Provider{text(o.dnsProvider), fields(o.dnsSet), fields(o.dnsSecretFile)},
		CA:       ca, CAFile: text(o.caFile), Email: text(o.email), EABKID: text(o.eabKID), EABHMACFile: text(o.eabHMACFile),
		Names: o.names.Get(f, a), KeyTypes: strings.Split(o.keyType.Get(f, a), ","),
		Challenge: o.challenge.Get(f, a), Listen: text(o.httpListen) + text(o.tlsListen), Webroot: text(o.webroot), Program: text(o.dnsProgram),
		Update:  Update{text(o.dnsServer), text(o.dnsZone), text(o.tsigKey), text(o.tsigAlgorithm), text(o.tsigSecretFile)},
		Profile: text(o.profile), AlsoReload: text(o.alsoReload), BothUses: o.bothUses.Get(f, a),
	}, nil
}

// Check returns all missing and all invalid answers at once.
func (o *Order) Check(f Facts, a *ask.Answers) error {
	var all []error
	missing := Missing(o.Set, f, a)
	for _, q := range o.Set {
		if !slices.Contains(missing, q) {
			all = append(all, q.Verify(f, a))
			continue
		}
		_, why := q.Proposal(f, a)
		example, _ := q.FreeText()
		all = append(all, hint.New(fmt.Sprintf("%s: no answer, and none can be suggested: %s", q.Name(), why), strings.TrimSpace("give --"+q.Name()+" "+example)))
	}
	for _, q := range o.Idle(f, a) {
		all = append(all, hint.New(fmt.Sprintf("--%s has no effect here", q.Name()), "it requires "+q.Condition()+"; otherwise leave it out"))
	}
	return errors.Join(all...)
}

// optional returns a question of free text that need not be answered: its default is
// "none", and the wizard does not ask it.
func optional(q ask.Question[string, Facts], why string) *ask.Question[string, Facts] {
	parse := q.Parse
	q.Parse = func(texts []string) (string, error) {
		switch {
		case texts[0] == "none":
			return "", nil
		case parse != nil:
			return parse(texts)
		}
		return texts[0], nil
	}
	q.Format = func(v string) []string {
		if v == "" {
			return []string{"none"}
		}
		return []string{v}
	}
	if q.Suggest == nil {
		q.Suggest = func(Facts, *ask.Answers) ask.Suggestion[string] { return suggest("", ask.Default, "%s", why) }
		q.Sure = func(Facts, *ask.Answers) bool { return true }
	}
	q.Section = SectionOrder
	return &q
}

// wildcard reports whether one of the names is a wildcard.
func wildcard(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "*.") })
}
