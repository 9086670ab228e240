// Package domain sees a mail domain as a server sees it that wants to send
// there: where its mail goes (MX), and what it promises about TLS: DANE, MTA-STS
// and reports. It asks DNS, and fetches one file.
//
// It does not talk to the mail servers: who has seen their certificates asks
// Judge whether they keep the promises.
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

	"github.com/miekg/dns"

	"postseal/certs"
	"postseal/internal/host"
)

// Domain is what is published for a domain.
type Domain struct {
	Name string `json:"domain"`
	// Signed says that the resolver vouches for the MX records.
	Signed bool `json:"mx_signed"`
	MX     []MX `json:"mx"`
	// Silent says that it takes no mail at all (RFC 7505), Missing that DNS has no
	// such name, and Implied that it has no MX record, so that the name itself counts
	// (RFC 5321, section 5.1).
	Silent  bool    `json:"null_mx"`
	Missing bool    `json:"no_such_name"`
	Implied bool    `json:"implied_mx"`
	STS     STS     `json:"mta_sts"`
	Reports Reports `json:"tlsrpt"`
}

// MX is a server that takes the domain's mail.
type MX struct {
	Name       string   `json:"name"`
	Preference int      `json:"preference"`
	Addresses  []string `json:"addresses"`
	DANE       DANE     `json:"dane"`
	// Promised says whether the policy of MTA-STS names it; nil without one.
	Promised *bool `json:"mta_sts_names_it"`
	// Trusted is whether its certificates are valid for its name, and Untrusted
	// why not; nil until they were seen, or if this machine knows no CAs.
	Trusted   *bool  `json:"certificate_valid"`
	Untrusted string `json:"certificate_problem,omitempty"`
}

// State is how much a DNS answer is worth (RFC 7672, section 2.1).
type State string

// The states.
const (
	Secure   State = "secure"   // the resolver says that it validated it
	Insecure State = "insecure" // there are records, and nobody vouches for them
	None     State = "none"     // there are no records
	Failed   State = "failed"   // no answer: bogus, or a name server that is broken; senders wait
)

// DANE is what TLSA records promise for one server.
type DANE struct {
	State   State    `json:"state"`
	Why     string   `json:"why,omitempty"`
	Records []Record `json:"records"`
	// Kept says whether every certificate that was seen is named by a record;
	// nil until they were seen, or if there is nothing to keep.
	Kept *bool `json:"kept"`
}

// Record is a TLSA record.
type Record struct {
	Text string `json:"record"`
	// Usable says whether mail servers look at it: usages 2 and 3 (RFC 7672,
	// section 3.1.3).
	Usable bool `json:"usable"`
	// Matches says whether it names a certificate that was seen.
	Matches bool `json:"matches"`

	tlsa certs.TLSA
}

const (
	// maxMX and maxAddresses bound what is looked at of a domain.
	maxMX        = 10
	maxAddresses = 4
)

// Options say whom to ask.
type Options struct {
	// Resolver is the DNS server, address and port.
	Resolver string
	// Port is where the servers listen, 25 if empty.
	Port string
	// Roots are the CAs to trust; nil are those of the system.
	Roots *x509.CertPool
}

// Look asks what is published for a domain.
func Look(ctx context.Context, m host.Reader, name string, o Options) (*Domain, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, ok := dns.IsDomainName(name); !ok || name == "" || strings.ContainsAny(name, " /:@") {
		return nil, fmt.Errorf("%q is no domain", name)
	}
	d := &Domain{Name: name, MX: []MX{}}
	a, err := ask(ctx, m, o.Resolver, name, dns.TypeMX)
	if err != nil {
		return nil, err
	}
	d.Signed, d.Missing = a.AD, a.RCode == "NXDOMAIN"
	for _, r := range a.Records {
		preference, target, _ := strings.Cut(r, " ")
		target = strings.ToLower(strings.TrimSuffix(target, "."))
		if target == "" {
			d.Silent = true
			continue
		}
		n, _ := strconv.Atoi(preference)
		d.MX = append(d.MX, MX{Name: target, Preference: n})
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
		wg.Go(func() { d.MX[i].look(ctx, m, o, d.Signed) })
	}
	wg.Go(func() { d.STS = LookSTS(ctx, m, name, o) })
	wg.Go(func() { d.Reports = LookReports(ctx, m, name, o.Resolver) })
	wg.Wait()
	for i, x := range d.MX {
		if d.STS.Policy != nil {
			named := d.STS.Policy.Names(x.Name)
			d.MX[i].Promised = &named
		}
	}
	return d, context.Cause(ctx)
}

