package lineage_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	"postseal/internal/probe"
	"postseal/internal/publish"
)

// clock is a machine whose time can be moved.
type clock struct {
	host.Local
	ahead time.Duration
}

func (c *clock) Now() time.Time { return time.Now().Add(c.ahead) }

// dane is a bed whose names are in a zone that is really signed, and looked up
// by a resolver that really validates.
type dane struct {
	*bed
	*lab.Zone
	clock *clock
	l     *lineage.Lineage
}

const owner = "_25._tcp.mx.test"

func newDANE(t *testing.T) *dane {
	t.Helper()
	d := &dane{bed: newBed(t), Zone: lab.NewZone(t, "test"), clock: &clock{}}
	d.Set("mx.test. 300 IN A 127.0.0.1")
	d.keeper.M = d.clock
	d.keeper.Facts.Resolver = detect.Resolver{Servers: []string{d.Resolver}, Validates: detect.Yes}
	d.l = d.lineage(t)
	return d
}

// publish does what the steps say that is due; all of it must be of one action.
func (d *dane) publish(t *testing.T, want publish.Action) {
	t.Helper()
	records := map[string]bool{}
	in := d.observe(t)
	for _, r := range in.Owners[0].Records {
		records[r.String()] = true
	}
	n := 0
	for _, s := range publish.Steps(in) {
		if !s.Due {
			continue
		}
		if s.Action != want || s.Owner != owner {
			t.Fatalf("%+v, want only %s", s, want)
		}
		n++
		records[s.Record] = s.Action == publish.Add
	}
	if n == 0 {
		t.Fatalf("nothing to %s: %+v", want, publish.Steps(in))
	}
	var set []string
	for r, there := range records {
		if there {
			set = append(set, owner+". 3600 IN TLSA "+r)
		}
	}
	d.Set(set...)
}

func (d *dane) observe(t *testing.T) publish.Input {
	t.Helper()
	in, err := d.keeper.Observe(context.Background(), d.l)
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Owners) != 1 || in.Owners[0].State != publish.Signed {
		t.Fatalf("%+v", in.Owners)
	}
	return in
}

