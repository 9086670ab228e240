package detect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"postseal/internal/host"
	"postseal/internal/resolve"
)

// findResolver finds out whom Postfix asks: in a chroot the copy there counts.
func (f *Facts) findResolver(m host.Reader) {
	if f.Hostname != "" && len(f.Needed) == 0 {
		f.Needed = []Name{{f.Hostname, "myhostname"}}
	}
	path := "/etc/resolv.conf"
	if slices.ContainsFunc(f.Transports, func(t Transport) bool { return t.Chroot }) {
		path = filepath.Join(f.Config.Text(nil, "queue_directory"), path)
	}
	f.Resolver = Resolver{Path: path, Validates: Unknown}
	b, err := m.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && path != "/etc/resolv.conf" {
		// Distributions copy it into the chroot when Postfix starts.
		b, err = m.ReadFile("/etc/resolv.conf")
	}
	if err != nil {
		f.Resolver.Why = fmt.Sprintf("%s: %v", path, err)
		return
	}
	f.Resolver.Servers = nameservers(string(b))
}

// Nameservers are those of a resolv.conf; if there is none, what the C library
// asks then.
func Nameservers(m host.Reader, path string) []string {
	b, _ := m.ReadFile(path)
	return nameservers(string(b))
}

func nameservers(text string) (out []string) {
	for _, l := range strings.Split(text, "\n") {
		w := strings.Fields(l)
		if len(w) >= 2 && w[0] == "nameserver" && len(out) < 3 { // resolv.conf(5): at most three
			out = append(out, net.JoinHostPort(w[1], "53"))
		}
	}
	if len(out) == 0 {
		out = []string{"127.0.0.1:53"} // what the C library asks then
	}
	return out
}

// Forged is a name that must not resolve where DNSSEC is validated: it exists for such
// tests, and the DS record of its zone matches none of the zone's keys.
const Forged = "dnssec-failed.org"

// ask asks whether every server validates and is on this machine. The question is
// Postfix's own (dnssec_probe, postconf(5)). A server that passes on what it could not
// validate, without the AD bit, is not enough: Postfix takes that for unsigned.
func (r Resolver) ask(ctx context.Context, m host.Reader) Resolver {
	if len(r.Servers) == 0 {
		return r
	}
	answers, forged := make([]resolve.Answer, len(r.Servers)), make([]resolve.Answer, len(r.Servers))
	var wg sync.WaitGroup
	for i, s := range r.Servers {
		one := resolve.Resolver{Machine: m, Servers: []string{s}}
		wg.Go(func() {
			if answers[i] = one.Ask(ctx, ".", resolve.NS); resolve.Secure(answers[i]) {
				forged[i] = one.Ask(ctx, Forged, resolve.A)
			}
		})
	}
	wg.Wait()
	resolves := func(a resolve.Answer) bool { _, ok := a.(resolve.Records); return ok }
	r.Validates, r.Why = Yes, "your resolver "+hostOf(r.Servers[0])+" validates DNSSEC"
	for i, s := range r.Servers {
		unknown, isUnknown := answers[i].(resolve.Unknown)
		ip, err := netip.ParseAddr(hostOf(s))
		switch {
		case isUnknown && unknown.Code != "":
			r.Validates, r.Why = Unknown, fmt.Sprintf("DNS resolver %s answers %s for the root zone", hostOf(s), unknown.Code)
		case isUnknown:
			r.Validates, r.Why = Unknown, "DNS resolver "+hostOf(s)+" does not answer"
		case !resolve.Secure(answers[i]):
			r.Validates, r.Why = No, "DNS resolver "+hostOf(s)+" does not validate DNSSEC"
		case resolves(forged[i]):
			r.Validates, r.Why = No, "DNS resolver "+hostOf(s)+" answers for "+Forged+", whose DNSSEC is broken on purpose: it does not reject forged answers"
		case ip == netip.AddrFrom4([4]byte{127, 0, 0, 11}):
			r.Validates, r.Why = Unknown, "127.0.0.11 forwards to the resolver of Docker's network, and it is unknown whether that one is on this machine"
		case err != nil || !ip.IsLoopback() && !slices.Contains(addresses(), ip.WithZone("")):
			r.Validates, r.Why = No, "DNS resolver "+hostOf(s)+" validates DNSSEC, but its answers cross the network unprotected"
		default:
			continue
		}
		return r
	}
	return r
}

// ValidatingResolver says how to set up a resolver that validates. It is checked before
// anything depends on it, and can be undone.
const ValidatingResolver = "install unbound (Debian: apt-get install unbound); check that dig @127.0.0.1 . NS +dnssec shows the flag ad, and that dig @127.0.0.1 " + Forged +
	" shows SERVFAIL; then keep a copy of /etc/resolv.conf, to undo this, make 127.0.0.1 its only nameserver, and restart Postfix"

// Ask returns what asks the resolver.
func (r Resolver) Ask(m host.Reader) resolve.Resolver {
	return resolve.Resolver{Machine: m, Servers: r.Servers}
}

// addresses returns those of this machine.
func addresses() (out []netip.Addr) {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Addr())
		}
	}
	return out
}

func hostOf(server string) string {
	h, _, err := net.SplitHostPort(server)
	if err != nil {
		return server
	}
	return h
}
