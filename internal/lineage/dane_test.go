package lineage_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postseal/certs"
	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/lineage"
	"postseal/internal/publish"
)

// show makes Postfix serve files, and keeps the resolver.
func (d *dane) show(t *testing.T, paths string) {
	t.Helper()
	resolver := d.keeper.Facts.Resolver
	d.serve(t, paths)
	d.keeper.Facts.Resolver = resolver
}

// TestFirstWithForeignRecord: who comes from another client has its record in
// the zone. The first certificate is refused, and its key is kept: once its
// record is there, the next try is taken.
func TestFirstWithForeignRecord(t *testing.T) {
	d := newDANE(t)
	old := lab.NewCA(t).Issue(t, lab.Leaf{Names: []string{"mx.test"}}).Leaf
	d.Set(owner + ". 3600 IN TLSA " + certs.NewTLSA(old).String())
	var steps []string
	d.keeper.Step = func(e apply.Event) { steps = append(steps, e.Step) }
	err := d.keeper.Obtain(context.Background(), d.l, lineage.Terms{Accept: true})
	if !errors.Is(err, lineage.ErrRefused) || slices.Contains(steps, "order") {
		t.Fatalf("%v, after %q: an order that comes to nothing counts against the CA's limits", err, steps)
	}
	_, own, ok := strings.Cut(err.Error(), "its own would be ")
	if !ok || len(own) < 70 {
		t.Fatal(err)
	}
	own = own[:70] // "3 1 1 " and a SHA-256
	next := filepath.Join(filepath.Dir(d.keeper.Path(d.l, "ecdsa")), "ecdsa.next.pem")
	if info, err := os.Stat(next); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	// publish says what the order waits for, and then until when.
	pending := func() publish.Step {
		t.Helper()
		refused := d.keeper.Refused(nil)
		if len(refused) != 1 {
			t.Fatalf("%+v", refused)
		}
		in, err := d.keeper.ObserveRefused(context.Background(), refused[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		steps := publish.Steps(in)
		if len(steps) != 1 {
			t.Fatalf("%+v", steps)
		}
		return steps[0]
	}
	if s := pending(); s.Action != publish.Add || s.Record != own || !s.Due {
		t.Errorf("%+v", s)
	}
	d.Set(owner+". 3600 IN TLSA "+certs.NewTLSA(old).String(), owner+". 3600 IN TLSA "+own)
	if s := pending(); s.Action != publish.Order || s.Due || time.Until(s.NotBefore) < 2*time.Hour || s.Why == "" {
		t.Errorf("%+v", s)
	}
	// A moment ago senders could still get the other record alone.
	if err := d.keeper.Obtain(context.Background(), d.l, lineage.Terms{Accept: true}); !errors.Is(err, lineage.ErrRefused) || !strings.Contains(err.Error(), "is safe to use from ") {
		t.Fatal(err)
	}
	d.clock.ahead = 4 * time.Hour // twice the TTL, or it and the time that a server may be behind
	if s := pending(); s.Action != publish.Order || !s.Due {
		t.Errorf("%+v", s)
	}
	d.obtain(t, d.l)
	if got := certs.NewTLSA(chain(t, d.keeper.Path(d.l, "ecdsa")).Leaf()).String(); got != own {
		t.Errorf("%s is in place, and %s was asked for", got, own)
	}
	if n := d.l.Issued["ecdsa"].Next; n == nil || "3 1 1 "+n.Digest == own {
		t.Errorf("the next key is the one that is served: %+v", n)
	}
}

// TestNamesOfTheLineage: a name that is only the lineage's own counts as well,
// unless it leads to another host.
func TestNamesOfTheLineage(t *testing.T) {
	d := newDANE(t)
	d.keeper.Facts.Hostname, d.keeper.Facts.Needed = "host1.test", []detect.Name{{Name: "host1.test", Why: "myhostname"}}
	d.Set("host1.test. 60 IN A 127.0.0.1")
	d.Set(owner + ". 60 IN TLSA " + certs.NewTLSA(lab.NewCA(t).Issue(t, lab.Leaf{}).Leaf).String())
	if err := d.keeper.Obtain(context.Background(), d.l, lineage.Terms{Accept: true}); !errors.Is(err, lineage.ErrRefused) {
		t.Fatal(err)
	}
	d.Set("host1.test. 60 IN A 192.0.2.1")
	d.obtain(t, d.l)
}

// TestNotShown: what Postfix does not show is renewed whatever the records of
// this server's names say; once a link leads Postfix to it, it is not.
func TestNotShown(t *testing.T) {
	d := newDANE(t)
	d.l.Name, d.l.Names = "www.test", []string{"www.test"}
	d.Set("www.test. 60 IN A 127.0.0.1")
	d.ca.DNS.Add("www.test. 60 IN A 127.0.0.1")
	d.Set(owner + ". 60 IN TLSA " + certs.NewTLSA(lab.NewCA(t).Issue(t, lab.Leaf{}).Leaf).String())
	d.obtain(t, d.l)
	d.Set("_25._tcp.www.test. 60 IN TLSA " + certs.NewTLSA(lab.NewCA(t).Issue(t, lab.Leaf{}).Leaf).String())
	renew := func() error {
		t.Helper()
		out := d.keeper.Renew(context.Background(), []*lineage.Lineage{d.l}, true)
		if len(out) != 1 {
			t.Fatalf("%+v", out)
		}
		return out[0].Err
	}
	if err := renew(); err != nil {
		t.Errorf("not shown: %v", err)
	}
	link := filepath.Join(d.dir, "link.pem")
	if err := os.Symlink(d.keeper.Path(d.l, "ecdsa"), link); err != nil {
		t.Fatal(err)
	}
	d.show(t, link)
	if err := renew(); !errors.Is(err, lineage.ErrRefused) {
		t.Errorf("shown over a link: %v", err)
	}
	d.Remove(owner, dns.TypeTLSA)
	d.Remove("_25._tcp.www.test", dns.TypeTLSA)
	if err := renew(); err != nil {
		t.Fatal(err)
	}
	if got, want := d.served(t), chain(t, link).Facts(nil).Fingerprint; got != want {
		t.Errorf("%s is served and %s is there", got, want)
	}
}

// TestNoValidation: behind a resolver that does not validate, records that do
// not match are refused all the same, unless a person says that the zone is not
// signed; that nothing could be asked is told.
func TestNoValidation(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	b.keeper.Facts.Resolver.Validates, b.keeper.Facts.Resolver.Why = detect.No, "it does not validate DNSSEC"
	l := b.lineage(t)
	b.ca.DNS.Add("_25._tcp.mx.test. 60 IN TLSA " + certs.NewTLSA(lab.NewCA(t).Issue(t, lab.Leaf{}).Leaf).String())
	err := b.keeper.Obtain(ctx, l, lineage.Terms{Accept: true})
	if !errors.Is(err, lineage.ErrRefused) || !errors.Is(err, apply.ErrRisk) || !strings.Contains(err.Error(), "it does not validate DNSSEC") || !strings.Contains(hint.Of(err), "--accept-risk "+lineage.RiskUnprovedDANE) {
		t.Fatalf("%v, hint %q", err, hint.Of(err))
	}
	if err := l.Accept([]string{"break-dane"}); err == nil {
		t.Error("any risk can be accepted")
	}
	if err := l.Accept([]string{lineage.RiskUnprovedDANE}); err != nil || len(l.Accepted) != 0 {
		t.Fatalf("%v: %v is kept before it was needed", err, l.Accepted)
	}
	b.obtain(t, l)
	if len(l.Accepted) != 1 {
		t.Errorf("%v", l.Accepted)
	}
	b.serve(t, b.keeper.Path(l, "ecdsa"))
	b.keeper.Facts.Resolver.Validates, b.keeper.Facts.Resolver.Why = detect.No, "it does not validate DNSSEC"
	for _, o := range b.keeper.Renew(ctx, []*lineage.Lineage{only(t, b)}, true) { // as the timer has it
		if until := "accepted until " + time.Now().Add(lineage.Acceptance).UTC().Format(time.DateOnly); o.Err != nil || !strings.Contains(strings.Join(o.Notes, "\n"), until) {
			t.Errorf("%v, %q", o.Err, o.Notes)
		}
	}
	b.keeper.M = &clock{ahead: lineage.Acceptance + time.Hour}
	for _, o := range b.keeper.Renew(ctx, []*lineage.Lineage{only(t, b)}, true) {
		if !errors.Is(o.Err, apply.ErrRisk) || !strings.Contains(o.Err.Error(), "it was accepted until ") {
			t.Errorf("after its time: %v", o.Err)
		}
	}
	b.keeper.M = host.Local{}

	var noted []string
	b.keeper.Step = func(e apply.Event) {
		if e.State == apply.Noted {
			noted = append(noted, e.Step+" "+e.Text)
		}
	}
	b.keeper.Facts.Resolver.Servers = []string{b.Addrs[0]} // nothing answers there by UDP
	l = only(t, b)
	l.Accepted = nil
	for _, listening := range []bool{true, false} { // a run with --json shows no steps
		if !listening {
			b.keeper.Step = nil
		}
		for _, o := range b.keeper.Renew(ctx, []*lineage.Lineage{l}, true) {
			if o.Err != nil || !strings.Contains(strings.Join(o.Notes, "\n"), "TLSA records of mx.test: not checked") {
				t.Errorf("%+v", o)
			}
		}
	}
	if text := strings.Join(noted, "\n"); !strings.Contains(text, "TLSA records of mx.test not checked") {
		t.Errorf("noted %q", noted)
	}
}

// TestBesideAnother: the record of a certificate that another client keeps, and
// that is served too, is not ours to remove; nor is ours in its report.
func TestBesideAnother(t *testing.T) {
	d := newDANE(t)
	d.obtain(t, d.l)
	target := d.keeper.Path(d.l, "ecdsa")
	other := lab.NewCA(t).Issue(t, lab.Leaf{Names: []string{"mx.test"}, RSA: true})
	path := lab.Write(t, d.dir, "certbot.pem", other.Key+other.Cert, 0o600)
	d.show(t, path+" "+target)
	set := []string{owner + ". 3600 IN TLSA " + certs.NewTLSA(other.Leaf).String()}
	for _, r := range []string{certs.NewTLSA(chain(t, target).Leaf()).String(), "3 1 1 " + d.l.Issued["ecdsa"].Next.Digest} {
		set = append(set, owner+". 3600 IN TLSA "+r)
	}
	d.Set(set...)
	for _, s := range publish.Steps(d.observe(t)) {
		if s.Action != publish.RollOver {
			t.Errorf("of ours: %+v", s)
		}
	}
	all, err := d.keeper.All()
	if err != nil {
		t.Fatal(err)
	}
	in, ok := d.keeper.ObserveOthers(context.Background(), all)
	if steps := publish.Steps(in); !ok || len(steps) > 0 {
		t.Errorf("of the other: %v, %+v", ok, steps)
	}
	if found := append(publish.Findings(in), publish.Findings(d.observe(t))...); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	// Ours alone is missing: the other's report says nothing about it.
	d.Set(set[0])
	if in, _ := d.keeper.ObserveOthers(context.Background(), all); len(publish.Steps(in)) > 0 {
		t.Errorf("%+v", publish.Steps(in))
	}
	if steps := publish.Steps(d.observe(t)); len(steps) != 2 || steps[0].Action != publish.Add {
		t.Errorf("%+v", steps)
	}
}

// TestAlias: records behind an alias are read where they are, and new ones go
// there too: nothing can stand beside an alias.
func TestAlias(t *testing.T) {
	d := newDANE(t)
	d.obtain(t, d.l)
	const there = "_dane.test"
	d.Set(owner+". 300 IN CNAME "+there+".", there+". 7200 IN TLSA "+certs.NewTLSA(chain(t, d.keeper.Path(d.l, "ecdsa")).Leaf()).String())
	in := d.observe(t)
	if o := in.Owners[0]; o.Name != there || o.TTL != 2*time.Hour || len(o.Records) != 1 {
		t.Errorf("%+v", o)
	}
	if steps := publish.Steps(in); len(steps) != 1 || steps[0].Owner != there || steps[0].TTL != 7200 {
		t.Errorf("%+v", steps)
	}
	d.Remove(there, dns.TypeTLSA)
	if steps := publish.Steps(d.observe(t)); len(steps) != 2 || steps[0].Owner != there {
		t.Errorf("with nothing there: %+v", steps)
	}
}

// TestOtherNames: a name under which senders find this server counts, though
// the certificate does not have it: DANE does not look at names.
func TestOtherNames(t *testing.T) {
	d := newDANE(t)
	d.obtain(t, d.l)
	target := d.keeper.Path(d.l, "ecdsa")
	d.keeper.Facts.Needed = append(d.keeper.Facts.Needed, detect.Name{Name: "mx2.test", Why: "MX of example.test"})
	if in := d.observe(t); in.Owners[0].Name != owner {
		t.Fatalf("not served, and %+v", in.Owners)
	}
	d.show(t, target)
	d.keeper.Facts.Needed = append(d.keeper.Facts.Needed, detect.Name{Name: "mx2.test", Why: "MX of example.test"})
	current, next := certs.NewTLSA(chain(t, target).Leaf()).String(), "3 1 1 "+d.l.Issued["ecdsa"].Next.Digest
	d.Set(owner+". 60 IN TLSA "+current, owner+". 60 IN TLSA "+next, "_25._tcp.mx2.test. 60 IN TLSA "+current)
	err := d.keeper.RollOver(context.Background(), d.l, false)
	if err == nil || !strings.Contains(err.Error(), "is not published for _25._tcp.mx2.test") {
		t.Errorf("%v", err)
	}
}

// TestNextKeyLost: a key that was put in the place of the one whose record was
// waited for is not served, and the CA is not asked; a compromised key goes
// also without a next one; and what is wrong with it keeps nobody from a
// renewed certificate.
func TestNextKeyLost(t *testing.T) {
	d := newDANE(t)
	ctx := context.Background()
	told := filepath.Join(d.dir, "told")
	d.l.AlsoReload = lab.Write(t, d.dir, "others", "#!/bin/sh\necho >> "+told+"\n", 0o755)
	d.obtain(t, d.l)
	target := d.keeper.Path(d.l, "ecdsa")
	next := filepath.Join(filepath.Dir(target), "ecdsa.next.pem")
	first := chain(t, target)
	for _, ttl := range []string{"86400", "60"} { // it was long, and who was told so then may still hold it
		d.Set(owner+". "+ttl+" IN TLSA "+certs.NewTLSA(first.Leaf()).String(), owner+". "+ttl+" IN TLSA 3 1 1 "+d.l.Issued["ecdsa"].Next.Digest)
		d.observe(t)
	}
	d.clock.ahead = 49 * time.Hour
	foreign := lab.NewCA(t).Issue(t, lab.Leaf{})
	if err := os.WriteFile(next, []byte(foreign.Key), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.keeper.RollOver(ctx, d.l, false); err == nil || !strings.Contains(err.Error(), "is not the key whose record was published") {
		t.Errorf("swapped: %v", err)
	}

	if err := os.WriteFile(next, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range d.keeper.Renew(ctx, []*lineage.Lineage{d.l}, true) {
		if o.Err == nil || !strings.Contains(o.Err.Error(), "contains no key") {
			t.Errorf("%+v", o)
		}
	}
	if after, err := os.ReadFile(told); err != nil || len(after) != len(before)+1 {
		t.Errorf("Dovecot, say, was not told: %q, %v", after, err)
	}

	if err := os.Remove(next); err != nil {
		t.Fatal(err)
	}
	second := chain(t, target)
	if err := d.keeper.RollOver(ctx, d.l, true); err != nil {
		t.Fatal(err)
	}
	third := chain(t, target)
	if third.Facts(nil).PublicKey == second.Facts(nil).PublicKey {
		t.Error("the compromised key stays")
	}
	if n := d.l.Issued["ecdsa"].Next; n == nil || n.Digest == third.Facts(nil).PublicKey || n.Hold != 48*time.Hour {
		t.Errorf("%+v", n)
	}
}

// TestLostAnswer: an answer that does not come does not start the clock anew.
func TestLostAnswer(t *testing.T) {
	d := newDANE(t)
	d.obtain(t, d.l)
	d.Set(owner+". 60 IN TLSA "+certs.NewTLSA(chain(t, d.keeper.Path(d.l, "ecdsa")).Leaf()).String(), owner+". 60 IN TLSA 3 1 1 "+d.l.Issued["ecdsa"].Next.Digest)
	d.observe(t)
	seen := d.l.Issued["ecdsa"].Next.Seen
	d.clock.ahead = time.Hour
	d.Break(true)
	if _, err := d.keeper.Observe(context.Background(), d.l); err != nil {
		t.Fatal(err)
	}
	d.Break(false)
	d.observe(t)
	all, err := d.keeper.All()
	if err != nil || len(all) != 1 || seen.IsZero() || !all[0].Issued["ecdsa"].Next.Seen.Equal(seen) {
		t.Errorf("%+v, %v; seen %s", all, err, seen)
	}
}
