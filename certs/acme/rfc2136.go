package acme

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"

	"postseal/internal/hint"
)

// RFC2136 changes the zone by dynamic update (RFC 2136), signed with TSIG
// (RFC 8945): what BIND, Knot and PowerDNS understand.
type RFC2136 struct {
	// Server takes the updates: "ns1.example.org:53".
	Server string
	// Key names the TSIG key; empty for a server that knows us by address.
	// Secret is base64, Algorithm such as "hmac-sha256" (the default).
	Key, Secret, Algorithm string
	// Zone is the zone to change; empty asks the server for it.
	Zone string
	// TTL is in seconds; 0 is 60.
	TTL uint32
}

// Present implements DNSProvider.
func (p RFC2136) Present(ctx context.Context, fqdn, value string) error {
	return p.update(ctx, fqdn, value, (*dns.Msg).Insert)
}

// CleanUp implements DNSProvider.
func (p RFC2136) CleanUp(ctx context.Context, fqdn, value string) error {
	return p.update(ctx, fqdn, value, (*dns.Msg).Remove)
}

func (p RFC2136) update(ctx context.Context, fqdn, value string, change func(*dns.Msg, []dns.RR)) error {
	zone, err := p.zone(ctx, fqdn)
	if err != nil {
		return err
	}
	ttl := p.TTL
	if ttl == 0 {
		ttl = 60
	}
	m := new(dns.Msg).SetUpdate(zone)
	change(m, []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: fqdn, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: ttl}, Txt: []string{value}}})
	answer, err := p.exchange(ctx, m)
	if err != nil {
		return hint.Wrap(fmt.Errorf("updating %s at %s: %w", zone, p.Server, err), "check that the TSIG key's name, algorithm and secret match the server's, and that both clocks are correct")
	}
	if answer.Rcode != dns.RcodeSuccess {
		return hint.Wrap(fmt.Errorf("updating %s at %s: the server answers %s", zone, p.Server, dns.RcodeToString[answer.Rcode]),
			"allow this key to change TXT records of "+fqdn+" (update-policy in BIND, acl in Knot)")
	}
	return nil
}

// zone finds the zone of a name by the SOA record (RFC 1034, section 4.2.2).
func (p RFC2136) zone(ctx context.Context, fqdn string) (string, error) {
	if p.Zone != "" {
		return dns.Fqdn(p.Zone), nil
	}
	for name := fqdn; name != ""; _, name, _ = strings.Cut(name, ".") {
		a, err := p.exchange(ctx, new(dns.Msg).SetQuestion(name, dns.TypeSOA))
		if err != nil {
			return "", hint.Wrap(fmt.Errorf("asking %s for the zone of %s: %w", p.Server, fqdn, err), "check the server's address")
		}
		for _, rr := range append(a.Answer, a.Ns...) {
			if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(soa.Hdr.Name, fqdn) {
				return soa.Hdr.Name, nil
			}
		}
	}
	return "", hint.New(fmt.Sprintf("%s does not serve the zone of %s", p.Server, fqdn), "specify the server that serves the zone, and the zone itself")
}

// tsigRefusal reads why a server does not take a key (RFC 8945, section 5.2).
// Such an answer bears no signature that could be checked.
func tsigRefusal(a *dns.Msg) error {
	if a == nil || a.Rcode != dns.RcodeNotAuth {
		return nil
	}
	if t := a.IsTsig(); t != nil && t.Error == dns.RcodeBadTime {
		return errors.New("its clock and ours differ too much")
	}
	return errors.New("it does not accept the TSIG key")
}

// exchange asks over UDP, and over TCP if the answer is cut or does not come.
func (p RFC2136) exchange(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	server := p.Server
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(server, "53")
	}
	var last error
	for _, network := range []string{"udp", "tcp"} {
		c := dns.Client{Net: network, Timeout: 5 * time.Second}
		q := m.Copy()
		if p.Key != "" {
			algorithm := p.Algorithm
			if algorithm == "" {
				algorithm = "hmac-sha256"
			}
			key := dns.Fqdn(strings.ToLower(p.Key))
			c.TsigSecret = map[string]string{key: p.Secret}
			q.SetTsig(key, dns.Fqdn(strings.ToLower(algorithm)), 300, time.Now().Unix())
		}
		a, _, err := c.ExchangeContext(ctx, q, server)
		if refused := tsigRefusal(a); refused != nil {
			return nil, refused
		}
		if err == nil && !a.Truncated && p.Key != "" && a.IsTsig() == nil {
			err = errors.New("its answer is not signed") // RFC 8945, section 5.3
		}
		if err == nil && !a.Truncated {
			return a, nil
		}
		last = err
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if last == nil {
		last = errors.New("the answer does not match the request")
	}
	return nil, last
}
