package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Enumeration is what a server takes.
type Enumeration struct {
	Addr string `json:"address"`
	// STARTTLS is true if TLS begins by that command, false if it begins at once.
	STARTTLS bool `json:"starttls"`
	// Greeting is the first line; Before and After what EHLO lists outside and
	// inside TLS.
	Greeting string   `json:"greeting,omitempty"`
	Before   []string `json:"ehlo,omitempty"`
	After    []string `json:"ehlo_in_tls,omitempty"`
	// Versions are those that it takes, oldest first.
	Versions []Version `json:"protocols"`
	// Groups are those that it takes with TLS 1.3, and Curves with TLS 1.2, in
	// the order in which it chose.
	Groups []string `json:"groups"`
	Curves []string `json:"curves"`
	// Certificates are the leaves that it showed.
	Certificates []Leaf `json:"certificates"`
	// Extended, MACLater and Tickets are what it agrees to with TLS 1.2 (RFC
	// 7627, RFC 7366, RFC 5077). Compressed is DEFLATE, which is broken.
	Extended   bool `json:"extended_master_secret"`
	MACLater   bool `json:"encrypt_then_mac"`
	Tickets    bool `json:"tickets"`
	Compressed bool `json:"compression"`
	// AsksCertificate says that it asks for a client certificate, and Authorities
	// how many CAs it names then.
	AsksCertificate bool `json:"asks_certificate"`
	Authorities     int  `json:"authorities"`
	// Injected says that a command sent in clear text was obeyed inside TLS
	// (CVE-2011-0411).
	Injected bool `json:"injection"`
	// Handshakes is how many were begun, Took how long it all took.
	Handshakes int           `json:"handshakes"`
	Took       time.Duration `json:"took"`
}

// Version is one that is taken, with its suites.
type Version struct {
	Name string `json:"version"`
	// Suites are in the order in which the server chose among all.
	Suites []Accepted `json:"suites"`
	// Chooses is "server" or "client": whose order counts; empty with one suite.
	Chooses string `json:"chooses,omitempty"`
}

// Accepted is a suite that was agreed on.
type Accepted struct {
	Suite
	// Group, or the size of the prime in bits, is of its key exchange; Signature
	// what it was signed with. Either may be empty.
	Group     string `json:"group,omitempty"`
	DHBits    int    `json:"dh_bits,omitempty"`
	Signature string `json:"signature,omitempty"`
}

// Leaf is a certificate that was shown.
type Leaf struct {
	Algorithm   string    `json:"algorithm"`
	Bits        int       `json:"bits"`
	Names       []string  `json:"names"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"sha256"`
}

// versionNames are the names of what goes over the wire.
var versionNames = map[uint16]string{ssl30: "SSL 3.0", tls10: "TLS 1.0", tls11: "TLS 1.1", tls12: "TLS 1.2", tls13: "TLS 1.3"}

// atOnce is how many connections are open at most: a server has few processes,
// and other clients.
const atOnce = 4

// Enumerate finds out what a server takes, by one unfinished handshake after the
// other: all that is left is offered, what is chosen is taken out, until nothing
// is. It opens one connection first, then four at most, and fewer if the server
// says 421. It never sends MAIL FROM.
func Enumerate(ctx context.Context, t Target, o Options) (*Enumeration, error) {
	began := time.Now()
	e := &enumerator{target: t, options: o, out: &Enumeration{Addr: t.Addr, STARTTLS: !t.Implicit, Versions: []Version{}, Groups: []string{}, Curves: []string{}, Certificates: []Leaf{}}, gate: make(chan struct{}, atOnce)}
	first, err := Handshake(ctx, t, o)
	var at *Error
	if err != nil && (!errors.As(err, &at) || at.Stage != Handshaking && at.Stage != Inside) {
		return nil, err
	}
	e.out.Greeting, e.out.Before, e.out.AsksCertificate = first.Greeting, first.Capabilities, first.AsksCertificate
	e.all(ctx, err == nil)
	if err := errors.Join(context.Cause(ctx), e.failed()); err != nil {
		return nil, fmt.Errorf("enumerating %s: %w", t.Addr, err)
	}
	e.out.Handshakes, e.out.Took = int(e.count.Load()), time.Since(began)
	return e.out, nil
}

// enumerator is one enumeration under way.
type enumerator struct {
	target  Target
	options Options
	gate    chan struct{}
	count   atomic.Int64

	mu     sync.Mutex
	out    *Enumeration
	err    error
	leaves map[string]bool
}

