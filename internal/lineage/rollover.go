package lineage

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/internal/apply"
	"postseal/internal/dane"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/publish"
)

// prepareNext ensures that there is a next key, made long before it is used so that its
// record can be published in time. served is the digest of
// the key that is used now; a next key that became that one gets a successor,
// and so does one that is not of the kind that is wanted.
func (k *Keeper) prepareNext(l *Lineage, algorithm, served string) error {
	i, path := l.Issued[algorithm], k.nextPath(l, algorithm)
	var digest string
	key, err := k.readNext(path)
	if err == nil {
		digest, err = digestOf(key)
	}
	if errors.Is(err, fs.ErrNotExist) || digest == served || err == nil && acme.KeyType(key) != l.kind(algorithm) {
		if key, err = k.makeNext(path, l.kind(algorithm)); err == nil {
			digest, err = digestOf(key)
		}
	}
	switch {
	case err != nil:
		return err
	case i.Next == nil:
		i.Next = &NextKey{Digest: digest}
	case i.Next.Digest != digest:
		i.Next = nextKey(i.Next.key(algorithm).Successor(digest))
	}
	return nil
}

// makeNext makes a key and stores it as the next one.
func (k *Keeper) makeNext(path, kind string) (crypto.Signer, error) {
	key, err := acme.NewKey(kind)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("storing the next key: %w", err)
	}
	if _, err := k.M.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("storing the next key: %w", err)
	}
	if err := k.M.ReplaceSecret(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return nil, fmt.Errorf("storing the next key: %w", err)
	}
	return key, nil
}

// firstKey is the key of a first certificate. It lies where the next one does
// until it is served: if published records name another key, the certificate is
// refused, and the record that must come first has to be about a key that will
// still be there.
func (k *Keeper) firstKey(l *Lineage, kind string) (crypto.Signer, error) {
	path := k.nextPath(l, Algorithm(kind))
	key, err := k.readNext(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && acme.KeyType(key) != kind {
		return k.makeNext(path, kind)
	}
	return key, err
}

func (k *Keeper) readNext(path string) (crypto.Signer, error) {
	data, err := k.M.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the next key: %w", err)
	}
	if p, _ := pem.Decode(data); p != nil {
		if key, err := certs.ParseKey(p.Bytes); err == nil {
			return key, nil
		}
	}
	return nil, hint.New(path+" contains no key", "remove it: the next renewal creates another, whose record must be published")
}

// digestOf returns the SHA-256 of a public key, as TLSA records of the form 3 1 1
// contain it.
func digestOf(key crypto.Signer) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", fmt.Errorf("reading a public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// Observe looks up what is published for a lineage's names, and notes since
// when the next keys are published everywhere. Only root can note it.
func (k *Keeper) Observe(ctx context.Context, l *Lineage) (publish.Input, error) {
	hosts := detect.Published(ctx, k.M, k.Facts.Resolver, k.names(ctx, l, k.shows(k.Files(l)...)))
	in := publish.Input{Now: k.M.Now(), Owners: k.owners(hosts), Keys: k.keys(l)}
	for i, key := range in.Keys {
		if key.Role == publish.Next && !key.First {
			in.Keys[i] = key.Observed(in.Owners, in.Now)
			l.Issued[key.Algorithm].Next = nextKey(in.Keys[i])
		}
		if key.First {
			in.Keys[i].Ready, in.Keys[i].Wait = k.ready(l, key.Algorithm, hosts)
		}
	}
	all, _ := k.All()
	for _, other := range all {
		if other.Name != l.Name {
			in.Keys = append(in.Keys, others(k.keys(other))...)
		}
	}
	foreign, _ := k.foreign(all)
	in.Keys = append(in.Keys, others(foreign)...)
	if !k.Facts.Root {
		return in, nil
	}
	return in, errors.Join(k.Remember(hosts), k.Save(l))
}

