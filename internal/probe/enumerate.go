package probe

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	// Secure is what it answers about secure renegotiation (RFC 5746), Anew whether
	// it lets a client negotiate anew within a connection; Anew is nil if that
	// could not be tried. Both are of TLS 1.2.
	Secure bool  `json:"secure_renegotiation"`
	Anew   *bool `json:"client_renegotiation"`
	// Resumes is how a session can be taken up again: "TLS 1.2 session id", "TLS
	// 1.2 ticket", "TLS 1.3 ticket". Names is what it does with the name that a
	// client asks for (SNI). A quick look asks for neither.
	Resumes []string `json:"resumption"`
	Names   []Named  `json:"server_names"`
	// AsksCertificate says that it asks for a client certificate, and Authorities
	// how many CAs it names then.
	AsksCertificate bool `json:"asks_certificate"`
	Authorities     int  `json:"authorities"`
	// Injected says that a command sent in cleartext was executed inside TLS
	// (CVE-2011-0411); nil if that was not or could not be tried.
	Injected *bool `json:"injection"`
	// Refused is why a whole handshake failed, if it did. It is made with what
	// Go's crypto/tls offers: no DHE, no RSA key exchange, nothing anonymous.
	Refused string `json:"refused,omitempty"`
	// Incomplete says that not all could be asked, and Problem why not.
	Incomplete bool   `json:"incomplete"`
	Problem    string `json:"problem,omitempty"`
	// Quick says that it was a quick look: what that leaves out is empty or nil.
	Quick bool `json:"quick"`
	// Handshakes is how many were begun, Took how long it all took.
	Handshakes int           `json:"handshakes"`
	Took       time.Duration `json:"took"`
}