func (e *enumerator) failed() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// all goes through versions and groups at once.
func (e *enumerator) all(ctx context.Context, tls bool) {
	var wg sync.WaitGroup
	run := func(f func()) {
		wg.Add(1)
		go func() { defer wg.Done(); f() }()
	}
	versions := []uint16{ssl30, tls10, tls11, tls12, tls13}
	found := make([]*Version, len(versions))
	for i, v := range versions {
		run(func() { found[i] = e.version(ctx, v) })
	}
	run(func() { e.out.Groups = e.groups(ctx, tls13, func(s Suite) bool { return s.modern() }) })
	run(func() { e.out.Curves = e.curves(ctx) })
	if tls {
		run(func() { e.out.After, e.out.Injected = e.inside(ctx) })
	}
	wg.Wait()
	for _, v := range found {
		if v != nil {
			e.out.Versions = append(e.out.Versions, *v)
		}
	}
	slices.SortFunc(e.out.Certificates, func(a, b Leaf) int { return strings.Compare(a.Algorithm, b.Algorithm) })
}

// branches is how many chains go on beside each other within a version.
const branches = 2

// version enumerates the suites of one version, or returns nil if it is not
// taken.
func (e *enumerator) version(ctx context.Context, v uint16) *Version {
	var ids []uint16
	for _, s := range suites {
		if s.modern() == (v == tls13) {
			ids = append(ids, s.ID)
		}
	}
	first := e.try(ctx, hello{version: v, suites: ids, compress: v == tls12})
	if !first.accepted || first.version != v {
		return nil
	}
	if v == tls12 {
		e.mu.Lock()
		e.out.Extended, e.out.MACLater, e.out.Tickets, e.out.Compressed = first.extended, first.macLater, first.tickets, first.compressed
		e.out.AsksCertificate, e.out.Authorities = e.out.AsksCertificate || first.asksCertificate, first.authorities
		e.mu.Unlock()
	}
	parts := make([][]uint16, branches)
	for i, id := range slices.DeleteFunc(ids, func(id uint16) bool { return id == first.suite }) {
		parts[i%branches] = append(parts[i%branches], id)
	}
	chains := make([][]Accepted, branches)
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Add(1)
		go func() { defer wg.Done(); chains[i] = e.chain(ctx, v, part) }()
	}
	wg.Wait()
	out := &Version{Name: versionNames[v], Suites: append([]Accepted{accepted(first)}, slices.Concat(chains...)...)}
	e.order(ctx, v, out)
	return out
}

// chain offers what is left until nothing of it is taken.
func (e *enumerator) chain(ctx context.Context, v uint16, left []uint16) (out []Accepted) {
	for len(left) > 0 {
		r := e.try(ctx, hello{version: v, suites: left})
		i := slices.Index(left, r.suite)
		if !r.accepted || r.version != v || i < 0 {
			return out
		}
		out, left = append(out, accepted(r)), slices.Delete(left, i, i+1)
	}
	return out
}

// order finds whose order counts: all accepted suites are offered twice, once
// the other way round.
func (e *enumerator) order(ctx context.Context, v uint16, out *Version) {
	if len(out.Suites) < 2 {
		return
	}
	var ids []uint16
	for _, s := range out.Suites {
		ids = append(ids, s.ID)
	}
	forth := e.try(ctx, hello{version: v, suites: ids})
	back := slices.Clone(ids)
	slices.Reverse(back)
	switch other := e.try(ctx, hello{version: v, suites: back}); {
	case !forth.accepted || !other.accepted:
	case forth.suite == other.suite:
		out.Chooses = "server"
	default:
		out.Chooses = "client"
	}
}

func accepted(r reply) Accepted {
	a := Accepted{Suite: suiteByID[r.suite], DHBits: r.dhBits}
	if r.group != 0 {
		a.Group = groupName(r.group)
	}
	if r.signature != 0 {
		a.Signature = signatureName(r.signature)
	}
	return a
}

// groups enumerates the groups that a version takes with some suites.
func (e *enumerator) groups(ctx context.Context, v uint16, with func(Suite) bool) []string {
	var ids []uint16
	for _, s := range suites {
		if with(s) {
			ids = append(ids, s.ID)
		}
	}
	out, left := []string{}, groupIDs()
	for len(left) > 0 {
		r := e.try(ctx, hello{version: v, suites: ids, groups: left})
		i := slices.Index(left, r.group)
		if !r.accepted || r.version != v || i < 0 {
			break
		}
		out, left = append(out, groupName(r.group)), slices.Delete(left, i, i+1)
	}
	return out
}

// curves enumerates the groups of TLS 1.2. With an ECDSA certificate its curve
// must stay among what is offered, so the chain would end early: anonymous
// suites and those with RSA are tried first.
func (e *enumerator) curves(ctx context.Context) []string {
	for _, kind := range []string{"_ECDH_anon_", "_ECDHE_RSA_", "_ECDHE_ECDSA_"} {
		if out := e.groups(ctx, tls12, func(s Suite) bool { return strings.Contains(s.Name, kind) }); len(out) > 0 {
			return out
		}
	}
	return []string{}
}