// keys returns the keys of a lineage: those that are served, that come next, and that
// were replaced.
func (k *Keeper) keys(l *Lineage) (out []publish.Key) {
	for _, algorithm := range slices.Sorted(maps.Keys(l.Issued)) {
		i := l.Issued[algorithm]
		if chain, err := k.there(k.Path(l, algorithm)); err == nil && chain.Key != nil {
			out = append(out, publish.Key{Algorithm: algorithm, Role: publish.Current, Digest: chain.Facts(nil).PublicKey, Chain: chain.Certs})
		}
		for _, o := range i.Old {
			out = append(out, publish.Key{Algorithm: algorithm, Role: publish.Old, Digest: o.Digest, Gone: o.Gone, Compromised: o.Compromised})
		}
		if i.Next != nil {
			out = append(out, i.Next.key(algorithm))
		}
	}
	// The key of a first certificate that was refused waits for its record.
	for _, kind := range l.KeyTypes {
		if l.Issued[Algorithm(kind)] != nil {
			continue
		}
		if key, err := k.readNext(k.nextPath(l, Algorithm(kind))); err == nil && acme.KeyType(key) == kind {
			if digest, err := digestOf(key); err == nil {
				out = append(out, publish.Key{Algorithm: Algorithm(kind), Role: publish.Next, Digest: digest, First: true})
			}
		}
	}
	return out
}

// others returns keys as another certificate sees them.
func others(keys []publish.Key) []publish.Key {
	for i := range keys {
		keys[i].Other = true
	}
	return keys
}

// owners returns the names of TLSA records for hosts, with what is published.
func (k *Keeper) owners(hosts []dane.Host) (out []publish.Owner) {
	for _, h := range hosts {
		o := k.owner(h)
		if !slices.ContainsFunc(out, func(known publish.Owner) bool { return known.Name == o.Name }) {
			out = append(out, o) // two names can be aliases of one
		}
	}
	return out
}

// owner returns what is published for a host's port 25, and where: an alias leads to
// the name that has the records (RFC 7671, section 7), and nothing can be put
// beside it.
func (k *Keeper) owner(h dane.Host) publish.Owner {
	o := publish.Owner{Name: h.Owner, Hosts: k.Facts.MailNames(h.Base), Records: h.Set, TTL: h.TTL, Refresh: h.Refresh, State: publish.Signed, Why: h.Why, Now: k.M.Now()}
	switch {
	case h.State == dane.Unknown:
		o.State = publish.Unproved // SERVFAIL is what a forged answer looks like behind a resolver that validates
	case h.State == dane.Insecure || !h.Signed:
		o.State = publish.Unsigned
	}
	for _, p := range h.Places {
		o.Servers = append(o.Servers, publish.Server{Name: p.Server, Records: p.Set, Unknown: p.Unknown})
	}
	return o
}

// RiskDANEGap is that of a roll-over before its time.
const RiskDANEGap = plan.RiskDANEGap

// Gap reports whether a roll-over now, of all the keys that it concerns, would be
// before the time of one of them.
func (k *Keeper) Gap(ctx context.Context, l *Lineage) (bool, error) {
	in, err := k.Observe(ctx, l)
	if err != nil {
		return false, err
	}
	in.Wait = k.Wait
	kinds, _ := k.kinds(l)
	return slices.ContainsFunc(kinds, func(kind string) bool {
		at, _, err := publish.Allowed(in, Algorithm(kind))
		return err != nil || in.Now.Before(at)
	}), nil
}

// RollOver puts the next key of each kind in place of the one that is served,
// if that is allowed now. early does it before its time; it fails with a hint
// that says when it will be allowed.
func (k *Keeper) RollOver(ctx context.Context, l *Lineage, early bool) error {
	in, err := k.Observe(ctx, l)
	if err != nil {
		return err
	}
	in.Wait = k.Wait
	if err := k.mayRollOver(l, in, early); err != nil {
		return err
	}
	c, meta, err := k.client(ctx, l, Terms{})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := k.preflight(ctx, c, l, meta); err != nil {
		return err
	}
	k.early, k.kind = early, "rollover"
	defer func() { k.early, k.kind = false, "" }()
	kinds, _ := k.kinds(l)
	for _, kind := range kinds {
		next, err := k.next(l, kind, early)
		if err != nil {
			return err
		}
		if err := k.one(ctx, c, meta, l, kind, next); err != nil {
			return err
		}
	}
	_, err = k.Observe(ctx, l) // the new next key's clock knows what is published now
	return err
}

