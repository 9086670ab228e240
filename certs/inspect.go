package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Want is what a chain is judged against. Empty fields are not judged.
type Want struct {
	// Names are the host names that peers connect to.
	Names []string
	// Roots are the CA certificates of the distribution, Private those of a
	// CA of one's own.
	Roots, Private []*x509.Certificate
	// TLSA are the published records, by the names under which senders find them.
	// MailNames are, for each of these, the names of which a certificate must have one
	// where a record of usage 2 decides; without any, it is that name alone.
	TLSA      map[string][]TLSA
	MailNames map[string][]string
	// Client is for a certificate that is only sent with: what peers who connect
	// here would mind is not held against it.
	Client bool
	Now    time.Time
}

// Level is how much a finding matters.
type Level string

// The levels. Unknown is what cannot be judged here.
const (
	Good    Level = "good"
	Note    Level = "note"
	Bad     Level = "bad"
	Unknown Level = "unknown"
)

// Finding is the judgement of one property, with its consequence.
type Finding struct {
	// Topic is one word: "names", "chain", "life".
	Topic string `json:"topic"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
}

// Link is one certificate of a chain.
type Link struct {
	Subject    string    `json:"subject"`
	Issuer     string    `json:"issuer"`
	NotAfter   time.Time `json:"not_after"`
	Key        string    `json:"key"`
	Signature  string    `json:"signature"`
	SelfSigned bool      `json:"self_signed"`
}

// Inspection is all that there is to say of a chain.
type Inspection struct {
	Facts
	Links    []Link    `json:"chain"`
	Findings []Finding `json:"findings"`
	// TrustedBy is "distribution", "private", or empty.
	TrustedBy string `json:"trusted_by"`
}

// Has reports whether a finding is of this level.
func (i Inspection) Has(l Level) bool {
	return slices.ContainsFunc(i.Findings, func(f Finding) bool { return f.Level == l })
}

// Add adds a finding.
func (i *Inspection) Add(topic string, l Level, format string, args ...any) {
	i.Findings = append(i.Findings, Finding{topic, l, fmt.Sprintf(format, args...)})
}

// Inspect judges the chain.
func (c Chain) Inspect(w Want) Inspection {
	i := Inspection{Facts: c.Facts(slices.Concat(w.Roots, w.Private))}
	var s signatures
	for _, cert := range c.Certs {
		i.Links = append(i.Links, Link{
			Subject: subject(cert), Issuer: distinguished(cert.Issuer.String()), NotAfter: cert.NotAfter,
			Key: algorithm(cert.PublicKey) + " " + fmt.Sprint(bits(cert.PublicKey)), Signature: cert.SignatureAlgorithm.String(),
			SelfSigned: s.selfSigned(cert),
		})
	}
	c.judgeKey(&i)
	if !w.Client {
		c.judgeNames(&i, w)
		c.judgeTLSA(&i, w)
	}
	c.judgeLife(&i, w.Now)
	c.judgeOrder(&i)
	c.judgeTrust(&i, w)
	c.judgeUses(&i, w.Client)
	c.judgeStrength(&i)
	c.judgeExtensions(&i)
	return i
}

func (c Chain) judgeKey(i *Inspection) {
	switch {
	case c.Key == nil:
	case Same(c.Key.Public(), c.Leaf().PublicKey):
		i.Add("key", Good, "the private key belongs to it")
	default:
		i.Add("key", Bad, "the private key belongs to another certificate: Postfix disables TLS")
	}
}

func (c Chain) judgeNames(i *Inspection, w Want) {
	if len(c.Leaf().DNSNames) == 0 && len(i.Names) > 0 {
		i.Add("names", Bad, "it has a common name but no DNS names: peers that check names refuse it (RFC 9525)")
		return
	}
	var missing []string
	for _, n := range w.Names {
		if !i.Covers(n) {
			missing = append(missing, n)
		}
	}
	switch {
	case len(w.Names) == 0:
	case len(missing) > 0:
		i.Add("names", Bad, "it does not name %s: a sender that checks names does not deliver there", strings.Join(missing, ", "))
	default:
		i.Add("names", Good, "it names %s", strings.Join(w.Names, ", "))
	}
}

func (c Chain) judgeLife(i *Inspection, now time.Time) {
	if now.IsZero() {
		return
	}
	days := func(d time.Duration) int { return int(d.Hours() / 24) }
	whole, left := i.NotAfter.Sub(i.NotBefore), i.NotAfter.Sub(now)
	switch until := i.NotAfter.UTC().Format(time.DateOnly); {
	case left < 0:
		i.Add("life", Bad, "expired on %s: verifying peers refuse it", until)
	case now.Before(i.NotBefore):
		i.Add("life", Bad, "not valid before %s: verifying peers refuse it until then", i.NotBefore.UTC().Format(time.DateOnly))
	case DueByLifetime(i.NotBefore, i.NotAfter).Before(now):
		i.Add("life", Note, "until %s: %d of %d days left, renewal is due", until, days(left), days(whole))
	default:
		i.Add("life", Good, "until %s: %d of %d days left", until, days(left), days(whole))
	}
	for _, cert := range c.Certs[1:] {
		if now.After(cert.NotAfter) {
			i.Add("chain", Bad, "the issuer %s expired on %s", subject(cert), cert.NotAfter.UTC().Format(time.DateOnly))
		}
	}
}

// DueByLifetime is when a certificate should be renewed if its CA does not
// say: when a third of its life is left, or half of a life under ten days
// (Let's Encrypt's integration guide).
func DueByLifetime(notBefore, notAfter time.Time) time.Time {
	life := notAfter.Sub(notBefore)
	if life < 10*24*time.Hour {
		return notAfter.Add(-life / 2)
	}
	return notAfter.Add(-life / 3)
}

func (c Chain) judgeOrder(i *Inspection) {
	switch {
	case i.SelfSigned:
	case !i.Complete:
		top := c.Certs[len(c.Certs)-1]
		i.Add("chain", Bad, "its issuer is neither in the file nor a CA that distributions trust (%s): an intermediate is missing, or the CA is private", distinguished(top.Issuer.String()))
	case c.Added > 0:
		i.Add("chain", Note, "%d of its %d certificates are not in the file: they come from the CA certificates of the configuration", c.Added, i.Length)
	case c.Reordered:
		i.Add("order", Note, "the certificates in the file are in the wrong order, or unrelated ones are among them")
	default:
		i.Add("chain", Good, "%d certificates, each issued by the next", i.Length)
	}
}

// judgeTrust looks who vouches for the chain, at a time when it is valid:
// that it expired is said elsewhere.
func (c Chain) judgeTrust(i *Inspection, w Want) {
	if len(w.Roots)+len(w.Private) == 0 {
		return
	}
	at := w.Now
	if at.After(i.NotAfter) || at.Before(i.NotBefore) {
		at = i.NotBefore.Add(i.NotAfter.Sub(i.NotBefore) / 2)
	}
	trusted := func(roots []*x509.Certificate) error {
		o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
		for _, r := range roots {
			o.Roots.AddCert(r)
		}
		for _, cert := range c.Certs[1:] {
			o.Intermediates.AddCert(cert)
		}
		_, err := c.Leaf().Verify(o)
		return err
	}
	switch {
	case len(w.Private) > 0 && trusted(w.Private) == nil:
		i.TrustedBy = "private"
		i.Add("trust", Good, "signed by your private CA: trusted by peers that trust that CA")
	case trusted(w.Roots) == nil:
		i.TrustedBy = "distribution"
		i.Add("trust", Good, "signed by a CA that distributions trust")
	case i.SelfSigned:
		i.Add("trust", Note, "self-signed: encrypts, but does not authenticate the server to peers that do not know it; enough for DANE")
	case !i.Complete:
	default:
		i.Add("trust", Note, "signed by a CA that distributions do not trust: enough for DANE, and for peers that trust the CA")
	}
}

// judgeUses gives the two verdicts, as OpenSSL and so Postfix has them. client
// says that it is only sent with.
func (c Chain) judgeUses(i *Inspection, client bool) {
	switch {
	case i.ServerUse:
		i.Add("server use", Good, "allowed")
	case client:
		i.Add("server use", Note, "not allowed by its extended key usage, but not needed")
	default:
		i.Add("server use", Bad, "not allowed by its extended key usage: verifying peers refuse it, others accept it")
	}
	switch {
	case i.ClientUse:
		i.Add("client use", Good, "allowed: servers that ask for a certificate, or require one, can accept it")
	case client:
		i.Add("client use", Bad, "not allowed by its extended key usage: a server that asks for it logs it as Untrusted and continues; one that requires it answers 421 4.7.1, and the mail is deferred")
	default:
		i.Add("client use", Note, "not allowed by its extended key usage: a server that asks for a certificate logs it as Untrusted and continues; one that requires it answers 421 4.7.1")
	}
}

// minimum sizes in bits: NCSC-NL's guidelines (2025-05) have RSA below 2048
// as insufficient, below 3072 as to be phased out.
const (
	weakRSA = 2048
	goodRSA = 3072
	weakEC  = 256
)

func (c Chain) judgeStrength(i *Inspection) {
	switch {
	case i.Algorithm == "unknown":
		i.Add("strength", Unknown, "its key type cannot be checked here; Postfix may load it")
	case i.Algorithm == "RSA" && i.Bits < weakRSA, i.Algorithm == "ECDSA" && i.Bits < weakEC:
		i.Add("strength", Bad, "%s %d is too short: modern peers refuse it", i.Algorithm, i.Bits)
	case i.Algorithm == "RSA" && i.Bits < goodRSA:
		i.Add("strength", Good, "RSA %d is accepted everywhere; NCSC-NL recommends 3072 in the long term", i.Bits)
	case i.Algorithm == "Ed25519":
		i.Add("strength", Note, "Ed25519 is strong, but many senders do not support it: also use an ECDSA or RSA certificate")
	default:
		i.Add("strength", Good, "%s %d", i.Algorithm, i.Bits)
	}
	for n, cert := range c.Certs {
		switch cert.SignatureAlgorithm {
		case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
			if !i.Links[n].SelfSigned { // nobody looks at the signature of a root
				i.Add("signature", Bad, "%s is signed with %s: verifying peers refuse it", subject(cert), cert.SignatureAlgorithm)
			}
		}
	}
}

var (
	oidTLSFeature = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}       // RFC 7633
	oidSCTs       = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2} // RFC 6962
	statusRequest = []byte{0x02, 0x01, 0x05}                                // INTEGER 5, inside the SEQUENCE
)

func (c Chain) judgeExtensions(i *Inspection) {
	scts := false
	for _, e := range c.Leaf().Extensions {
		switch {
		case e.Id.Equal(oidTLSFeature) && bytes.Contains(e.Value, statusRequest):
			i.Add("must-staple", Bad, "it requires a stapled OCSP response, which Postfix does not support: peers that enforce this refuse it")
		case e.Id.Equal(oidSCTs):
			scts = true
		}
	}
	if i.TrustedBy == "distribution" && !scts {
		i.Add("transparency", Note, "it has no certificate transparency timestamps: browsers would refuse it; mail servers do not check")
	}
}

func (c Chain) judgeTLSA(i *Inspection, w Want) {
	for _, name := range slices.Sorted(maps.Keys(w.TLSA)) {
		if len(w.TLSA[name]) == 0 {
			continue
		}
		hosts := w.MailNames[name]
		if len(hosts) == 0 {
			hosts = []string{name}
		}
		switch v := JudgeTLSA(w.TLSA[name], c.Certs, hosts, w.Now); v.Outcome {
		case NotUsable:
			i.Add("TLSA", Note, "mail servers cannot use the records published for %s: only usages 2 and 3 with valid data are used (RFC 7672); senders with DANE encrypt but do not authenticate", name)
		case Authenticated:
			i.Add("TLSA", Good, "matches the records published for %s", name)
		case NotNamed:
			text := "does not match the record"
			if n := len(w.TLSA[name]); n > 1 {
				text = fmt.Sprintf("matches none of the %d records", n)
			}
			i.Add("TLSA", Bad, "%s published for %s: senders with DANE do not deliver; its own would be %s", text, name, NewTLSA(c.Leaf()))
		default:
			i.Add("TLSA", Bad, "is refused by senders with DANE, given the records published for %s: %s; its own record would be %s", name, v.Why, NewTLSA(c.Leaf()))
		}
	}
}