// try makes one handshake as far as the server's first answer. A server that is
// busy is asked again, by fewer at a time.
func (e *enumerator) try(ctx context.Context, h hello) (r reply) {
	h.serverName = e.options.ServerName
	for attempt := range 3 {
		if e.failed() != nil || ctx.Err() != nil {
			return reply{}
		}
		e.gate <- struct{}{}
		r = reply{}
		err := e.one(ctx, h, &r)
		var busy *textproto.Error
		if errors.As(err, &busy) && (busy.Code == 421 || busy.Code == 454) && attempt < 2 {
			// The place at the gate is not given back for a while.
			time.AfterFunc(time.Second<<attempt, func() { <-e.gate })
			continue
		}
		<-e.gate
		var at *Error
		switch {
		case err == nil || r.accepted:
		case errors.As(err, &at) && at.Stage == Handshaking: // it hung up: that is a refusal
			r = reply{}
		case attempt < 2 && !errors.As(err, &busy):
			continue
		default:
			e.mu.Lock()
			e.err = errors.Join(e.err, err)
			e.mu.Unlock()
		}
		break
	}
	if len(r.leaf) > 0 {
		e.leaf(r.leaf)
	}
	return r
}

func (e *enumerator) one(ctx context.Context, h hello, r *reply) error {
	e.count.Add(1)
	c, err := begin(ctx, e.target, e.options)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(h.marshal()); err != nil {
		return &Error{e.target.Addr, Handshaking, err}
	}
	if err := r.read(c.text.R); err != nil {
		return &Error{e.target.Addr, Handshaking, err}
	}
	return nil
}

// leaf notes a certificate, once.
func (e *enumerator) leaf(der []byte) {
	sum := sha256.Sum256(der)
	fingerprint := hex.EncodeToString(sum[:])
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.leaves[fingerprint] || len(e.leaves) > 20 {
		return
	}
	if e.leaves == nil {
		e.leaves = map[string]bool{}
	}
	e.leaves[fingerprint] = true
	l := Leaf{Algorithm: "unknown", Fingerprint: fingerprint, Names: []string{}}
	if c, err := x509.ParseCertificate(der); err == nil {
		l.Algorithm, l.NotAfter, l.Names = c.PublicKeyAlgorithm.String(), c.NotAfter, append(l.Names, c.DNSNames...)
		l.Bits = bits(c.PublicKey)
	}
	e.out.Certificates = append(e.out.Certificates, l)
}

// bits is the size of a public key.
func bits(key any) int {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen()
	case *ecdsa.PublicKey:
		return k.Params().BitSize
	}
	return 0
}

// inside says EHLO within TLS, and whether a command that was sent in clear text
// together with STARTTLS was obeyed there: its answer would come before that to
// EHLO.
func (e *enumerator) inside(ctx context.Context) (capabilities []string, injected bool) {
	capabilities, injected, refused := e.greetInside(ctx, !e.target.Implicit)
	if refused { // commands that come together, and that is well
		capabilities, _, _ = e.greetInside(ctx, false)
	}
	return capabilities, injected
}

// greetInside starts TLS and says EHLO there; with inject, a NOOP in clear text
// comes along with STARTTLS, as somebody on the way could have put it there.
func (e *enumerator) greetInside(ctx context.Context, inject bool) (capabilities []string, injected, refused bool) {
	e.count.Add(1)
	c, err := open(ctx, e.target, e.options)
	if err != nil {
		return nil, false, false
	}
	defer c.Close()
	var r Result
	if !e.target.Implicit {
		line := "STARTTLS"
		if inject {
			line += "\r\nNOOP"
		}
		if c.hello(&r) != nil {
			return nil, false, false
		}
		if _, err := c.command(line, 220); err != nil {
			return nil, false, true
		}
	}
	conn := tls.Client(c.Conn, e.options.config(&Result{}))
	if conn.HandshakeContext(ctx) != nil {
		return nil, false, inject
	}
	c.use(conn)
	if e.target.Implicit {
		if c.hello(&r) != nil {
			return nil, false, false
		}
		return r.Capabilities, false, false
	}
	reply, err := c.command("EHLO "+heloName, 250)
	if err == nil && inject && !strings.Contains(reply, "\n") {
		injected = true // that was the answer to NOOP
		_, reply, err = c.text.ReadResponse(250)
	}
	if err != nil {
		return nil, injected, false
	}
	_, _ = c.command("QUIT", 221)
	return strings.Split(reply, "\n")[1:], injected, false
}
