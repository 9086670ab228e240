// Package domain sees a mail domain as a server sees it that wants to send
// there: where its mail goes (MX), and what it promises about TLS: DANE, MTA-STS
// and reports. It asks DNS, and fetches one file.
//
// It does not connect to the mail servers: a caller that has seen their certificates
// asks Judge whether they keep the promises.
package domain

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"postseal/certs"
	"postseal/internal/dane"
	"postseal/internal/host"
	"postseal/internal/resolve"
)

// Domain holds what is published for a domain.
type Domain struct {
	Name string `json:"domain"`
	// Signed reports whether the resolver validated the MX records.
	Signed bool `json:"mx_signed"`
	MX     []MX `json:"mx"`
	// Silent reports whether it accepts no mail at all (RFC 7505), Missing whether DNS
	// has no such name, and Implied whether it has no MX record, so that the name itself
	// is the mail server (RFC 5321, section 5.1).
	Silent  bool `json:"null_mx"`
	Missing bool `json:"no_such_name"`
	Implied bool `json:"implied_mx"`
	// Blind reports whether the resolver does not validate, so that nothing is known of
	// DANE.
	Blind   bool    `json:"not_validated,omitempty"`
	STS     STS     `json:"mta_sts"`
	Reports Reports `json:"tlsrpt"`
}

// MX is a server that accepts the domain's mail.
type MX struct {
	Name       string   `json:"name"`
	Preference int      `json:"preference"`
	Addresses  []string `json:"addresses"`
	DANE       DANE     `json:"dane"`
	// Promised reports whether the MTA-STS policy lists it; nil without a policy.
	Promised *bool `json:"mta_sts_names_it"`
	// Trusted reports whether its certificates are valid for its name, and Untrusted says
	// why not; nil until they were seen, or if this machine knows no CAs.
	Trusted   *bool  `json:"certificate_valid"`
	Untrusted string `json:"certificate_problem,omitempty"`

	published dane.Host
	names     []string // of the destination: certificates may have one of them instead
}

// State is how much a DNS answer is worth (RFC 7672, section 2.1).
type State = dane.State

// The states.
const (
	Secure   = dane.Secure
	Insecure = dane.Insecure
	None     = dane.None
	Unknown  = dane.Unknown
)

// DANE is what TLSA records promise for one server.
type DANE struct {
	State State  `json:"state"`
	Why   string `json:"why,omitempty"`
	// Base is the name at which senders find the records; where the server's own name
	// is an alias, it may be another.
	Base    string   `json:"base,omitempty"`
	Records []Record `json:"records"`
	// Kept reports whether senders with DANE accept every certificate that was seen; nil
	// until they were seen, or if there is nothing to keep. Problem says why not.
	Kept    *bool  `json:"kept"`
	Problem string `json:"problem,omitempty"`
}

// Record is a TLSA record.
type Record struct {
	Text string `json:"record"`
	// Usable reports whether mail servers can authenticate with it (certs.TLSA.Usable).
	Usable bool `json:"usable"`
	// Matches reports whether it is about a certificate that was seen. That it is so does
	// not make the certificate acceptable: see Kept.
	Matches bool `json:"matches"`

	tlsa certs.TLSA
}

const (
	// maxMX and maxAddresses bound what is looked at of a domain.
	maxMX        = 10
	maxAddresses = 4
)

// Options are where to ask.
type Options struct {
	// Resolver is the DNS server, address and port.
	Resolver string
	// Port is where the servers listen, 25 if empty.
	Port string
	// Roots are the CAs to trust; nil are those of the system.
	Roots *x509.CertPool
}

// Look looks up what is published for a domain.
func Look(ctx context.Context, m host.Reader, name string, o Options) (*Domain, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if !resolve.IsName(name) || strings.ContainsAny(name, " /:@") {
		return nil, fmt.Errorf("%q is not a domain", name)
	}
	d := &Domain{Name: name, MX: []MX{}}
	var names []string
	switch a := o.resolver(m).Ask(ctx, name, resolve.MX).(type) {
	case resolve.Unknown:
		return nil, a
	case resolve.Absent:
		d.Signed, d.Missing = a.Secure, a.NoName
	case resolve.Records:
		d.Signed, names = a.Secure, []string{name, a.Owner}
		for _, r := range a.Values {
			preference, target, _ := strings.Cut(r, " ")
			target = strings.ToLower(strings.TrimSuffix(target, "."))
			if target == "" {
				d.Silent = true
				continue
			}
			n, _ := strconv.Atoi(preference)
			d.MX = append(d.MX, MX{Name: target, Preference: n})
		}
	}
	if len(d.MX) == 0 && !d.Silent {
		d.Implied = true
		d.MX = append(d.MX, MX{Name: name})
	}
	slices.SortFunc(d.MX, func(a, b MX) int {
		return cmp.Or(a.Preference-b.Preference, strings.Compare(a.Name, b.Name))
	})
	d.MX = d.MX[:min(len(d.MX), maxMX)]
	var wg sync.WaitGroup
	for i := range d.MX {
		wg.Go(func() { d.MX[i].look(ctx, m, o, names) })
	}
	wg.Go(func() { d.STS = LookSTS(ctx, m, name, o) })
	wg.Go(func() { d.Reports = LookReports(ctx, m, name, o.Resolver) })
	wg.Wait()
	d.doubt(ctx, m, o)
	for i, x := range d.MX {
		if d.STS.Policy != nil {
			named := d.STS.Policy.Names(x.Name)
			d.MX[i].Promised = &named
		}
	}
	return d, context.Cause(ctx)
}

