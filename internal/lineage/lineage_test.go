package lineage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/certs/authority"
	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/lab/pebble"
	"postseal/internal/lineage"
	"postseal/internal/probe"
)

// bed is a real Postfix, a real CA, and a keeper of certificates between them.
type bed struct {
	*lab.Server
	ca     *pebble.Server
	keeper *lineage.Keeper
	dir    string
}

func newBed(t *testing.T) *bed {
	t.Helper()
	dir := lab.Dir(t)
	b := &bed{ca: pebble.New(t, pebble.Options{Depth: 2}), dir: dir}
	first := lab.NewCA(t).Issue(t, lab.Leaf{Names: []string{"mx.test"}})
	lab.Write(t, dir, "first.pem", first.Key+first.Cert, 0o600)
	b.Server = lab.Postfix(t, "\nmyhostname = mx.test\nrelay_domains = example.test\nsmtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+dir+"/first.pem\nservice_throttle_time = 2s\n", "%s inet n - n - - smtpd")
	b.keeper = &lineage.Keeper{Store: lineage.Store{M: host.Local{}, StateDir: filepath.Join(dir, "state"), CertsDir: filepath.Join(dir, "certs")}, Poll: time.Second}
	b.look(t)
	return b
}

// look looks at the server anew; its resolver is the CA's DNS.
func (b *bed) look(t *testing.T) {
	t.Helper()
	f, err := detect.Look(context.Background(), host.Local{}, b.Config(), b.keeper.CertsDir, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.Resolver = detect.Resolver{Servers: []string{b.ca.DNS.Addr}, Validates: detect.Yes}
	b.keeper.Facts, b.keeper.Log = f, b.Log()
}

// chainFiles is the line of main.cf that says what is shown.
var chainFiles = regexp.MustCompile(`(?m)^smtpd_tls_chain_files = .*$`)

// serve makes Postfix show these files.
func (b *bed) serve(t *testing.T, paths string) {
	t.Helper()
	main := filepath.Join(b.Config(), "main.cf")
	text, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(main, chainFiles.ReplaceAll(text, []byte("smtpd_tls_chain_files = "+paths)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.Cool(); err != nil {
		t.Fatal(err)
	}
	if _, err := (host.Local{}).Act(context.Background(), "postfix", "-c", b.Config(), "reload"); err != nil {
		t.Fatal(err)
	}
	b.look(t)
}

func (b *bed) lineage(t *testing.T) *lineage.Lineage {
	t.Helper()
	root := lab.Write(t, b.dir, "ca.pem", b.ca.RootPEM, 0o644)
	return &lineage.Lineage{Name: "mx.test", Server: b.ca.Directory, CAFile: root, Names: []string{"mx.test"}, KeyTypes: []string{"P256"}, Challenge: lineage.Challenge{Kind: "http-01", Listen: b.ca.HTTPAddr}}
}

func (b *bed) obtain(t *testing.T, l *lineage.Lineage) {
	t.Helper()
	if err := b.keeper.Obtain(context.Background(), l, lineage.Terms{Accept: true}); err != nil {
		t.Fatal(err)
	}
}

func chain(t *testing.T, path string) certs.Chain {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := certs.Read(path, data)
	if err != nil {
		t.Fatal(err)
	}
	chains, err := bundle.Chains(nil)
	if err != nil {
		t.Fatal(err)
	}
	return chains[0]
}

func (b *bed) served(t *testing.T) string {
	t.Helper()
	r, err := probe.Handshake(context.Background(), probe.Target{Addr: b.Addrs[0]}, probe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Fingerprint()
}

// TestRenewWhileMailFlows: from the first order to a renewed certificate that
// is served, with sessions all the time, none of which is refused; the key
// stays, and nobody but root can read it at any moment.
func TestRenewWhileMailFlows(t *testing.T) {
	b := newBed(t)
	l := b.lineage(t)
	stop := make(chan struct{})
	watched := make(chan error, 1)
	go func() { watched <- watch(b.dir, stop) }()
	b.obtain(t, l)
	target := b.keeper.Path(l, "ecdsa")
	b.serve(t, target)
	first := chain(t, target)
	waitFor(t, func() bool { return b.served(t) == first.Facts(nil).Fingerprint })

	var sessions, refused atomic.Int64
	flow := make(chan struct{})
	for range 3 {
		go func() {
			for {
				select {
				case <-stop:
					flow <- struct{}{}
					return
				default:
				}
				if _, err := probe.Handshake(context.Background(), probe.Target{Addr: b.Addrs[0]}, probe.Options{}); err != nil {
					refused.Add(1)
					t.Log(err)
				}
				sessions.Add(1)
			}
		}()
	}
	all, err := b.keeper.All()
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	for _, o := range b.keeper.Renew(context.Background(), all, false) {
		if o.Renewed || o.Err != nil || !strings.Contains(o.Why, "the CA asks for renewal about") {
			t.Errorf("not due: %+v", o)
		}
	}
	for _, o := range b.keeper.Renew(context.Background(), all, true) {
		if !o.Renewed || o.Err != nil {
			t.Fatalf("%+v", o)
		}
	}
	close(stop)
	for range 3 {
		<-flow
	}
	second := chain(t, target)
	if second.Leaf().Equal(first.Leaf()) || !certs.Same(first.Key.Public(), second.Key.Public()) {
		t.Error("it is the old certificate, or another key")
	}
	if got := b.served(t); got != second.Facts(nil).Fingerprint {
		t.Errorf("%s is served", got)
	}
	if refused.Load() > 0 || sessions.Load() < 20 {
		t.Errorf("%d of %d sessions were refused", refused.Load(), sessions.Load())
	}
	if err := <-watched; err != nil {
		t.Error(err)
	}
	history, err := apply.History(host.Local{}, b.keeper.StateDir, "")
	if err != nil || len(history) < 2 || history[0].Kind != "renew" || len(history[0].Proofs) != 1 || !history[0].Proofs[0].OK {
		t.Errorf("%+v, %v", history, err)
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come")
		}
	}
}

// watch looks all the time whether a file with a private key can be read by
// others.
func watch(dir string, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil //nolint:nilerr // it has gone meanwhile
			}
			st, err := d.Info()
			if err != nil || st.Mode().Perm()&0o077 == 0 {
				return nil //nolint:nilerr // it has gone meanwhile
			}
			if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), "PRIVATE KEY") {
				return fmt.Errorf("%s has mode %v", path, st.Mode())
			}
			return nil
		})
		if err != nil {
			return err
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// TestTLSA: a new key that no published record names is not put in place, in
// whatever name's place; a record for it lets it pass.
func TestTLSA(t *testing.T) {
	b := newBed(t)
	l := b.lineage(t)
	other := lab.NewCA(t).Issue(t, lab.Leaf{})
	b.ca.DNS.AD = true
	b.ca.DNS.Add("_25._tcp.mx.test. 60 IN TLSA " + certs.NewTLSA(other.Leaf).String())
	before := b.served(t)
	err := b.keeper.Obtain(context.Background(), l, lineage.Terms{Accept: true})
	if err == nil || !strings.Contains(err.Error(), lineage.ErrRefused.Error()) || !strings.Contains(err.Error(), "senders with DANE do not deliver") || hint.Of(err) == "" {
		t.Fatalf("%v", err)
	}
	if _, err := os.Stat(b.keeper.Path(l, "ecdsa")); err == nil {
		t.Error("it was put in place")
	}
	if b.served(t) != before {
		t.Error("a different certificate is presented")
	}
	// Without DNSSEC, records are no promise to anyone.
	b.ca.DNS.AD = false
	b.obtain(t, l)
}

// TestPreflight: what would make the CA refuse is found before it is asked, all
// of it at once.
func TestPreflight(t *testing.T) {
	b := newBed(t)
	l := b.lineage(t)
	l.Profile, l.Challenge.Listen, l.Names = "nonsense", b.Addrs[0], []string{"mx.test", "leads-nowhere.test", "elsewhere.test"}
	b.ca.DNS.Add("elsewhere.test. 60 IN A 192.0.2.7")
	var noted []string
	b.keeper.Step = func(e apply.Event) { noted = append(noted, e.Step+": "+e.Text) }
	b.ca.DNS.Add(`test. 60 IN CAA 0 issue "pebble.test"`, `mx.test. 60 IN CAA 0 ISSUE "other.example; policy=x"`, `elsewhere.test. 60 IN CAA 0 issue "pebble.test; validationmethods=dns-01"`)
	err := b.keeper.Obtain(context.Background(), l, lineage.Terms{Accept: true})
	if err == nil {
		t.Fatal("nothing was found")
	}
	for _, want := range []string{`no profile "nonsense"`, "is in use by smtpd", "leads-nowhere.test has no address in DNS", "(issue) of mx.test allows other.example, but not this CA (pebble.test)", "elsewhere.test allows validation by dns-01, but not by http-01"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	for _, e := range hint.All(err) {
		if hint.Of(e) == "" {
			t.Errorf("no hint: %v", e)
		}
	}
	if len(noted) != 1 || !strings.Contains(noted[0], "where elsewhere.test leads: 192.0.2.7, which is not an address of this machine") {
		t.Errorf("noted %q", noted)
	}
}

// TestCAAUnanswered: a failure is no empty answer: what stands further up does
// not count, and that nothing could be asked is told.
func TestCAAUnanswered(t *testing.T) {
	b := newBed(t)
	var noted []string
	b.keeper.Step = func(e apply.Event) {
		if e.State == apply.Noted {
			noted = append(noted, e.Step+": "+e.Text)
		}
	}
	for _, code := range []string{"REFUSED", "SERVFAIL"} {
		b.keeper.M, noted = failing{code: code}, nil
		b.ca.DNS.Add(`test. 60 IN CAA 0 issue "other.example"`)
		b.obtain(t, b.lineage(t))
		if len(noted) != 1 || !strings.Contains(noted[0], "CAA records of mx.test: not checked (") || !strings.Contains(noted[0], code) {
			t.Errorf("noted %q", noted)
		}
	}
}

// failing is a machine whose resolver does not say what CAA records mx.test has.
type failing struct {
	host.Local
	code string
}

func (f failing) LookUp(ctx context.Context, server, name string, qtype uint16) (host.Answer, error) {
	if name == "mx.test" && qtype == dns.TypeCAA {
		return host.Answer{RCode: f.code}, nil
	}
	return f.Local.LookUp(ctx, server, name, qtype)
}

// TestBoundAtStaging: a name that is bound to an account is tried at the CA's
// staging place all the same, where the account is another one.
func TestBoundAtStaging(t *testing.T) {
	b := newBed(t)
	var noted []string
	b.keeper.Step = func(e apply.Event) {
		if e.State == apply.Noted {
			noted = append(noted, e.Text)
		}
	}
	b.ca.DNS.Add(`mx.test. 60 IN CAA 0 issue "pebble.test; accounturi=https://ca.example/acct/1"`)
	l := b.lineage(t)
	if err := b.keeper.Rehearse(context.Background(), l, b.ca.Directory, lineage.Terms{Accept: true}); err != nil {
		t.Error(err)
	}
	if len(noted) != 1 || !strings.Contains(noted[0], "is for the account https://ca.example/acct/1") {
		t.Errorf("noted %q", noted)
	}
	if err := b.keeper.Obtain(context.Background(), l, lineage.Terms{Accept: true}); err == nil || !strings.Contains(err.Error(), "is for the account") || hint.Of(err) == "" {
		t.Errorf("the order itself: %v", err)
	}
	for kind, want := range map[string]bool{"caa": true, "connection": false} {
		if got := lineage.RefusedForCAA(fmt.Errorf("x: %w", &acme.Problem{Type: kind})); got != want {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

// TestLimits: what the CA would refuse since it was asked too often is not
// asked; renewals do not count, and a proof that failed does.
func TestLimits(t *testing.T) {
	b := newBed(t)
	l := b.lineage(t)
	b.keeper.CAs = &authority.List{AsOf: "2026-11-23", CAs: []authority.CA{{Name: "pebble", Title: "Pebble", Directory: b.ca.Directory, Limits: &authority.Limits{SameNames: 2, Days: 7, Failures: 1}}}}
	var noted []string
	b.keeper.Step = func(e apply.Event) {
		if e.Step == "the CA's limits" {
			noted = append(noted, e.Text)
		}
	}
	b.obtain(t, l)
	b.obtain(t, l) // again, and told so to the CA: a renewal
	l.Issued = nil
	b.obtain(t, l)
	l.Issued = nil
	err := b.keeper.Obtain(context.Background(), l, lineage.Terms{Accept: true})
	if err == nil || !strings.Contains(err.Error(), "2 certificates for exactly these names in 7 days") || hint.Of(err) == "" {
		t.Fatalf("the third of two: %v", err)
	}
	if len(noted) == 0 || !strings.HasPrefix(noted[0], "after this, 1 more for exactly these names in 7 days") {
		t.Errorf("noted %q", noted)
	}
	other := b.lineage(t)
	other.Names, other.Name, other.Challenge = []string{"other.test"}, "other.test", lineage.Challenge{Kind: "webroot", Webroot: t.TempDir()}
	b.ca.DNS.Add("other.test. 60 IN A 127.0.0.1")
	if err := b.keeper.Obtain(context.Background(), other, lineage.Terms{Accept: true}); err == nil || strings.Contains(err.Error(), "last hour") {
		t.Fatalf("the CA should have refused the proof: %v", err)
	}
	err = b.keeper.Obtain(context.Background(), other, lineage.Terms{Accept: true})
	if err == nil || !strings.Contains(err.Error(), "validation of other.test failed in the last hour as often as the CA allows (1)") {
		t.Errorf("a second failure: %v", err)
	}
}

// TestReplaces: another CA is not told of a certificate that it never gave, and
// an order that a CA does not take for a renewal is not counted as one.
func TestReplaces(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	var told []string
	b.keeper.Step = func(e apply.Event) { told = append(told, e.Text) }
	anew := func() bool { return strings.Contains(strings.Join(told, "\n"), "does not accept it as a renewal") }
	account := func(server string) string {
		u, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(b.keeper.StateDir, "acme", strings.NewReplacer("/", "_", ":", "_").Replace(u.Host+u.Path))
	}
	renewals := func(server string) (out []bool) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(account(server), "attempts.json"))
		if err != nil {
			t.Fatal(err)
		}
		var all []struct{ Renewal bool }
		if err := json.Unmarshal(data, &all); err != nil {
			t.Fatal(err)
		}
		for _, a := range all {
			out = append(out, a.Renewal)
		}
		return out
	}
	b.obtain(t, b.lineage(t))
	noted, first := only(t, b), b.keeper.Path(only(t, b), "ecdsa")
	file, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	b.obtain(t, only(t, b))
	if got := renewals(b.ca.Directory); anew() || !slices.Equal(got, []bool{false, true}) {
		t.Errorf("refused: %v, counted as renewals: %v", anew(), got)
	}
	// Another account gets no renewal of it, and does not ask.
	if err := os.RemoveAll(account(b.ca.Directory)); err != nil {
		t.Fatal(err)
	}
	b.obtain(t, only(t, b))
	if got := renewals(b.ca.Directory); anew() || !slices.Equal(got, []bool{false}) {
		t.Errorf("another account: refused: %v, counted as renewals: %v", anew(), got)
	}
	// Notes that are wrong make it ask; what the CA refuses is counted.
	noted.Issued["ecdsa"].Account = only(t, b).Issued["ecdsa"].Account
	if err := os.WriteFile(first, file, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range b.keeper.Renew(ctx, []*lineage.Lineage{noted}, true) {
		if !o.Renewed {
			t.Fatalf("%+v", o)
		}
	}
	if got := renewals(b.ca.Directory); !slices.Equal(got, []bool{false, false}) {
		t.Errorf("counted as renewals: %v", got)
	}

	other := pebble.New(t, pebble.Options{HTTPPort: portOf(t, b.ca.HTTPAddr)})
	l := only(t, b)
	l.Server, l.CAFile = other.Directory, lab.Write(t, b.dir, "other.pem", other.RootPEM, 0o644)
	told = nil
	b.obtain(t, l)
	if got := renewals(other.Directory); anew() || !slices.Equal(got, []bool{false}) {
		t.Errorf("the other CA was asked for a renewal: %v, counted as renewals: %v", anew(), got)
	}
	b.obtain(t, only(t, b))
	if got := renewals(other.Directory); !slices.Equal(got, []bool{false, true}) {
		t.Errorf("its own: %v", got)
	}
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestForgotten: a CA that lost its accounts is no riddle.
func TestForgotten(t *testing.T) {
	b := newBed(t)
	l := b.lineage(t)
	b.obtain(t, l)
	files, err := filepath.Glob(filepath.Join(b.dir, "state", "acme", "*", "account.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], []byte(regexp.MustCompile(`my-account/\w+`).ReplaceAllString(string(data), "my-account/0123")), 0o600); err != nil {
		t.Fatal(err)
	}
	err = b.keeper.Obtain(context.Background(), l, lineage.Terms{Accept: true})
	if err == nil || !strings.Contains(hint.Of(err), "rm -r "+filepath.Dir(files[0])) {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

// TestPrivateState: nobody else may look into what is kept, from its top.
func TestPrivateState(t *testing.T) {
	b := newBed(t)
	b.obtain(t, b.lineage(t))
	for _, dir := range []string{"state", "state/acme", "state/lineages"} {
		if info, err := os.Stat(filepath.Join(b.dir, dir)); err != nil || info.Mode().Perm() != 0o700 && dir == "state" || info.Mode().Perm()&0o022 != 0 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
}

// TestAlsoReload: who else uses the certificate is told, with its file; that he
// fails is an error, and the certificate stays.
func TestAlsoReload(t *testing.T) {
	b := newBed(t)
	l := b.lineage(t)
	called := filepath.Join(b.dir, "called")
	l.AlsoReload = lab.Write(t, b.dir, "others", "#!/bin/sh\necho \"$@\" >> "+called+"\n[ ! -e "+b.dir+"/broken ] || { echo gone >&2; exit 7; }\n", 0o700)
	b.obtain(t, l)
	target := b.keeper.Path(l, "ecdsa")
	if got, err := os.ReadFile(called); err != nil || string(got) != target+"\n" {
		t.Errorf("called with %q, %v", got, err)
	}
	before := chain(t, target).Facts(nil).Fingerprint
	lab.Write(t, b.dir, "broken", "", 0o600)
	out := b.keeper.Renew(context.Background(), []*lineage.Lineage{l}, true)
	if len(out) != 1 || out[0].Err == nil || !strings.Contains(out[0].Err.Error(), "ended with 7: gone") || hint.Of(out[0].Err) == "" {
		t.Fatalf("%+v", out)
	}
	if chain(t, target).Facts(nil).Fingerprint == before {
		t.Error("the new certificate is not in place")
	}
}

// TestFilesOfOthers: a program that another account can change is not run after a
// renewal, and no root certificate that it can change decides which CA server is genuine.
func TestFilesOfOthers(t *testing.T) {
	b := newBed(t)
	l := b.lineage(t)
	called := filepath.Join(b.dir, "called")
	program := lab.Write(t, b.dir, "others", "#!/bin/sh\necho \"$@\" >> "+called+"\n", 0o755)
	b.obtain(t, l)
	l.AlsoReload = program
	if err := os.Chown(program, 33, 33); err != nil {
		t.Fatal(err)
	}
	out := b.keeper.Renew(context.Background(), []*lineage.Lineage{l}, true)
	if len(out) != 1 || !errors.Is(out[0].Err, host.ErrExposed) || !strings.Contains(hint.Of(out[0].Err), "chown -h root "+program) {
		t.Errorf("%+v", out)
	}
	if _, err := os.Stat(called); err == nil {
		t.Error("it was run all the same")
	}
	if err := os.Chmod(l.CAFile, 0o666); err != nil {
		t.Fatal(err)
	}
	err := b.keeper.Obtain(context.Background(), l, lineage.Terms{Accept: true})
	if !errors.Is(err, host.ErrExposed) || !strings.Contains(hint.Of(err), "chmod go-w "+l.CAFile) {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

// TestTerms: without a word on the terms nothing is registered.
func TestTerms(t *testing.T) {
	b := newBed(t)
	if err := b.keeper.Obtain(context.Background(), b.lineage(t), lineage.Terms{}); err == nil || !strings.Contains(hint.Of(err), "--accept-terms") {
		t.Errorf("%v", err)
	}
}

// TestForeign: a file that somebody else has replaced is left alone.
func TestForeign(t *testing.T) {
	b := newBed(t)
	l := b.lineage(t)
	b.obtain(t, l)
	other := lab.NewCA(t).Issue(t, lab.Leaf{})
	path := b.keeper.Path(l, "ecdsa")
	if err := os.WriteFile(path, []byte(other.Key+other.Cert), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range b.keeper.Renew(context.Background(), []*lineage.Lineage{l}, true) {
		if o.Renewed || o.Err == nil || !strings.Contains(o.Err.Error(), "something else") {
			t.Errorf("%+v", o)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != other.Key+other.Cert {
		t.Error("it was overwritten")
	}
}

// TestDue: the CA's moment decides, else the lifetime.
func TestDue(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		i    lineage.Issued
		want bool
	}{
		"fresh":                  {lineage.Issued{NotBefore: now.Add(-10 * day), NotAfter: now.Add(80 * day)}, false},
		"last third":             {lineage.Issued{NotBefore: now.Add(-70 * day), NotAfter: now.Add(20 * day)}, true},
		"short, not yet half":    {lineage.Issued{NotBefore: now.Add(-2 * day), NotAfter: now.Add(4 * day)}, false},
		"short, over half":       {lineage.Issued{NotBefore: now.Add(-4 * day), NotAfter: now.Add(2 * day)}, true},
		"the CA says later":      {lineage.Issued{NotBefore: now.Add(-70 * day), NotAfter: now.Add(20 * day), At: now.Add(day), Window: &acme.Window{}}, false},
		"the CA says now":        {lineage.Issued{NotBefore: now.Add(-day), NotAfter: now.Add(89 * day), At: now.Add(-time.Hour), Window: &acme.Window{}}, true},
		"nothing is known of it": {lineage.Issued{}, true},
	} {
		if got, why := c.i.Due(now); got != c.want || why == "" {
			t.Errorf("%s: %v, %q", name, got, why)
		}
	}
}
