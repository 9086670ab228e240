package lineage_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postseal/certs"
	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/lineage"
)

// TestSelfSignedNames: what is no host name makes no certificate, and names no
// folder.
func TestSelfSignedNames(t *testing.T) {
	dir := lab.Dir(t)
	k := &lineage.Keeper{Facts: facts(t), Store: lineage.Store{M: &clock{}, StateDir: filepath.Join(dir, "state"), CertsDir: filepath.Join(dir, "etc", "certs")}}
	for _, names := range [][]string{nil, {""}, {"../../elsewhere"}, {"mx.test", "a b.test"}, {"mx.test/.."}} {
		if path, _, made, err := k.SelfSigned(context.Background(), names, nil); err == nil || made {
			t.Errorf("%q: %s", names, path)
		}
	}
	if there, err := os.ReadDir(dir); err != nil || len(there) > 0 {
		t.Errorf("%v, %v", there, err)
	}
}

// TestSelfSignedDue: one that is due is made anew, and its key stays.
func TestSelfSignedDue(t *testing.T) {
	dir, c := lab.Dir(t), &clock{}
	k := &lineage.Keeper{Facts: facts(t), Store: lineage.Store{M: c, StateDir: filepath.Join(dir, "state"), CertsDir: filepath.Join(dir, "certs")}}
	names := []string{"mx.test"}
	path, first, made, err := k.SelfSigned(context.Background(), names, nil)
	if err != nil || !made {
		t.Fatal(made, err)
	}
	f := first.Facts(nil)
	for _, x := range []struct {
		at   time.Time
		made bool
	}{{certs.DueByLifetime(f.NotBefore, f.NotAfter).Add(-time.Hour), false}, {certs.DueByLifetime(f.NotBefore, f.NotAfter).Add(time.Hour), true}} {
		c.ahead = time.Until(x.at)
		_, second, made, err := k.SelfSigned(context.Background(), names, nil)
		if err != nil || made != x.made || second.Facts(nil).PublicKey != f.PublicKey {
			t.Errorf("at %s: made %v, %v", x.at, made, err)
		}
	}
	if got := chain(t, path).Facts(nil).NotAfter; !got.After(f.NotAfter) {
		t.Errorf("it ends on %s", got)
	}
}

// TestSelfSignedShown: one that Postfix shows is made anew as a renewal is: not
// if a published record names the whole certificate, and else proved by a
// handshake and noted in the history.
func TestSelfSignedShown(t *testing.T) {
	d := newDANE(t)
	ctx, names := context.Background(), []string{"mx.test"}
	path, first, _, err := d.keeper.SelfSigned(ctx, names, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.show(t, path)
	old := first.Facts(nil)
	waitFor(t, func() bool { return d.served(t) == old.Fingerprint })
	d.clock.ahead = time.Until(certs.DueByLifetime(old.NotBefore, old.NotAfter).Add(time.Hour))
	sum := sha256.Sum256(first.Leaf().Raw)
	whole := certs.TLSA{Usage: 3, Matching: 1, Data: sum[:]}
	d.Set(owner + ". 60 IN TLSA " + whole.String())
	_, _, made, err := d.keeper.SelfSigned(ctx, names, nil)
	if !errors.Is(err, lineage.ErrRefused) || !strings.Contains(hint.Of(err), "publish that record first") || chain(t, path).Facts(nil).Fingerprint != old.Fingerprint {
		t.Fatalf("made %v: %v", made, err)
	}
	d.Set(owner+". 60 IN TLSA "+whole.String(), owner+". 60 IN TLSA "+certs.NewTLSA(first.Leaf()).String())
	if _, _, _, err := d.keeper.SelfSigned(ctx, names, nil); !errors.Is(err, lineage.ErrRefused) || !strings.Contains(err.Error(), "is safe to use from ") {
		t.Fatal(err)
	}
	d.clock.ahead += 3 * time.Hour
	_, second, made, err := d.keeper.SelfSigned(ctx, names, nil)
	if err != nil || !made || second.Facts(nil).PublicKey != old.PublicKey {
		t.Fatal(made, err)
	}
	if got := d.served(t); got != second.Facts(nil).Fingerprint || got == old.Fingerprint {
		t.Errorf("%s is served", got)
	}
	if history, err := apply.History(host.Local{}, d.keeper.StateDir, ""); err != nil || len(history) != 1 || len(history[0].Proofs) != 1 || !history[0].Proofs[0].OK {
		t.Errorf("%+v, %v", history, err)
	}
}

// TestUnreadable: a file that is there and cannot be read is no reason to make
// another key: published records may name the one in it.
func TestUnreadable(t *testing.T) {
	b := newBed(t)
	l := b.lineage(t)
	b.obtain(t, l)
	target := b.keeper.Path(l, "ecdsa")
	whole, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	for n, spoil := range []func() error{
		func() error { return os.WriteFile(target, whole[:len(whole)/3], 0o600) },
		func() error {
			return os.WriteFile(target, whole[strings.Index(string(whole), "-----BEGIN CERT"):], 0o600)
		},
		func() error { return errors.Join(os.Remove(target), os.Mkdir(target, 0o700)) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		out := b.keeper.Renew(context.Background(), []*lineage.Lineage{l}, false)
		for _, err := range []error{out[0].Err, b.keeper.Obtain(context.Background(), l, lineage.Terms{Accept: true})} {
			if err == nil || !strings.Contains(err.Error(), "cannot be read") || !strings.Contains(hint.Of(err), "move it away") {
				t.Errorf("%d: %v, %+v", n, err, out)
			}
		}
	}
}
