package lineage

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/publish"
)

// RiskUnprovedDANE is that of a certificate which no published record names,
// where nobody can tell whether the records are signed, and so count.
const RiskUnprovedDANE = plan.RiskUnprovedDANE

// tlsa are the records of the names that lead here: those that are signed, and
// those of which that cannot be told. Notes say what could not be looked at.
type tlsa struct {
	signed, unproved map[string][]certs.TLSA
	notes            []apply.Event
}

// guard refuses a chain that no published record names, whatever the reason for
// its being there: senders with DANE would deliver no longer.
func (k *Keeper) guard(ctx context.Context, l *Lineage, c certs.Chain, target string) error {
	published, err := k.published(ctx, l, target)
	if err != nil {
		return err
	}
	return k.refuse(l, c, published)
}

// guardKey does so before anything is ordered, as far as the key alone decides:
// an order that comes to nothing counts against the CA's limits.
func (k *Keeper) guardKey(ctx context.Context, l *Lineage, key crypto.Signer, target string) error {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("reading a public key: %w", err)
	}
	published, err := k.published(ctx, l, target)
	if err != nil {
		return err
	}
	for _, e := range published.notes {
		if k.Step != nil {
			k.Step(e)
		}
	}
	ofCA := func(r certs.TLSA) bool { return r.Usage == 2 && r.Usable() } // the chain decides
	for _, records := range []map[string][]certs.TLSA{published.signed, published.unproved} {
		maps.DeleteFunc(records, func(_ string, all []certs.TLSA) bool { return slices.ContainsFunc(all, ofCA) })
	}
	return k.refuse(l, certs.Chain{Certs: []*x509.Certificate{{RawSubjectPublicKeyInfo: der, PublicKey: key.Public()}}}, published)
}

// published looks the records up. Behind a resolver that validates, a name
// about which nothing is known is an error: a record may be there.
func (k *Keeper) published(ctx context.Context, l *Lineage, target string) (tlsa, error) {
	validates := k.Facts.Resolver.Validates == detect.Yes
	out := tlsa{signed: map[string][]certs.TLSA{}, unproved: map[string][]certs.TLSA{}}
	for _, name := range k.guarded(ctx, l, target) {
		o, err := k.lookUp(ctx, name)
		switch {
		case err != nil && validates:
			return out, hint.New("whether "+o.Name+" has TLSA records could not be verified, and one that does not match would stop mail", "does the resolver answer? Look at it with: "+hint.ShellLine([]string{"dig", "+dnssec", o.Name, "TLSA"}))
		case err != nil:
			out.notes = append(out.notes, apply.Event{Step: "TLSA records of " + name, State: apply.Noted, Text: "not looked at (" + err.Error() + "): if there are any, and none names this key, senders with DANE do not deliver"})
		case !validates:
			out.unproved[name] = o.Records
		case o.State == publish.Signed:
			out.signed[name] = o.Records
		}
	}
	return out, nil
}

// refuse refuses a chain that none of the records names. Behind a resolver that
// does not validate they may count or not: that they do not is for a person to
// say.
func (k *Keeper) refuse(l *Lineage, c certs.Chain, published tlsa) error {
	if err := plan.RefuseTLSA(c, published.signed); err != nil {
		return err
	}
	if err := plan.RefuseTLSA(c, published.unproved); err != nil && !slices.Contains(l.Accepted, RiskUnprovedDANE) {
		return hint.Wrap(fmt.Errorf("%w; whether the zone is signed cannot be told here (%s): %w: %s", err, k.Facts.Resolver.Why, apply.ErrRisk, RiskUnprovedDANE),
			hint.Of(err)+"; only if the zone is not signed, give postseal cert obtain, renew or self-signed --accept-risk "+RiskUnprovedDANE)
	}
	return nil
}

// guarded are the names at which senders would miss a key that is in the file at
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

// shows says whether Postfix shows what is in one of these files, or may: what a
// table of names leads to is not known.
func (k *Keeper) shows(paths ...string) bool {
	byName := func(l detect.Listener) bool { return k.Facts.Config.Text(&l.Service, "tls_server_sni_maps") != "" }
	return slices.ContainsFunc(k.Facts.Listeners, byName) || slices.ContainsFunc(paths, func(p string) bool { return plan.Uses(k.Facts, p) })
}

// names are the host names at which a lineage's keys must be published: its own
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
