// Package lineage keeps certificates alive: what was ordered from whom, where
// it lies, when it is due, and how a new one takes the place of the old.
//
// It does not speak ACME itself, nor write to Postfix's configuration: package
// certs/acme gets certificates, and package apply puts them in place and proves
// what is served.
package lineage

import (
	"maps"
	"slices"
	"strings"
	"time"

	"postseal/certs/acme"
	"postseal/internal/interview"
	"postseal/internal/publish"
)

// Lineage is a certificate and its renewals. It holds no secret.
type Lineage struct {
	Name string `json:"name"`
	// Server is the address of the CA's directory; CAFile holds roots for the
	// connection to a CA of one's own.
	Server string `json:"server"`
	CAFile string `json:"ca_file,omitempty"`
	Email  string `json:"email,omitempty"`
	// Names are the host names.
	Names []string `json:"names"`
	// KeyTypes are authority.KeyTypes: one certificate for each.
	KeyTypes []string `json:"key_types"`
	Profile  string   `json:"profile,omitempty"`
	BothUses bool     `json:"both_uses,omitempty"`
	// AlsoReload is who else is told of a new certificate: "dovecot", or a
	// program.
	AlsoReload string    `json:"also_reload,omitempty"`
	Challenge  Challenge `json:"challenge"`
	// Accepted are risks that an administrator accepted by name, also for the timer, and
	// until when.
	Accepted  map[string]time.Time `json:"accepted_until,omitempty"`
	accepting []string             // in this run; stored only if it is needed
	told      bool                 // that a risk is accepted
	// Issued is what was got, by the name of the algorithm ("ecdsa", "rsa").
	Issued map[string]*Issued `json:"issued,omitempty"`
}

// Challenge is how the names are proved.
type Challenge struct {
	// Kind is one of the answers to --challenge.
	Kind string `json:"kind"`
	// Listen is the address for http-01 and tls-alpn-01.
	Listen  string `json:"listen,omitempty"`
	Webroot string `json:"webroot,omitempty"`
	// Program makes the record, for dns-exec.
	Program string `json:"program,omitempty"`
	// Update is for dns-rfc2136, Provider for dns.
	Update   *Update   `json:"update,omitempty"`
	Provider *Provider `json:"provider,omitempty"`
}

// Update is where DNS updates go. The secret stays in its file.
//
// The fields are those of interview.Update.
type Update struct {
	Server     string `json:"server"`
	Zone       string `json:"zone,omitempty"`
	Key        string `json:"key,omitempty"`
	Algorithm  string `json:"algorithm,omitempty"`
	SecretFile string `json:"secret_file,omitempty"`
}

// Provider is who keeps the zone. Secrets stay in their files.
//
// The fields are those of interview.Provider.
type Provider struct {
	Code   string            `json:"code"`
	Values map[string]string `json:"values,omitempty"`
	Files  map[string]string `json:"files,omitempty"`
}

// From makes a lineage of what was decided. known are those that there are: one
// of the same name goes on, with what was issued to it.
func From(d interview.OrderDecisions, known []*Lineage) *Lineage {
	l := &Lineage{
		Name: Name(d.Names), Server: d.CA.Directory, CAFile: d.CAFile, Email: d.Email, Names: d.Names, KeyTypes: d.KeyTypes,
		AlsoReload: d.AlsoReload, Profile: d.Profile, BothUses: d.BothUses, Challenge: Challenge{Kind: d.Challenge, Listen: d.Listen, Webroot: d.Webroot, Program: d.Program},
	}
	if d.Challenge == interview.ProofUpdate {
		u := Update(d.Update)
		l.Challenge.Update = &u
	}
	if d.Challenge == interview.ProofProvider {
		p := Provider(d.Provider)
		l.Challenge.Provider = &p
	}
	if i := slices.IndexFunc(known, func(k *Lineage) bool { return k.Name == l.Name }); i >= 0 {
		l.Issued, l.Accepted = known[i].Issued, maps.Clone(known[i].Accepted)
	}
	return l
}

// Name is what a lineage for these host names is called, on disk too.
func Name(names []string) string { return strings.ToLower(strings.TrimPrefix(names[0], "*.")) }