// resolver asks the one server that the options name.
func (o Options) resolver(m host.Reader) resolve.Resolver {
	return resolve.Resolver{Machine: m, Servers: []string{o.Resolver}}
}

// look looks up addresses and TLSA records.
func (x *MX) look(ctx context.Context, m host.Reader, o Options, names []string) {
	h := dane.Resolve(ctx, o.resolver(m), x.Name, cmp.Or(o.Port, "25"))
	x.published, x.names = h, names
	x.Addresses = h.Addresses[:min(len(h.Addresses), maxAddresses)]
	x.DANE = DANE{State: h.State, Why: h.Why, Records: []Record{}}
	if h.Base != x.Name {
		x.DANE.Base = h.Base
	}
	for _, text := range h.Values[:min(len(h.Values), 50)] {
		r := Record{Text: text}
		if tlsa, err := certs.ParseTLSA(text); err == nil {
			r.Text, r.Usable, r.tlsa = tlsa.String(), tlsa.Usable(), tlsa
		}
		x.DANE.Records = append(x.DANE.Records, r)
	}
	slices.SortFunc(x.DANE.Records, func(a, b Record) int { return strings.Compare(b.Text, a.Text) })
}

// doubt makes the state of unsigned records Unknown if the resolver has validated
// nothing at all: another one may find that they are signed.
func (d *Domain) doubt(ctx context.Context, m host.Reader, o Options) {
	unsigned := func(x MX) bool { return x.DANE.State == Insecure }
	secure := func(x MX) bool { return x.DANE.State == Secure }
	if d.Signed || slices.ContainsFunc(d.MX, secure) || !slices.ContainsFunc(d.MX, unsigned) || o.resolver(m).Validates(ctx) {
		return
	}
	for i := range d.MX {
		if x := &d.MX[i]; unsigned(*x) {
			x.DANE.State, x.DANE.Why = Unknown, "the resolver "+o.Resolver+" does not validate DNSSEC: it is unknown whether the records are signed"
			x.published.State, x.published.Why, d.Blind = Unknown, x.DANE.Why, true
		}
	}
}

// Judge compares the certificates that a server presented, each with its chain, with
// what is promised. If ctx ends before all are verified, Trusted
// stays nil: nothing is known then.
func (x *MX) Judge(ctx context.Context, chains [][][]byte, o Options, now time.Time) {
	if len(chains) == 0 {
		return
	}
	roots := o.Roots
	if roots == nil {
		roots = system()
	}
	kept, usable, trusted := true, false, true
	for _, raw := range chains {
		var chain []*x509.Certificate
		for i, der := range raw[:min(len(raw), certs.MaxChain)] {
			c, err := certs.Parse(der)
			if err == nil {
				chain = append(chain, c)
			} else if i == 0 {
				break // what stands behind it is not the server's own
			}
		}
		for i := range x.DANE.Records {
			r := &x.DANE.Records[i]
			usable = usable || r.Usable
			r.Matches = r.Matches || r.tlsa.Matches(chain)
		}
		if v, detail := x.published.Judge(chain, x.names, now); v == dane.Refused {
			kept, x.DANE.Problem = false, detail.Why
		}
		if roots == nil || ctx.Err() != nil {
			continue
		}
		if err := valid(chain, x.Name, roots, now); err != nil {
			trusted, x.Untrusted = false, strings.TrimPrefix(err.Error(), "x509: ")
		}
	}
	if usable && x.DANE.State == Secure {
		x.DANE.Kept = &kept
	}
	if roots != nil && (ctx.Err() == nil || !trusted) {
		x.Trusted = &trusted
	}
}

// system returns the CAs of this machine, or nil if there are none: then it is unknown
// whether a certificate is valid.
func system() *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil || pool.Equal(x509.NewCertPool()) {
		return nil
	}
	return pool
}

// valid returns why a sender with MTA-STS does not accept a chain (RFC 8461, section
// 4.2), or nil if it does.
func valid(chain []*x509.Certificate, name string, roots *x509.CertPool, now time.Time) error {
	if len(chain) == 0 {
		return fmt.Errorf("a certificate that cannot be read")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between, CurrentTime: now})
	return err
}

// Dial connects to the first address of a server that answers.
func (x *MX) Dial(m host.Reader) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		err = fmt.Errorf("%s has no address", x.Name)
		for _, a := range x.Addresses {
			var c net.Conn
			if c, err = m.Dial(ctx, network, net.JoinHostPort(a, port)); err == nil {
				return c, nil
			}
		}
		return nil, err
	}
}
