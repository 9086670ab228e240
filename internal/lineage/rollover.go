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
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/publish"
)

// prepareNext sees that there is a key that comes next: made long before it is
// used, so that its record can be published in time. fresh makes a new one.
func (k *Keeper) prepareNext(l *Lineage, algorithm string, fresh bool) error {
	i, path := l.Issued[algorithm], k.nextPath(l, algorithm)
	key, err := k.readNext(path)
	if errors.Is(err, fs.ErrNotExist) || fresh {
		if key, err = acme.NewKey(i.KeyType); err != nil {
			return err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return fmt.Errorf("keeping the next key: %w", err)
		}
		if err := k.M.ReplaceSecret(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
			return fmt.Errorf("keeping the next key: %w", err)
		}
	} else if err != nil {
		return err
	}
	digest, err := digestOf(key)
	if err != nil {
		return err
	}
	if i.Next == nil || i.Next.Digest != digest {
		i.Next = &NextKey{Digest: digest}
	}
	return nil
}

func (k *Keeper) readNext(path string) (crypto.Signer, error) {
	data, err := k.M.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the next key: %w", err)
	}
	if p, _ := pem.Decode(data); p != nil {
		if key, err := x509.ParsePKCS8PrivateKey(p.Bytes); err == nil {
			if s, ok := key.(crypto.Signer); ok {
				return s, nil
			}
		}
	}
	return nil, hint.New(path+" holds no key", "remove it: another is made at the next renewal, and its record must be published anew")
}

// digestOf is the SHA-256 of a public key, as TLSA records of the form 3 1 1
// have it.
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
	in := publish.Input{Now: k.M.Now(), Owners: k.owners(ctx, l.Names)}
	for _, algorithm := range slices.Sorted(maps.Keys(l.Issued)) {
		i := l.Issued[algorithm]
		if chain, err := k.chain(l, algorithm); err == nil {
			in.Keys = append(in.Keys, publish.Key{Algorithm: algorithm, Role: publish.Current, Digest: chain.Facts(nil).PublicKey, Chain: chain.Certs})
		}
		for _, o := range i.Old {
			in.Keys = append(in.Keys, publish.Key{Algorithm: algorithm, Role: publish.Old, Digest: o.Digest, Gone: o.Gone})
		}
		if i.Next == nil {
			continue
		}
		next := publish.Key{Algorithm: algorithm, Role: publish.Next, Digest: i.Next.Digest}
		switch everywhere := publish.Everywhere(in.Owners, next); {
		case !everywhere:
			i.Next.Seen = time.Time{}
		case i.Next.Seen.IsZero():
			i.Next.Seen = in.Now
		}
		next.Seen = i.Next.Seen
		in.Keys = append(in.Keys, next)
	}
	if !k.Facts.Root {
		return in, nil
	}
	return in, k.Save(l)
}

// chain is what lies in a lineage's file.
func (k *Keeper) chain(l *Lineage, algorithm string) (certs.Chain, error) {
	path := k.Path(l, algorithm)
	data, err := k.M.ReadFile(path)
	if err != nil {
		return certs.Chain{}, err
	}
	b, err := certs.Read(path, data)
	if err != nil {
		return certs.Chain{}, err
	}
	chains, err := b.Chains(nil)
	if err != nil || len(chains) != 1 {
		return certs.Chain{}, fmt.Errorf("%s holds no chain: %w", path, errors.Join(err, certs.ErrNoCert))
	}
	return chains[0], nil
}

// owners are the names of TLSA records for host names, with what is published.
func (k *Keeper) owners(ctx context.Context, names []string) (out []publish.Owner) {
	for _, name := range names {
		if strings.HasPrefix(name, "*.") {
			continue // no MX record names it
		}
		out = append(out, k.owner(ctx, "_25._tcp."+name))
	}
	return out
}

