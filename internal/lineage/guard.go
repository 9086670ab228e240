package lineage

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/certs"
	"postseal/internal/apply"
	"postseal/internal/dane"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/plan"
)

// RiskUnprovedDANE is the risk of a certificate that no published record authenticates,
// where it is not known whether the records are signed, and so count.
const RiskUnprovedDANE = plan.RiskUnprovedDANE

// guard refuses a chain that the published records do not authenticate, at any name
// server, or not yet in every cache, wherever the chain comes from: senders with DANE
// would no longer deliver.
func (k *Keeper) guard(ctx context.Context, l *Lineage, c certs.Chain, target string) error {
	hosts := k.published(ctx, l, target)
	if err := k.Remember(hosts); err != nil {
		return err
	}
	return k.refuse(l, c, hosts, func(h dane.Host) bool { return true })
}

// guardKey does so before anything is ordered, as far as the key alone decides:
// an order that comes to nothing counts against the CA's limits.
func (k *Keeper) guardKey(ctx context.Context, l *Lineage, key crypto.Signer, target string) error {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("reading a public key: %w", err)
	}
	hosts := k.published(ctx, l, target)
	if err := k.Remember(hosts); err != nil {
		return err
	}
	if k.Facts.Resolver.Validates != detect.Yes && k.Step != nil {
		for _, h := range hosts {
			if h.State == dane.Unknown && !h.Answered && len(h.Values) == 0 {
				k.Step(apply.Event{Step: "TLSA records of " + h.Name, State: apply.Noted, Text: "not checked (" + h.Why + "): if there are any and none matches this key, senders with DANE do not deliver"})
			}
		}
	}
	// Where a record is about an issuer, or about a whole certificate, the chain decides.
	byKey := func(h dane.Host) bool {
		return !slices.ContainsFunc(h.Set, func(r certs.TLSA) bool { return r.Usable() && (r.Usage == 2 || r.Selector == 0) })
	}
	return k.refuse(l, certs.Chain{Certs: []*x509.Certificate{{RawSubjectPublicKeyInfo: der, PublicKey: key.Public()}}}, hosts, byKey)
}

// published looks the records up, everywhere.
func (k *Keeper) published(ctx context.Context, l *Lineage, target string) []dane.Host {
	return detect.Published(ctx, k.M, k.Facts.Resolver, k.guarded(ctx, l, target))
}

// refuse refuses a chain with which senders would not deliver to one of the hosts. Behind
// a resolver that does not validate, records may count or not: an administrator has to
// accept that they do not. A key that is presented already needs no wait.
func (k *Keeper) refuse(l *Lineage, c certs.Chain, hosts []dane.Host, decides func(dane.Host) bool) error {
	now, shown := k.M.Now(), k.Facts.ServedChains()
	ledger := k.Seen(hosts)
	if k.Facts.Resolver.Validates == detect.Yes { // what was accepted while it did not is settled now
		delete(l.Accepted, RiskUnprovedDANE)
	}
	for _, h := range hosts {
		names := k.Facts.MailNames(h.Base)
		if !decides(h) {
			continue
		}
		switch {
		case h.State == dane.Unknown && len(h.Values) > 0:
			err := plan.RefuseTLSA(c, map[string][]certs.TLSA{h.Base: h.Set}, k.Facts)
			if err != nil && !k.accepts(l, RiskUnprovedDANE) {
				return hint.Wrap(fmt.Errorf("%w; it cannot be verified here whether the zone is signed (%s): %w: %s%s", err, k.Facts.Resolver.Why, apply.ErrRisk, RiskUnprovedDANE, l.lapsed(RiskUnprovedDANE)),
					hint.Of(err)+"; only if the zone is not signed, pass postseal cert obtain, renew or self-signed --accept-risk "+RiskUnprovedDANE)
			}
		case h.State == dane.Unknown && k.Facts.Resolver.Validates == detect.Yes:
			return hint.New("whether "+h.Owner+" has TLSA records could not be verified ("+h.Why+"), and one that does not match would stop mail", "check that the resolver answers: "+hint.ShellLine([]string{"dig", "+dnssec", h.Owner, "TLSA"}))
		case h.State == dane.Secure || len(h.Places) > 0:
			if h.State == dane.Secure {
				if err := plan.RefuseTLSA(c, map[string][]certs.TLSA{h.Base: h.Set}, k.Facts); err != nil {
					return err
				}
			}
			if where := h.Refusals(c.Certs, names, now); len(where) > 0 {
				return hint.New(fmt.Sprintf("the new certificate is not authenticated by the TLSA records of %s at %s: senders with DANE that get them do not deliver", h.Base, strings.Join(where, ", ")), "wait until all name servers of the zone have the same records, as postseal publish shows")
			}
			if at, why := ledger.Safe(h, c.Certs, shown, names, now); !at.IsZero() {
				return hint.New(fmt.Sprintf("the new certificate is safe to use from %s UTC: %s", at.UTC().Format(time.DateTime), why), "run the command again after that time")
			}
			for _, p := range h.Places {
				if p.Unknown != "" && !h.Accepted(c.Certs, shown, names, now) {
					return hint.New(fmt.Sprintf("the TLSA records of %s at its name server %s are unknown: %s", h.Base, p.Server, p.Unknown), "run the command again when that server answers")
				}
			}
		}
	}
	return nil
}

// guarded returns the names at which senders would miss a key that is in the file at
// target no more. What Postfix does not show they never see, and it is guarded
// when Postfix is told to show it (plan.RiskBreakDANE); but what is got for the
// first time is meant to be shown, and if it has a name of this server, then at
// all of them.
func (k *Keeper) guarded(ctx context.Context, l *Lineage, target string) []string {
	shown, first := k.shows(append(k.Files(l), target)...), !slices.Contains(k.Files(l), target)
	if !shown && !first {
		return nil
	}
	ofMail := slices.ContainsFunc(k.Facts.Needed, func(n detect.Name) bool { return certs.Facts{Names: l.Names}.Covers(n.Name) })
	return k.names(ctx, l, shown || ofMail)
}

// shows reports whether Postfix shows what is in one of these files, or may: what a
// table of names leads to is not known.
func (k *Keeper) shows(paths ...string) bool {
	byName := func(l detect.Listener) bool { return k.Facts.Config.Text(&l.Service, "tls_server_sni_maps") != "" }
	return slices.ContainsFunc(k.Facts.Listeners, byName) || slices.ContainsFunc(paths, func(p string) bool { return plan.Uses(k.Facts, p) })
}

// names returns the host names at which a lineage's keys must be published: its own
// that do not lead elsewhere, and, if Postfix shows it, those under which senders
// find this server, whether it names them or not: DANE does not look at names
// (RFC 7672, section 3.1.1).
func (k *Keeper) names(ctx context.Context, l *Lineage, shown bool) (out []string) {
	for _, name := range l.Names {
		if !strings.HasPrefix(name, "*.") && k.Facts.LeadsHere(ctx, k.M, name) != detect.No { // no MX record names a wildcard
			out = append(out, name)
		}
	}
	for _, n := range k.Facts.Needed {
		if shown && !slices.Contains(out, n.Name) {
			out = append(out, n.Name)
		}
	}
	return out
}