// held checks what a sender with DANE would: that what is served now is named
// by a signed record.
func (d *dane) held(t *testing.T, when string) {
	t.Helper()
	r, err := probe.Handshake(context.Background(), probe.Target{Addr: d.Addrs[0]}, probe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := d.clock.LookUp(context.Background(), d.Resolver, owner, dns.TypeTLSA)
	if err != nil || !a.AD {
		t.Fatalf("%s: %+v, %v", when, a, err)
	}
	for _, text := range a.Records {
		if x, err := certs.ParseTLSA(text); err == nil && x.Matches(r.Certs) {
			return
		}
	}
	t.Errorf("%s: %s is served, and the records are %q", when, certs.NewTLSA(r.Certs[0]), a.Records)
}

// TestRollOver: from the first certificate to the second key, with a record for
// what is served at every moment, and not a second too early.
func TestRollOver(t *testing.T) {
	d := newDANE(t)
	ctx := context.Background()
	d.obtain(t, d.l)
	target := d.keeper.Path(d.l, "ecdsa")
	resolver := d.keeper.Facts.Resolver
	d.serve(t, target)
	d.keeper.Facts.Resolver = resolver
	first := chain(t, target)
	waitFor(t, func() bool { return d.served(t) == first.Facts(nil).Fingerprint })
	next := filepath.Join(filepath.Dir(target), "ecdsa.next.pem")
	if info, err := os.Stat(next); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	steps := publish.Steps(d.observe(t))
	if len(steps) != 2 || steps[0].Record != certs.NewTLSA(first.Leaf()).String() || steps[1].Record == steps[0].Record {
		t.Fatalf("%+v", steps)
	}
	d.publish(t, publish.Add)
	d.held(t, "first published")
	seen := d.clock.Now()
	if in := d.observe(t); len(publish.Findings(in)) > 0 || in.Owners[0].TTL != time.Hour || in.Owners[0].Refresh != 2*time.Hour {
		t.Errorf("%+v, %v", in.Owners, publish.Findings(in))
	}

	// A renewal keeps the key, and what comes next.
	before, err := os.ReadFile(next)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range d.keeper.Renew(ctx, []*lineage.Lineage{d.l}, true) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	if got, err := os.ReadFile(next); err != nil || string(got) != string(before) {
		t.Errorf("the next key changed: %v", err)
	}
	if chain(t, target).Facts(nil).PublicKey != first.Facts(nil).PublicKey {
		t.Error("the key changed")
	}
	d.held(t, "renewed")

	// Too early, by a minute; and the time is said.
	d.clock.ahead = 48*time.Hour - time.Minute
	err = d.keeper.RollOver(ctx, d.l, false)
	if at := seen.Add(48 * time.Hour).UTC().Format("2006-01-02 15:04"); err == nil || !strings.Contains(err.Error(), "cannot be rolled over before "+at) || hint.Of(hint.All(err)[0]) == "" {
		t.Fatalf("%v, want %s", err, at)
	}
	d.held(t, "too early")

	d.clock.ahead = 48*time.Hour + time.Minute
	if err := d.keeper.RollOver(ctx, d.l, false); err != nil {
		t.Fatal(err)
	}
	second := chain(t, target)
	waitFor(t, func() bool { return d.served(t) == second.Facts(nil).Fingerprint })
	d.held(t, "rolled over")
	if second.Facts(nil).PublicKey == first.Facts(nil).PublicKey {
		t.Fatal("the key is the same")
	}
	if got, err := os.ReadFile(next); err != nil || string(got) == string(before) {
		t.Errorf("there is no new next key: %v", err)
	}

	// A new next one to publish; the old one to remove, later.
	d.publish(t, publish.Add)
	d.held(t, "second next published")
	removal := func() publish.Step {
		for _, s := range publish.Steps(d.observe(t)) {
			if s.Action == publish.Remove {
				return s
			}
		}
		return publish.Step{}
	}
	if s := removal(); s.Due || s.Record != certs.NewTLSA(first.Leaf()).String() || s.NotBefore.Sub(d.clock.Now()) < 2*time.Hour-5*time.Minute {
		t.Errorf("%+v", s)
	}
	d.clock.ahead += 2*time.Hour + time.Minute
	d.publish(t, publish.Remove)
	d.held(t, "old removed")
	if s := removal(); s.Action != "" {
		t.Errorf("%+v", s)
	}
	d.daneOnly(t, second.Leaf())

	// The file says nothing that must not be known.
	data, err := os.ReadFile(filepath.Join(d.keeper.StateDir, "lineages", "mx.test.json"))
	if err != nil || strings.Contains(string(data), "PRIVATE") {
		t.Errorf("%s, %v", data, err)
	}
}

// daneOnly delivers as Postfix does that demands DANE, by a resolver that it
// finds where the system's is.
func (d *dane) daneOnly(t *testing.T, leaf *x509.Certificate) {
	t.Helper()
	lab.NeedRoot(t)
	lab.Need(t, "posttls-finger", "unshare")
	_, port, _ := strings.Cut(d.Addrs[0], ":")
	d.Set(fmt.Sprintf("_%s._tcp.mx.test. 60 IN TLSA %s", port, certs.NewTLSA(leaf)))
	forward := &dns.Server{Addr: "127.0.0.77:53", Net: "udp", Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if r, _, err := (&dns.Client{Timeout: 3 * time.Second}).Exchange(q, d.Resolver); err == nil {
			_ = w.WriteMsg(r)
		}
	})}
	go func() { _ = forward.ListenAndServe() }()
	defer func() { _ = forward.Shutdown() }()
	resolv := lab.Write(t, d.dir, "resolv.conf", "nameserver 127.0.0.77\noptions trust-ad edns0\n", 0o644)
	out, err := exec.Command("unshare", "--mount", "sh", "-c", "mount --bind "+resolv+" /etc/resolv.conf && exec posttls-finger -c -l dane-only -t 10 '[mx.test]:"+port+"'").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Verified TLS connection established") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestRollOverNeedsRecords: without a record for the next key, or with answers
