package lineage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/miekg/dns"

	"postseal/certs/acme"
	"postseal/internal/hint"
)

// preflight looks, before the CA is asked, for what would make it refuse:
// failed attempts count against its limits. All faults come at once.
func (k *Keeper) preflight(ctx context.Context, l *Lineage, m acme.Meta) error {
	var all []error
	if l.Profile != "" && m.Profiles[l.Profile] == "" {
		all = append(all, hint.New(fmt.Sprintf("the CA has no profile %.40q", l.Profile), "postseal cert obtain --list-profiles shows them"))
	}
	if l.Challenge.Listen != "" {
		listener, err := net.Listen("tcp", l.Challenge.Listen)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			all = append(all, hint.New(l.Challenge.Listen+" is in use by another program", "ss -ltnp shows which; use its --webroot, or prove by DNS"))
		case errors.Is(err, syscall.EACCES):
			all = append(all, hint.New("listening on "+l.Challenge.Listen+" is not allowed to this user", "run it as root"))
		case err != nil:
			all = append(all, hint.Wrap(err, "--http-listen or --tls-listen names an address of this host"))
		default:
			_ = listener.Close()
		}
	}
	if servers := k.Facts.Resolver.Servers; len(servers) > 0 && len(m.CAA) > 0 {
		for _, n := range l.Names {
			if err := k.caa(ctx, servers[0], strings.TrimPrefix(n, "*."), m.CAA); err != nil {
				all = append(all, err)
			}
		}
	}
	return errors.Join(all...)
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