// Version is one that is taken, with its suites.
type Version struct {
	Name string `json:"version"`
	// Suites are in the order of the server, if it chooses. Else they have none,
	// and are listed by their number.
	Suites []Accepted `json:"suites"`
	// Chooses is "server" or "client": whose order counts; empty with one suite.
	Chooses string `json:"chooses,omitempty"`
	// Signatures are what it signs handshakes with, in the order in which it
	// chose. Before TLS 1.2 there was no choice. A quick look has those of TLS 1.3
	// alone, one for each kind of key.
	Signatures []string `json:"signatures"`
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

// Named is what a client gets that asks for a name, or for none.
type Named struct {
	Name string `json:"name"`
	// Refused is why the handshake failed; else Certificate is the digest of the
	// leaf that was shown.
	Refused     string `json:"refused,omitempty"`
	Certificate string `json:"sha256,omitempty"`
}

// versionNames are the names of what goes over the wire.
var versionNames = map[uint16]string{ssl30: "SSL 3.0", tls10: "TLS 1.0", tls11: "TLS 1.1", tls12: "TLS 1.2", tls13: "TLS 1.3"}

const (
	// defaultTotal is how long an enumeration takes at most.
	defaultTotal = 2 * time.Minute
	// maxTroubles is after how many conversations that made no sense a server is
	// left alone, and maxLeaves how many certificates of it are kept.
	maxTroubles = 6
	maxLeaves   = 20
	// maxHung is on how many hellos a server may hang up that has alerts for it.
	maxHung = 12
)

// Enumerate finds out what a server takes, by one unfinished handshake after the
// other: all that is left is offered, what is chosen is taken out, until nothing
// is. It opens one connection first, then four at most, and fewer if the server
// is busy. It never sends MAIL FROM.
//
// If it has to end early, what was found comes back as incomplete. The error is
// for a server that never came so far as to a handshake.
func Enumerate(ctx context.Context, t Target, o Options) (*Enumeration, error) {
	began := time.Now()
	total := o.Total
	if total == 0 {
		total = defaultTotal
	}
	ctx, cancel := context.WithTimeoutCause(ctx, total, fmt.Errorf("it took more than %s", total))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	e := &enumerator{stop: stop, target: t, options: o, gate: o.Gate, out: Nothing(t)}
	if e.gate == nil {
		e.gate = NewGate()
	}
	e.out.Quick = o.Quick
	if err := e.whole(ctx); err != nil {
		if !errors.As(err, new(*Error)) {
			err = fmt.Errorf("%s: %w", t.Addr, err)
		}
		if over(ctx) && !errors.Is(err, context.Cause(ctx)) { // it was cut off, and may only be slow
			err = fmt.Errorf("%w; %w", err, context.Cause(ctx))
		}
		return nil, fmt.Errorf("enumerating %w", err)
	}
	e.all(ctx)
	e.doubt(ctx)
	if over(ctx) {
		e.note(context.Cause(ctx))
	}
	if e.trouble != nil {
		e.out.Incomplete, e.out.Problem = true, e.trouble.Error()
	}
	e.out.Handshakes, e.out.Took = int(e.count.Load()), time.Since(began)
	return e.out, nil
}

// Nothing is what is known of a server of which nothing was seen.
func Nothing(t Target) *Enumeration {
	return &Enumeration{Addr: t.Addr, STARTTLS: !t.Implicit, Versions: []Version{}, Groups: []string{}, Curves: []string{}, Certificates: []Leaf{}, Resumes: []string{}, Names: []Named{}}
}

// Chains are the certificates as they came, each with what came behind it.
func (e *Enumeration) Chains() (out [][][]byte) {
	for _, c := range e.Certificates {
		out = append(out, c.Raw)
	}
	return out
}

// NotTaken are the versions that were asked for and refused, oldest first; none if
// not all could be asked.
func (e *Enumeration) NotTaken() (names []string) {
	if e.Incomplete {
		return nil
	}
	for _, v := range slices.Sorted(maps.Keys(versionNames)) {
		if !slices.ContainsFunc(e.Versions, func(t Version) bool { return t.Name == versionNames[v] }) {
			names = append(names, versionNames[v])
		}
	}
	return names
}

// enumerator is one enumeration under way.
type enumerator struct {
	stop    context.CancelCauseFunc
	target  Target
	options Options
	gate    *Gate
	count   atomic.Int64
	// shook says that a handshake has begun, so that TLS there is, and alerted that
	// the server refuses by alerts.
	shook, alerted atomic.Bool
	// first is what the first handshake showed, and firstErr why it failed.
	first    Result
	firstErr error

	mu       sync.Mutex
	out      *Enumeration
	trouble  error // the first
	troubles int
	leaves   map[string]bool
	// hung are the hellos on which the server left without a word, twice in a row,
	// and hungUp is how it did; agreed is a hello that it had taken.
	hung   []hello
	hungUp error
	agreed *hello
}

// note remembers why not all could be asked. The first reason counts.
func (e *enumerator) note(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.trouble == nil {
		e.trouble = err
	}
	if e.troubles++; e.troubles >= maxTroubles {
		e.stop(err)
	}
}

// whole makes the first handshake, a whole one. That it fails is no error.
func (e *enumerator) whole(ctx context.Context) error {
	var r Result
	err := e.connect(ctx, func() (err error) {
		r, err = Handshake(ctx, e.target, e.options)
		return err
	})
	e.first, e.firstErr = r, err
	e.out.Greeting, e.out.Before, e.out.After, e.out.AsksCertificate = r.Greeting, r.Capabilities, r.Inside, r.AsksCertificate
	if len(r.Certs) > 0 {
		var chain [][]byte
		for _, c := range r.Certs {
			chain = append(chain, c.Raw)
		}
		e.leaf(chain)
	}
	var at *Error
	switch {
	case err == nil:
		return nil
	case r.Version != "" && ctx.Err() == nil: // TLS there is, whatever speaks within it
		e.out.Refused = fmt.Sprintf("%s: %v", Inside, err)
		return nil
	case errors.As(err, &at) && (at.Stage == Handshaking || at.Stage == Inside):
		e.out.Refused = fmt.Sprintf("%s: %v", at.Stage, at.Err)
		return nil
	}
	return err
}

// all goes through versions and groups at once.
func (e *enumerator) all(ctx context.Context) {
	var wg sync.WaitGroup
	versions := []uint16{ssl30, tls10, tls11, tls12, tls13}
	found := make([]*Version, len(versions))
	for i, v := range slices.Backward(versions) { // those with many suites first
		wg.Go(func() { found[i] = e.version(ctx, v) })
	}
	var signed [2][]string
	wg.Go(func() { signed[1] = e.seals(ctx) })
	if !e.options.Quick {
		wg.Go(func() { signed[0] = e.signs(ctx) })
		wg.Go(func() { e.out.Resumes = e.resumes(ctx) })
		wg.Go(func() { e.out.Names = e.names(ctx) })
		wg.Go(func() { e.out.Anew = e.anew(ctx) })
		if !e.target.Implicit {
			wg.Go(func() { e.out.Injected = e.injected(ctx) })
		}
	}
	wg.Wait()
	for _, v := range found {
		if v == nil {
			continue
		}
		v.Signatures = []string{}
		switch v.Name {
		case versionNames[tls12]:
			v.Signatures = append(v.Signatures, signed[0]...)
		case versionNames[tls13]:
			v.Signatures = append(v.Signatures, signed[1]...)
			if len(signed[1]) == 0 {
				e.note(errors.New("its certificates of TLS 1.3 come with a suite or a group that cannot be opened here"))
			}
		}
		e.out.Versions = append(e.out.Versions, *v)
	}
	slices.SortFunc(e.out.Certificates, func(a, b Leaf) int {
		return strings.Compare(a.Algorithm+a.Fingerprint, b.Algorithm+b.Fingerprint)
	})
}

// leaf notes a certificate, once.
func (e *enumerator) leaf(chain [][]byte) {
	id := string(chain[0])
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.leaves[id] || len(e.leaves) >= maxLeaves {
		return
	}
	if e.leaves == nil {
		e.leaves = map[string]bool{}
	}
	e.leaves[id] = true
	e.out.Certificates = append(e.out.Certificates, newLeaf(chain))
}