// that are forged, the key stays; a compromised one goes all the same.
func TestRollOverNeedsRecords(t *testing.T) {
	d := newDANE(t)
	ctx := context.Background()
	d.obtain(t, d.l)
	target := d.keeper.Path(d.l, "ecdsa")
	first := chain(t, target)
	d.Set(owner + ". 3600 IN TLSA " + certs.NewTLSA(first.Leaf()).String())
	if err := d.keeper.RollOver(ctx, d.l, false); err == nil || !strings.Contains(err.Error(), "is not published for "+owner) {
		t.Errorf("without a record: %v", err)
	}
	d.show(t, target)
	d.Break(true)
	if err := d.keeper.RollOver(ctx, d.l, false); err == nil || !strings.Contains(err.Error(), "could not be verified") {
		t.Errorf("forged: %v", err)
	}
	for _, o := range d.keeper.Renew(ctx, []*lineage.Lineage{d.l}, true) {
		if o.Err == nil || !strings.Contains(o.Err.Error(), "could not be verified") {
			t.Errorf("a renewal behind forged answers: %+v", o)
		}
	}
	d.Break(false)
	if chain(t, target).Facts(nil).Fingerprint != first.Facts(nil).Fingerprint {
		t.Error("it changed")
	}
	// The torn record of another certificate does not keep a compromised key in use.
	if err := os.WriteFile(filepath.Join(d.keeper.StateDir, "lineages", "torn.example.org.json"), []byte(`{"name":"torn`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.keeper.RollOver(ctx, d.l, true); err != nil {
		t.Fatal(err)
	}
	if chain(t, target).Facts(nil).PublicKey == first.Facts(nil).PublicKey {
		t.Error("the compromised key stays")
	}
	found := publish.Findings(d.observe(t))
	if len(found) != 1 || !strings.Contains(found[0].Text, "senders with DANE do not deliver") {
		t.Errorf("%+v", found)
	}
}

// TestRollOverUnproved: without a resolver that validates, a roll-over names the risk,
// and goes on once that is accepted.
func TestRollOverUnproved(t *testing.T) {
	d := newDANE(t)
	ctx := context.Background()
	d.obtain(t, d.l)
	target := d.keeper.Path(d.l, "ecdsa")
	d.show(t, target)
	first := chain(t, target).Facts(nil).PublicKey
	d.keeper.Facts.Resolver.Validates, d.keeper.Facts.Resolver.Why = detect.No, "it does not"
	err := d.keeper.RollOver(ctx, d.l, false)
	if !errors.Is(err, apply.ErrRisk) || !strings.Contains(hint.Of(err), "--accept-risk "+lineage.RiskUnprovedDANE) {
		t.Errorf("not accepted: %v, %s", err, hint.Of(err))
	}
	if err := d.l.Accept([]string{lineage.RiskUnprovedDANE}); err != nil {
		t.Fatal(err)
	}
	if err := d.keeper.RollOver(ctx, d.l, false); err != nil {
		t.Fatal(err)
	}
	if chain(t, target).Facts(nil).PublicKey == first {
		t.Error("the key stays")
	}
}

// TestGap: a roll-over of a compromised key takes along what is shown and no
// longer ordered, so the risk is judged for that too.
func TestGap(t *testing.T) {
	d := newDANE(t)
	d.l.KeyTypes = []string{"P256", "RSA2048"}
	d.obtain(t, d.l)
	d.show(t, d.keeper.Path(d.l, "ecdsa")+", "+d.keeper.Path(d.l, "rsa"))
	d.publish(t, publish.Add)
	var set []string
	for _, key := range d.observe(t).Keys { // the next RSA key alone is not published
		if key.Algorithm != "rsa" || key.Role != publish.Next {
			set = append(set, owner+". 3600 IN TLSA 3 1 1 "+key.Digest)
		}
	}
	gap := func(want bool, when string) {
		t.Helper()
		if got, err := d.keeper.Gap(context.Background(), d.l); err != nil || got != want {
			t.Errorf("%s: %v, %v", when, got, err)
		}
	}
	d.clock.ahead += 10 * 24 * time.Hour
	gap(false, "all are published for long")
	d.l.KeyTypes = []string{"P256"}
	d.Set(set...)
	gap(true, "the RSA key is shown, and its next one is not published")
	d.show(t, d.keeper.Path(d.l, "ecdsa"))
	gap(false, "the RSA key is not shown")
}
