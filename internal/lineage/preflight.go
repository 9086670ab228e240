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

	"postseal/certs/acme"
	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/resolve"
)

// preflight looks, before the CA is asked, for what would make it refuse:
// failed attempts count against its limits. All faults come at once; what may
// be right and may be not is told as a step.
func (k *Keeper) preflight(ctx context.Context, c *acme.Client, l *Lineage, m acme.Meta) error {
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
			all = append(all, k.caa(ctx, servers[0], n, asker{m.CAA, l.Challenge.method(), c.AccountURL()}))
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
		return hint.New(fmt.Sprintf("%s is in use by %s", address, who), "use its root directory (--challenge webroot), or validate by DNS")
	case errors.Is(err, syscall.EACCES) && k.M.UID() == 0:
		return hint.New("listening on "+address+" is not allowed, even to root", "give the service CAP_NET_BIND_SERVICE, or validate through a web server or DNS: --challenge")
	case errors.Is(err, syscall.EACCES):
		return hint.New("listening on "+address+" is not allowed to this user", "run it as root")
	}
	return hint.Wrap(err, "use --http-listen or --tls-listen with an address of this host")
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
		for _, t := range []uint16{resolve.A, resolve.AAAA} {
			switch a := k.Facts.Resolver.Ask(k.M).Ask(ctx, name, t).(type) {
			case resolve.Unknown:
				known = false
			case resolve.Records:
				found = append(found, a.Values...)
			}
		}
		switch {
		case len(found) == 0 && known:
			all = append(all, hint.New(name+" has no address in DNS: the CA cannot reach it", "create an A or AAAA record, or validate the name by DNS (--challenge)"))
		case len(found) > 0 && !slices.ContainsFunc(found, func(a string) bool { return here[a] }) && k.Step != nil:
			k.Step(apply.Event{Step: "where " + name + " leads", State: apply.Noted, Text: strings.Join(found, ", ") + ", which is not an address of this machine: correct behind address translation, otherwise the CA cannot reach this server"})
		}
	}
	return errors.Join(all...)
}

// limits looks whether the CA would refuse because it was asked too often.
func (k *Keeper) limits(l *Lineage) error {
	text, left, err := k.Allowance(l)
	if err == nil && left < 2 && left >= 0 && k.Step != nil {
		k.Step(apply.Event{Step: "the CA's limits", State: apply.Noted, Text: text})
	}
	return err
}

// Allowance says, in words and as a number, how many more certificates for these
// names the CA would sign after this order; -1 and no words if no limit is
// known. It fails if the CA would refuse this one, with when it no longer would.
func (k *Keeper) Allowance(l *Lineage) (text string, left int, err error) {
	cas := k.CAs
	if cas == nil {
		list, err := CAs(k.M)
		if err != nil {
			return "", -1, err
		}
		cas = &list
	}
	ca, err := cas.Find(l.Server)
	if err != nil || ca.Limits == nil {
		return "", -1, nil //nolint:nilerr // nothing is known of it
	}
	past, err := k.attempts(l.Server)
	if err != nil {
		return "", -1, err
	}
	left, err = within(ca.Limits, past, l.Names, k.M.Now())
	return fmt.Sprintf("after this, %d more for exactly these names in %d days; renewals do not count", left, ca.Limits.Days), left, err
}