// mayRollOver returns an error, with a hint, if one of the keys that a roll-over concerns
// may not be replaced now.
func (k *Keeper) mayRollOver(l *Lineage, in publish.Input, early bool) error {
	var all []error
	kinds, _ := k.kinds(l)
	for _, kind := range kinds {
		at, why, err := publish.Allowed(in, Algorithm(kind))
		i := l.Issued[Algorithm(kind)]
		switch {
		case i == nil:
			all = append(all, hint.New(fmt.Sprintf("%s (%s) has not been obtained yet", l.Name, Algorithm(kind)), renewing(l)+" obtains it"))
		case early:
		case i.Next == nil:
			all = append(all, hint.New(fmt.Sprintf("%s (%s) is not rolled over: it has no next key yet", l.Name, Algorithm(kind)), "create one by a renewal: "+renewing(l, "--force")))
		case k.accepted(l, err):
		case errors.Is(err, publish.ErrUnproved) && k.Facts.Resolver.Validates != detect.Yes:
			all = append(all, hint.Wrap(fmt.Errorf("%s (%s) is not rolled over: %w: %w: %s%s", l.Name, Algorithm(kind), err, apply.ErrRisk, RiskUnprovedDANE, l.lapsed(RiskUnprovedDANE)),
				"use a resolver that validates DNSSEC; only if the zone is not signed: --accept-risk "+RiskUnprovedDANE+"; if the key is compromised: --compromised"))
		case err != nil:
			all = append(all, hint.Wrap(fmt.Errorf("%s (%s) is not rolled over: %w", l.Name, Algorithm(kind), err), "postseal publish shows what to do; if the key is compromised: --compromised"))
		case in.Now.Before(at):
			all = append(all, hint.New(fmt.Sprintf("%s (%s) cannot be rolled over before %s UTC: %s", l.Name, Algorithm(kind), at.UTC().Format("2006-01-02 15:04:05"), why), "try again then; if the key is compromised: --compromised"))
		}
	}
	return errors.Join(all...)
}

// accepted reports whether err is only that records cannot be verified on this machine,
// and that was accepted by name.
func (k *Keeper) accepted(l *Lineage, err error) bool {
	return errors.Is(err, publish.ErrUnproved) && k.Facts.Resolver.Validates != detect.Yes && k.accepts(l, RiskUnprovedDANE)
}

// renewing is the command that renews a lineage.
func renewing(l *Lineage, flags ...string) string {
	return hint.ShellLine(slices.Concat([]string{"postseal", "cert", "renew"}, flags, []string{l.Name}))
}

// next is the key that a roll-over puts in place: the one whose record was
// waited for, and no other. A compromised key goes also if there is none.
func (k *Keeper) next(l *Lineage, kind string, early bool) (crypto.Signer, error) {
	path := k.nextPath(l, Algorithm(kind))
	key, err := k.readNext(path)
	if errors.Is(err, fs.ErrNotExist) && early {
		return k.makeNext(path, kind)
	}
	if err != nil {
		return nil, err
	}
	digest, err := digestOf(key)
	if err != nil {
		return nil, err
	}
	if n := l.Issued[Algorithm(kind)].Next; !early && n.Digest != digest {
		return nil, hint.New(path+" is not the key whose record was published: something else replaced it", "restore the key, or renew ("+renewing(l, "--force")+") and publish the record of this one")
	}
	return key, nil
}

// ObserveOthers looks up what is published for the certificates in use that are
// no lineage of ours: another client renews them, and keeps their next keys, if any. ok is false if there is none.
func (k *Keeper) ObserveOthers(ctx context.Context, all []*Lineage) (in publish.Input, ok bool) {
	in.Now = k.M.Now()
	if in.Keys, ok = k.foreign(all); !ok {
		return in, false
	}
	for _, l := range all {
		in.Keys = append(in.Keys, others(k.keys(l))...)
	}
	var names []string
	for _, n := range k.Facts.Needed {
		names = append(names, n.Name)
	}
	in.Owners = k.owners(detect.Published(ctx, k.M, k.Facts.Resolver, names))
	return in, true
}

// foreign returns the keys of certificates in use that are none of these lineages.
func (k *Keeper) foreign(all []*Lineage) (out []publish.Key, ok bool) {
	ours := map[string]bool{}
	for _, l := range all {
		for _, path := range k.Files(l) {
			ours[path] = true
		}
	}
	for _, c := range k.Facts.ServerCertificates() {
		if c.Err != nil || ours[c.Chain] {
			continue
		}
		key := publish.Key{Algorithm: strings.ToLower(c.Algorithm), Role: publish.Current, Digest: c.PublicKey}
		if found, _, err := k.Facts.Chains(c.Chain); err == nil && len(found) > 0 {
			key.Chain = found[0].Certs
		}
		out = append(out, key)
	}
	return out, len(out) > 0
}
