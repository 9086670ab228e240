package lineage_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/certs/authority"
	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/lab"
	"postseal/internal/lineage"
)

// facts are of a server with a name.
func facts(t testing.TB) *detect.Facts {
	t.Helper()
	m := lab.Machine(t, "3.7.11", map[string]string{"main.cf": "myhostname = mx.example.org\n", "master.cf": "smtp inet n - n - - smtpd\n"})
	f, err := detect.Look(context.Background(), m, "/etc/postfix", "/etc/postseal/certs", nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// given are answers that can be given, by key.
var given = map[string][][]string{
	"server": {{"letsencrypt"}, {"zerossl"}, {"digicert"}, {"https://ca.example.org/dir"}}, "acme-ca-file": {{"/c/root.pem"}, {"none"}},
	"email": {{"postmaster@example.org"}, {"none"}}, "eab-kid": {{"kid"}, {"none"}}, "eab-hmac-file": {{"/c/eab"}},
	"name":        {{"mx.example.org"}, {"mx.example.org", "mail.example.org"}, {"*.example.org"}},
	"challenge":   {{"http-01"}, {"webroot"}, {"tls-alpn-01"}, {"dns"}, {"dns-rfc2136"}, {"dns-exec"}, {"dns-manual"}},
	"http-listen": {{":8080"}, {"192.0.2.1:80"}}, "tls-listen": {{":8443"}}, "webroot": {{"/srv/web"}}, "dns-program": {{"/usr/local/bin/hook"}},
	"dns-provider": {{"cloudflare"}, {"pdns"}}, "dns-set": {{"PDNS_API_URL=http://127.0.0.1:8081"}, {"none"}}, "dns-secret-file": {{"CF_DNS_API_TOKEN=/c/cf"}, {"PDNS_API_KEY=/c/pdns"}},
	"dns-server": {{"ns.example.org:53"}}, "dns-zone": {{"example.org"}, {"none"}}, "tsig-key": {{"acme"}, {"none"}}, "tsig-algorithm": {{"hmac-sha512"}, {"hmac-sha256"}}, "tsig-secret-file": {{"/c/tsig"}},
	"key-type": {{"P256"}, {"P256,RSA2048"}, {"P384"}}, "acme-profile": {{"tlsserver"}, {"none"}}, "both-uses": {{"yes"}, {"no"}},
	"also-reload": {{"dovecot"}, {"/usr/local/bin/others"}, {"none"}},
}

// TestAnswersOfALineage: what was ordered can be ordered again: the answers of
// a lineage make the same lineage.
func TestAnswersOfALineage(t *testing.T) {
	f := facts(t)
	orders := 0
	rapid.Check(t, func(rt *rapid.T) {
		o := interview.NewOrder(authority.Known(), detect.Web{})
		a := &ask.Answers{}
		for _, q := range o.Set {
			if texts := given[q.Name()]; len(texts) > 0 && rapid.Bool().Draw(rt, "give "+q.Name()) {
				if err := q.Set(a, rapid.SampledFrom(texts).Draw(rt, q.Name()), ask.Recorded); err != nil {
					rt.Fatal(err)
				}
			}
		}
		if o.Check(f, a) != nil {
			return
		}
		orders++
		d, err := o.Decide(f, a)
		if err != nil {
			rt.Fatal(err)
		}
		l := lineage.From(d, nil)
		b := &ask.Answers{}
		for key, texts := range l.Answers() {
			q, ok := o.Lookup(key)
			if !ok {
				rt.Fatalf("%s is no question", key)
			}
			if err := q.Set(b, texts, ask.Recorded); err != nil {
				rt.Fatal(err)
			}
		}
		d2, err := o.Decide(f, b)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(l, lineage.From(d2, nil), cmpopts.IgnoreUnexported(lineage.Lineage{})); diff != "" {
			rt.Fatalf("(-ordered +again)\n%s", diff)
		}
	})
	if orders < 5 {
		t.Fatalf("only %d orders could be made: the generator is broken", orders)
	}
}

// TestEveryOrderQuestionMatters: of each question of an order, two answers make
// two orders.
func TestEveryOrderQuestionMatters(t *testing.T) {
	f := facts(t)
	for _, q := range interview.NewOrder(authority.Known(), detect.Web{}).Set {
		name := q.Name()
		seen := map[string]bool{}
		for _, base := range []map[string][]string{
			{}, {"server": {"https://ca.example.org/dir"}, "eab-kid": {"kid"}}, {"server": {"zerossl"}}, {"challenge": {"webroot"}}, {"challenge": {"tls-alpn-01"}},
			{"challenge": {"dns"}, "dns-provider": {"pdns"}}, {"challenge": {"dns"}}, {"challenge": {"dns-rfc2136"}, "tsig-key": {"acme"}}, {"challenge": {"dns-rfc2136"}}, {"challenge": {"dns-exec"}},
		} {
			for _, texts := range append(slices.Clone(given[name]), nil) {
				o, a := interview.NewOrder(authority.Known(), detect.Web{}), &ask.Answers{}
				for _, x := range o.Set {
					v := base[x.Name()]
					if x.Name() == name && texts != nil {
						v = texts
					}
					if v != nil {
						if err := x.Set(a, v, ask.Flag); err != nil {
							t.Fatal(err)
						}
					}
				}
				item, _ := o.Lookup(name)
				if !item.Relevant(f, a) {
					continue
				}
				if d, err := o.Decide(f, a); err == nil && len(d.Names) > 0 {
					text, err := json.Marshal(d)
					if err != nil {
						t.Fatal(err)
					}
					if len(base) == 0 || base[name] == nil {
						seen[string(text)] = true
					}
				}
			}
		}
		if len(seen) < 2 {
			t.Errorf("%s: no two answers make two orders", name)
		}
		section, title, why, help := q.Texts()
		if section != interview.SectionOrder || title == "" || !strings.HasSuffix(why, ".") || help == "" {
			t.Errorf("%s: section %q, title %q, why %q", name, section, title, why)
		}
		if len(given[name]) == 0 {
			t.Errorf("%s has no answers to try here", name)
		}
	}
}

// TestFailedOrderKeepsSettings: an order that comes to nothing changes nothing
// of what is stored: renewals go on as before.
func TestFailedOrderKeepsSettings(t *testing.T) {
	b := newBed(t)
	b.obtain(t, b.lineage(t))
	b.serve(t, b.keeper.Path(only(t, b), "ecdsa"))
	path := filepath.Join(b.keeper.StateDir, "lineages", "mx.test.json")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := only(t, b)
	l.Names, l.Email = []string{"mx.test", "mail.mx.test"}, "new@example.org"
	b.ca.DNS.AD = true
	b.ca.DNS.Add("_25._tcp.mx.test. 60 IN TLSA " + certs.NewTLSA(lab.NewCA(t).Issue(t, lab.Leaf{}).Leaf).String())
	if err := b.keeper.Obtain(context.Background(), l, lineage.Terms{Accept: true}); !errors.Is(err, lineage.ErrRefused) {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if diff := cmp.Diff(string(before), string(after)); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// only is the one lineage that is stored.
func only(t *testing.T, b *bed) *lineage.Lineage {
	t.Helper()
	all, err := b.keeper.All()
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	return all[0]
}

// TestRenewWhatIsShown: a key that is ordered no more is renewed as long as
// Postfix shows it, or sends with it; then it is said that it is left out.
func TestRenewWhatIsShown(t *testing.T) {
	b := newBed(t)
	l := b.lineage(t)
	l.KeyTypes = []string{"P256", "RSA2048"}
	b.obtain(t, l)
	b.serve(t, b.keeper.Path(l, "ecdsa")+", "+b.keeper.Path(l, "rsa"))
	l.KeyTypes = []string{"P256"}
	b.obtain(t, l)
	if got := b.keeper.Ordered(l); len(got) != 1 || filepath.Base(got[0]) != "ecdsa.pem" {
		t.Errorf("said to be in place: %v", got)
	}
	out := b.keeper.Renew(context.Background(), []*lineage.Lineage{only(t, b)}, true)
	if len(out) != 2 || !out[0].Renewed || !out[1].Renewed || out[1].Algorithm != "rsa" {
		t.Fatalf("%+v", out)
	}
	b.serve(t, b.keeper.Path(l, "ecdsa")+"\nsmtp_tls_chain_files = "+b.keeper.Path(l, "rsa"))
	if out = b.keeper.Renew(context.Background(), []*lineage.Lineage{only(t, b)}, true); len(out) != 2 || !out[1].Renewed {
		t.Fatalf("what is sent with: %+v", out)
	}
	main := filepath.Join(b.Config(), "main.cf")
	text, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(main, []byte(strings.Replace(string(text), "\nsmtp_tls_chain_files", "\n#", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	b.look(t)
	out = b.keeper.Renew(context.Background(), []*lineage.Lineage{only(t, b)}, true)
	if len(out) != 2 || !out[0].Renewed || out[1].Renewed || out[1].Err != nil || !strings.Contains(out[1].Why, "skipped:") {
		t.Fatalf("%+v", out)
	}
}

// TestAnotherKind: the key stays, whatever kind is ordered now; the next one is
// of that kind, and a roll-over installs it. What is noted is true.
func TestAnotherKind(t *testing.T) {
	b := newBed(t)
	l := b.lineage(t)
	b.obtain(t, l)
	first := chain(t, b.keeper.Path(l, "ecdsa"))
	l = only(t, b)
	l.KeyTypes = []string{"P384"}
	var noted []string
	b.keeper.Step = func(e apply.Event) {
		if e.State == apply.Noted {
			noted = append(noted, e.Text)
		}
	}
	b.obtain(t, l)
	l = only(t, b)
	if got := chain(t, b.keeper.Path(l, "ecdsa")).Facts(nil); got.PublicKey != first.Facts(nil).PublicKey || l.Issued["ecdsa"].KeyType != "P256" {
		t.Errorf("the key is another, or noted as %s", l.Issued["ecdsa"].KeyType)
	}
	if text := strings.Join(noted, "\n"); !strings.Contains(text, "the P256 key is kept") || !strings.Contains(text, "postseal cert rollover mx.test") {
		t.Errorf("noted: %s", text)
	}
	if err := b.keeper.RollOver(context.Background(), l, true); err != nil {
		t.Fatal(err)
	}
	l = only(t, b)
	if got := chain(t, b.keeper.Path(l, "ecdsa")).Facts(nil); got.Bits != 384 || l.Issued["ecdsa"].KeyType != "P384" {
		t.Errorf("%d bits, noted as %s", got.Bits, l.Issued["ecdsa"].KeyType)
	}
}

// TestCutOrder: an order that was cut short after it had written is noted by the
// next renewal with all that it had changed.
func TestCutOrder(t *testing.T) {
	b := newBed(t)
	b.obtain(t, b.lineage(t))
	path := filepath.Join(b.keeper.StateDir, "lineages", "mx.test.json")
	l := only(t, b)
	l.Names = []string{"mx.test", "mail.mx.test"}
	var cut []byte
	b.keeper.Step = func(e apply.Event) {
		if e.Step == "write" && e.State == apply.Done {
			cut, _ = os.ReadFile(path) // what is there if it is killed now
		}
	}
	b.obtain(t, l)
	if cut == nil {
		t.Fatal("nothing was written")
	}
	if err := os.WriteFile(path, cut, 0o600); err != nil {
		t.Fatal(err)
	}
	before := only(t, b)
	if !slices.Equal(before.Names, []string{"mx.test"}) {
		t.Fatalf("%v before it was proved", before.Names)
	}
	for _, o := range b.keeper.Renew(context.Background(), []*lineage.Lineage{before}, false) {
		if o.Err != nil || o.Renewed {
			t.Errorf("%+v", o)
		}
	}
	after := only(t, b)
	if i := after.Issued["ecdsa"]; !slices.Equal(after.Names, l.Names) || i.Coming != nil || i.Settings != nil || i.Fingerprint != l.Issued["ecdsa"].Fingerprint {
		t.Errorf("%v, %+v", after.Names, i)
	}
}

// TestUnfitCounts: a certificate that the CA signed, and that is not taken,
// counts against its limits; the next order is told so.
func TestUnfitCounts(t *testing.T) {
	b := newBed(t)
	l := b.lineage(t)
	l.BothUses = true // which this CA passes over
	b.keeper.CAs = &authority.List{AsOf: "2026-11-23", CAs: []authority.CA{{Name: "here", Title: "Here", Directory: b.ca.Directory, Uses: "server", Limits: &authority.Limits{SameNames: 1, Days: 7, Failures: 5}}}}
	if err := b.keeper.Obtain(context.Background(), l, lineage.Terms{Accept: true}); !errors.Is(err, acme.ErrUnfit) {
		t.Fatal(err)
	}
	if _, _, err := b.keeper.Allowance(l); err == nil || !strings.Contains(err.Error(), "it would refuse before") {
		t.Errorf("it may be asked again: %v", err)
	}
}

// TestNotOrdered: what could not be put in place is not ordered: it would count
// against the CA's limits.
func TestNotOrdered(t *testing.T) {
	b := newBed(t)
	b.keeper.CAs = &authority.List{AsOf: "2026-11-23", CAs: []authority.CA{{Name: "here", Title: "Here", Directory: b.ca.Directory, Uses: "server", Limits: &authority.Limits{SameNames: 50, Days: 7, Failures: 5}}}}
	l := b.lineage(t)
	b.obtain(t, l)
	b.serve(t, b.keeper.Path(l, "ecdsa"))
	main := filepath.Join(b.Config(), "main.cf")
	text, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(says string) {
		t.Helper()
		l := only(t, b)
		ordered := l.Issued["ecdsa"].Fingerprint
		_, left, err := b.keeper.Allowance(l)
		if err != nil || left < 1 {
			t.Fatalf("%d, %v", left, err)
		}
		var steps []string
		b.keeper.Step = func(e apply.Event) { steps = append(steps, e.Step) }
		out := b.keeper.Renew(context.Background(), []*lineage.Lineage{l}, true)
		if len(steps) > 0 {
			t.Errorf("it went as far as this: %q", steps)
		}
		if len(out) != 1 || out[0].Renewed || out[0].Err == nil || !strings.Contains(out[0].Err.Error(), says) {
			t.Errorf("%+v", out)
		}
		l = only(t, b)
		if _, now, err := b.keeper.Allowance(l); err != nil || now != left || l.Issued["ecdsa"].Fingerprint != ordered {
			t.Errorf("%d may be ordered, and %d before; %v", now, left, err)
		}
	}
	lab.Write(t, b.Config(), "main.cf", string(text)+"default_process_limit = lots\n", 0o644)
	refused("default_process_limit = lots")
	lab.Write(t, b.Config(), "main.cf", string(text), 0o644)
	if o, err := (host.Local{}).Act(context.Background(), "postfix", "-c", b.Config(), "stop"); err != nil || o.Code != 0 {
		t.Fatal(err, o)
	}
	refused("Postfix is not running")
}