func (k *Keeper) owner(ctx context.Context, name string) publish.Owner {
	o := publish.Owner{Name: name, State: publish.Unproved}
	if k.Facts.Resolver.Validates != detect.Yes {
		return o
	}
	server := k.Facts.Resolver.Servers[0]
	a, err := k.M.LookUp(ctx, server, name, dns.TypeTLSA)
	if err != nil || a.RCode != "NOERROR" && a.RCode != "NXDOMAIN" {
		return o // SERVFAIL is what a forged answer looks like behind a resolver that validates
	}
	o.State, o.TTL = publish.Unsigned, time.Duration(a.TTL)*time.Second
	if a.AD {
		o.State = publish.Signed
	}
	for _, text := range a.Records {
		if r, err := certs.ParseTLSA(text); err == nil {
			o.Records = append(o.Records, r)
		}
	}
	for at := name; at != ""; _, at, _ = strings.Cut(at, ".") {
		soa, err := k.M.LookUp(ctx, server, at, dns.TypeSOA)
		if err != nil || len(soa.Records) == 0 {
			continue
		}
		// mname rname serial refresh retry expire minimum (RFC 1035, section 3.3.13)
		if w := strings.Fields(soa.Records[0]); len(w) == 7 {
			if n, err := strconv.Atoi(w[3]); err == nil {
				o.Refresh = time.Duration(n) * time.Second
			}
		}
		break
	}
	return o
}

// guard refuses a chain that no published record names, whatever the reason for
// its being there: senders with DANE would deliver no longer. A name about
// which nothing is known, though the resolver validates, is refused too: a
// record may be there.
func (k *Keeper) guard(ctx context.Context, c certs.Chain) error {
	if k.Facts.Resolver.Validates != detect.Yes {
		return nil
	}
	var names []string
	for _, n := range k.Facts.Needed {
		names = append(names, n.Name)
	}
	published := map[string][]certs.TLSA{}
	for i, o := range k.owners(ctx, names) {
		switch o.State {
		case publish.Signed:
			published[names[i]] = o.Records
		case publish.Unproved:
			return hint.New("whether "+o.Name+" has TLSA records could not be verified, and one that does not match would stop mail", "does the resolver answer? Look at it with: dig +dnssec "+o.Name+" TLSA")
		}
	}
	return plan.RefuseTLSA(c, published)
}

// Risk of a roll-over before its time.
const RiskDANEGap = "dane-gap"

// RollOver puts the next key of each kind in place of the one that is served,
// if that is allowed now. early does it before its time; it fails with a hint
// that says when it will be allowed.
func (k *Keeper) RollOver(ctx context.Context, l *Lineage, early bool) error {
	in, err := k.Observe(ctx, l)
	if err != nil {
		return err
	}
	in.Wait = k.Wait
	var all []error
	for _, kind := range l.KeyTypes {
		at, why, err := publish.Allowed(in, Algorithm(kind))
		switch {
		case early:
		case err != nil:
			all = append(all, hint.Wrap(fmt.Errorf("%s (%s) is not rolled over: %w", l.Name, Algorithm(kind), err), "postseal publish shows what to do; if the key is in wrong hands: --compromised"))
		case in.Now.Before(at):
			all = append(all, hint.New(fmt.Sprintf("%s (%s) is not rolled over before %s UTC: %s", l.Name, Algorithm(kind), at.UTC().Format("2006-01-02 15:04:05"), why), "come again then; if the key is in wrong hands: --compromised"))
		}
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	c, meta, err := k.client(ctx, l, Terms{})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := k.preflight(ctx, l, meta); err != nil {
		return err
	}
	k.early = early
	defer func() { k.early = false }()
	for _, kind := range l.KeyTypes {
		next, err := k.readNext(k.nextPath(l, Algorithm(kind)))
		if err != nil {
			return err
		}
		if err := k.one(ctx, c, meta, l, kind, next); err != nil {
			return err
		}
	}
	return nil
}

// ObserveOthers looks up what is published for the certificates in use that are
// no lineage of ours: somebody else renews them, and keeps their next keys, if
// there are any. ok is false if there is none.
func (k *Keeper) ObserveOthers(ctx context.Context, all []*Lineage) (in publish.Input, ok bool) {
	ours := map[string]bool{}
	for _, l := range all {
		for _, path := range k.Files(l) {
			ours[path] = true
		}
	}
	in.Now = k.M.Now()
	var names []string
	for _, c := range k.Facts.ServerCertificates() {
		if c.Err != nil || ours[c.Chain] {
			continue
		}
		key := publish.Key{Algorithm: strings.ToLower(c.Algorithm), Role: publish.Current, Digest: c.PublicKey}
		if found, _, err := k.Facts.Chains(c.Chain); err == nil && len(found) > 0 {
			key.Chain = found[0].Certs
		}
		in.Keys = append(in.Keys, key)
		for _, n := range k.Facts.Needed {
			if !slices.Contains(names, n.Name) {
				names = append(names, n.Name)
			}
		}
	}
	if len(in.Keys) == 0 {
		return in, false
	}
	in.Owners = k.owners(ctx, names)
	return in, true
}