// Answers are the answers that make this lineage, by key, as an earlier run
// gave them.
func (l *Lineage) Answers() map[string][]string {
	out := map[string][]string{"server": {l.Server}, "name": l.Names, "key-type": {strings.Join(l.KeyTypes, ",")}, "challenge": {l.Challenge.Kind}, "both-uses": {"no"}}
	if l.BothUses {
		out["both-uses"] = []string{"yes"}
	}
	texts := map[string]string{"acme-ca-file": l.CAFile, "email": l.Email, "acme-profile": l.Profile, "also-reload": l.AlsoReload, "webroot": l.Challenge.Webroot, "dns-program": l.Challenge.Program}
	switch l.Challenge.Kind {
	case interview.ProofHTTP:
		texts["http-listen"] = l.Challenge.Listen
	case interview.ProofTLS:
		texts["tls-listen"] = l.Challenge.Listen
	}
	if u := l.Challenge.Update; u != nil {
		maps.Copy(texts, map[string]string{"dns-server": u.Server, "dns-zone": u.Zone, "tsig-key": u.Key, "tsig-algorithm": u.Algorithm, "tsig-secret-file": u.SecretFile})
	}
	if p := l.Challenge.Provider; p != nil {
		texts["dns-provider"] = p.Code
		for key, fields := range map[string]map[string]string{"dns-set": p.Values, "dns-secret-file": p.Files} {
			for _, name := range slices.Sorted(maps.Keys(fields)) {
				out[key] = append(out[key], name+"="+fields[name])
			}
		}
	}
	for key, text := range texts {
		if text != "" {
			out[key] = []string{text}
		}
	}
	return out
}

// kind is the kind of key that is wanted for an algorithm.
func (l *Lineage) kind(algorithm string) string {
	for _, kind := range l.KeyTypes {
		if Algorithm(kind) == algorithm {
			return kind
		}
	}
	return l.Issued[algorithm].KeyType
}

// Issued is one certificate of a lineage.
type Issued struct {
	// KeyType is what the key is, whatever is wanted by now.
	KeyType string `json:"key_type"`
	URL     string `json:"url"`
	// Server and Account are whom it was got from, and as whom: only they take
	// the order of another one for its renewal (RFC 9773, section 5).
	Server      string    `json:"server,omitempty"`
	Account     string    `json:"account,omitempty"`
	Fingerprint string    `json:"fingerprint"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	// Window is what the CA said about renewing, At the moment drawn from it,
	// Ask when to ask again.
	Window *acme.Window `json:"window,omitempty"`
	At     time.Time    `json:"at,omitzero"`
	Ask    time.Time    `json:"ask,omitzero"`
	// Next is the key that comes after this one, Old those that came before, as
	// long as records may name them.
	Next *NextKey   `json:"next,omitempty"`
	Old  []Replaced `json:"old,omitempty"`
	// Coming is what takes the place of this one while it is put there: if that
	// was cut short, the file holds the one or the other.
	Coming *Issued `json:"coming,omitempty"`
	// Settings are, of what is coming, those of the order that got it.
	Settings *Lineage `json:"settings,omitempty"`
}

// NextKey is a key that is not used yet. It lies beside the chain.
type NextKey struct {
	// Digest is the SHA-256 of the public key, in hex.
	Digest string `json:"digest"`
	// Seen, Empty and Hold are those of publish.Key; Hold is in nanoseconds.
	Seen  time.Time     `json:"seen,omitzero"`
	Empty bool          `json:"empty,omitempty"`
	Hold  time.Duration `json:"hold,omitempty"`
}

// key is it, as package publish has it.
func (n *NextKey) key(algorithm string) publish.Key {
	return publish.Key{Algorithm: algorithm, Role: publish.Next, Digest: n.Digest, Seen: n.Seen, Empty: n.Empty, Hold: n.Hold}
}

func nextKey(k publish.Key) *NextKey {
	return &NextKey{Digest: k.Digest, Seen: k.Seen, Empty: k.Empty, Hold: k.Hold}
}

// Replaced is a key that was served until a time.
type Replaced struct {
	Digest string    `json:"digest"`
	Gone   time.Time `json:"gone"`
	// Compromised is true if an attacker may have the key.
	Compromised bool `json:"compromised,omitempty"`
}