// ask asks one question. That there is no such name is an answer; anything else
// that is no answer is an error.
func ask(ctx context.Context, m host.Reader, resolver, name string, kind uint16) (host.Answer, error) {
	a, err := m.LookUp(ctx, resolver, name, kind)
	if err == nil && a.RCode != "NOERROR" && a.RCode != "NXDOMAIN" {
		err = fmt.Errorf("asking %s for %s %s: %s", resolver, name, dns.TypeToString[kind], a.RCode)
	}
	return a, err
}

// look asks for addresses and TLSA records. signed says whether the MX record
// is vouched for: without that DANE does not begin (RFC 7672, section 2.2.1).
func (x *MX) look(ctx context.Context, m host.Reader, o Options, signed bool) {
	x.Addresses, x.DANE = []string{}, DANE{State: None, Records: []Record{}}
	vouched := signed
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		a, err := ask(ctx, m, o.Resolver, x.Name, kind)
		if err != nil {
			x.DANE.State, x.DANE.Why = Failed, err.Error()
			continue
		}
		if len(a.Records) > 0 && !a.AD {
			vouched = false
		}
		x.Addresses = append(x.Addresses, a.Records...)
	}
	x.Addresses = x.Addresses[:min(len(x.Addresses), maxAddresses)]
	port := o.Port
	if port == "" {
		port = "25"
	}
	a, err := ask(ctx, m, o.Resolver, "_"+port+"._tcp."+x.Name, dns.TypeTLSA)
	if err != nil {
		x.DANE.State, x.DANE.Why = Failed, err.Error()
		return
	}
	for _, text := range a.Records[:min(len(a.Records), 50)] {
		r := Record{Text: text}
		if tlsa, err := certs.ParseTLSA(text); err == nil {
			r.Text, r.Usable, r.tlsa = tlsa.String(), tlsa.Usable(), tlsa
		}
		x.DANE.Records = append(x.DANE.Records, r)
	}
	// Resolvers answer in another order each time.
	slices.SortFunc(x.DANE.Records, func(a, b Record) int { return strings.Compare(b.Text, a.Text) })
	switch {
	case len(x.DANE.Records) == 0 || x.DANE.State == Failed:
	case a.AD && vouched:
		x.DANE.State = Secure
	default:
		x.DANE.State, x.DANE.Why = Insecure, "the TLSA records are not vouched for"
		if a.AD {
			x.DANE.Why = "the records that lead to this server are not vouched for"
		}
	}
}

// Judge sets the certificates that a server showed, each with the chain behind
// it, against what is promised. If ctx ends before all are verified, Trusted
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
		named := false
		for i := range x.DANE.Records {
			r := &x.DANE.Records[i]
			usable = usable || r.Usable
			if r.tlsa.Matches(chain) {
				r.Matches, named = true, true
			}
		}
		kept = kept && named
		if roots == nil || ctx.Err() != nil {
			continue
		}
		if err := valid(chain, x.Name, roots, now); err != nil {
			trusted, x.Untrusted = false, err.Error()
		}
	}
	if usable && x.DANE.State == Secure {
		x.DANE.Kept = &kept
	}
	if roots != nil && (ctx.Err() == nil || !trusted) {
		x.Trusted = &trusted
	}
}

// system are the CAs of this machine, or nil if there are none: then nothing can
// be said of a certificate.
func system() *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil || pool.Equal(x509.NewCertPool()) {
		return nil
	}
	return pool
}

// valid says whether a sender with MTA-STS accepts a chain (RFC 8461, section
// 4.2).
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

// Dial connects to whichever address of a server answers.
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
