package lineage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/miekg/dns"

	"postseal/certs/acme"
	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/interview"
)

// preflight looks, before the CA is asked, for what would make it refuse:
// failed attempts count against its limits. All faults come at once; what may
// be right and may be not is told as a step.
func (k *Keeper) preflight(ctx context.Context, l *Lineage, m acme.Meta) error {
	var all []error
	if l.Profile != "" && m.Profiles[l.Profile] == "" {
		all = append(all, hint.New(fmt.Sprintf("the CA has no profile %.40q", l.Profile), "postseal cert obtain --list-profiles shows them"))
	}
	if l.Challenge.Listen != "" {
		all = append(all, k.bindable(ctx, l.Challenge.Listen))
	}
	switch l.Challenge.Kind {
	case interview.ProofHTTP, interview.ProofTLS, interview.ProofWebroot:
		all = append(all, k.lead(ctx, l.Names))
	}
	all = append(all, k.limits(l))
	if servers := k.Facts.Resolver.Servers; len(servers) > 0 && len(m.CAA) > 0 {
		for _, n := range l.Names {
			if err := k.caa(ctx, servers[0], strings.TrimPrefix(n, "*."), m.CAA); err != nil {
				all = append(all, err)
			}
		}
	}
	return errors.Join(all...)
}

// bindable tries to listen where the CA will ask, and names who does already.
func (k *Keeper) bindable(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return listener.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		who := "another program"
		if _, port, err := net.SplitHostPort(address); err == nil {
			if n, err := strconv.Atoi(port); err == nil {
				who = cmp.Or(detect.Listening(ctx, k.M, n), who)
			}
		}
		return hint.New(fmt.Sprintf("%s is in use by %s", address, who), "use its folder (--challenge webroot), or prove by DNS")
	case errors.Is(err, syscall.EACCES):
		return hint.New("listening on "+address+" is not allowed to this user", "run it as root")
	}
	return hint.Wrap(err, "--http-listen or --tls-listen names an address of this host")
}

// lead looks whether names lead here. A name without an address is a fault; one
// that leads elsewhere may be right behind address translation, and is told.
func (k *Keeper) lead(ctx context.Context, names []string) error {
	if len(k.Facts.Resolver.Servers) == 0 {
		return nil
	}
	here := map[string]bool{}
	if addresses, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok {
				here[n.IP.String()] = true
			}
		}
	}
	var all []error
	for _, name := range names {
		var found []string
		known := true
		for _, t := range []uint16{dns.TypeA, dns.TypeAAAA} {
			a, err := k.M.LookUp(ctx, k.Facts.Resolver.Servers[0], name, t)
			known = known && err == nil && (a.RCode == "NOERROR" || a.RCode == "NXDOMAIN")
			for _, r := range a.Records {
				if ip := net.ParseIP(r); ip != nil { // a CNAME on the way is none
					found = append(found, ip.String())
				}
			}
		}
		switch {
		case len(found) == 0 && known:
			all = append(all, hint.New(name+" has no address in DNS: the CA could not reach it", "make an A or AAAA record, or prove the name by DNS (--challenge)"))
		case len(found) > 0 && !slices.ContainsFunc(found, func(a string) bool { return here[a] }) && k.Step != nil:
			k.Step(apply.Event{Step: "where " + name + " leads", State: apply.Noted, Text: strings.Join(found, ", ") + ", no address of this machine: right behind address translation, else the CA will not get here"})
		}
	}
	return errors.Join(all...)
}

// limits looks whether the CA would refuse because it was asked too often.
func (k *Keeper) limits(l *Lineage) error {
	cas := k.CAs
	if cas == nil {
		list, err := CAs(k.M)
		if err != nil {
			return err
		}
		cas = &list
	}
	ca, err := cas.Find(l.Server)
	if err != nil || ca.Limits == nil {
		return nil //nolint:nilerr // nothing is known of it
	}
	past, err := k.attempts(l.Server)
	if err != nil {
		return err
	}
	left, err := within(ca.Limits, past, l.Names, k.M.Now())
	if err == nil && left < 2 && left >= 0 && k.Step != nil {
		k.Step(apply.Event{Step: "the CA's limits", State: apply.Noted, Text: fmt.Sprintf("after this, %d more for exactly these names in %d days; renewals do not count", left, ca.Limits.Days)})
	}
	return err
}

// caa looks for a record that forbids the CA, from the name upwards to the
// first that has any (RFC 8659, section 3). No answer is no obstacle here: the
// CA asks for itself.
func (k *Keeper) caa(ctx context.Context, server, name string, allowed []string) error {
	for at := name; strings.Contains(at, "."); _, at, _ = strings.Cut(at, ".") {
		a, err := k.M.LookUp(ctx, server, at, dns.TypeCAA)
		if err != nil || a.RCode == "SERVFAIL" {
			return nil //nolint:nilerr // see above
		}
		var issue []string
		for _, r := range a.Records { // 0 issue "letsencrypt.org; validationmethods=dns-01"
			w := strings.SplitN(r, " ", 3)
			if len(w) == 3 && w[1] == "issue" {
				ca, _, _ := strings.Cut(strings.Trim(w[2], `"`), ";")
				issue = append(issue, strings.TrimSpace(ca))
			}
		}
		if len(a.Records) == 0 {
			continue
		}
		if len(issue) > 0 && !slices.ContainsFunc(issue, func(ca string) bool { return slices.Contains(allowed, ca) }) {
			return hint.New(fmt.Sprintf("the CAA record of %s allows %s, and not this CA (%s)", at, strings.Join(issue, ", "), strings.Join(allowed, ", ")), "change the record, or choose a CA that it allows")
		}
		return nil
	}
	return nil
}
