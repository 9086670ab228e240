package lineage

import (
	"context"
	"crypto/x509"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/internal/dane"
	"postseal/internal/detect"
	"postseal/internal/publish"
)

// ready returns from when on an order with the first key of its kind is not refused for
// what caches of senders may have, and why not earlier.
func (k *Keeper) ready(l *Lineage, algorithm string, hosts []dane.Host) (at time.Time, why string) {
	key, err := k.readNext(k.nextPath(l, algorithm))
	if err != nil {
		return at, ""
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return at, ""
	}
	ledger, chain := k.Seen(hosts), []*x509.Certificate{{RawSubjectPublicKeyInfo: der, PublicKey: key.Public()}}
	for _, h := range hosts {
		if t, text := ledger.Safe(h, chain, k.Facts.ServedChains(), k.Facts.MailNames(h.Base), k.M.Now()); t.After(at) {
			at, why = t, text
		}
	}
	return at, why
}

// Refused are lineages whose first order was refused: nothing is stored of them but the key
// whose record has to be published first. all are those that are stored.
func (k *Keeper) Refused(all []*Lineage) (out []*Lineage) {
	files, _ := k.M.Glob(filepath.Join(k.CertsDir, "*", "*"+certs.NextKey))
	for _, path := range files {
		name := filepath.Base(filepath.Dir(path))
		if !hostName(name) || slices.ContainsFunc(all, func(l *Lineage) bool { return l.Name == name }) {
			continue
		}
		key, err := k.readNext(path)
		if err != nil || strings.TrimSuffix(filepath.Base(path), certs.NextKey) != Algorithm(acme.KeyType(key)) {
			continue
		}
		i := slices.IndexFunc(out, func(l *Lineage) bool { return l.Name == name })
		if i < 0 {
			i, out = len(out), append(out, &Lineage{Name: name, Names: []string{name}})
		}
		out[i].KeyTypes = append(out[i].KeyTypes, acme.KeyType(key))
	}
	return out
}

// ObserveRefused looks up what is published for a lineage of Refused. all are those that
// are stored.
func (k *Keeper) ObserveRefused(ctx context.Context, l *Lineage, all []*Lineage) (publish.Input, error) {
	hosts := detect.Published(ctx, k.M, k.Facts.Resolver, k.names(ctx, l, true))
	in := publish.Input{Now: k.M.Now(), Owners: k.owners(hosts), Keys: k.keys(l)}
	for i, key := range in.Keys {
		in.Keys[i].Ready, in.Keys[i].Wait = k.ready(l, key.Algorithm, hosts)
	}
	for _, other := range all {
		in.Keys = append(in.Keys, others(k.keys(other))...)
	}
	foreign, _ := k.foreign(all)
	in.Keys = append(in.Keys, others(foreign)...)
	if !k.Facts.Root {
		return in, nil
	}
	return in, k.Remember(hosts)
}
