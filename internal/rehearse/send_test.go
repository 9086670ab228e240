package rehearse_test

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/rehearse"
	"postseal/internal/report"
)

const sendingMaster = plainMaster + "smtp unix - - n - - smtp\n"

// publicStore is a collection of CA certificates as a distribution has it.
func publicStore(t testing.TB, b *bed) string {
	t.Helper()
	var all strings.Builder
	for range 25 {
		all.WriteString(lab.NewCA(t).RootPEM)
	}
	return lab.Write(t, b.dir, "store.pem", all.String(), 0o644)
}

// truth is what each kind of server gets at each level: v verified, e encrypted,
// c cleartext, h deferred, f deferred and then cleartext. It was written down
// from research and TLS_README before it was measured.
//
//go:embed testdata/truth.txt
var truth string

func letter(t rehearse.Trial) string {
	switch {
	case t.Clear != "":
		return "f"
	case t.Outcome == rehearse.InClear:
		return "c"
	case t.Outcome == rehearse.Held:
		return "h"
	}
	return string(t.Outcome)[:1]
}

// TestTruthTable: every level at every kind of server, on a real Postfix.
func TestTruthTable(t *testing.T) {
	b := newBed(t)
	c := b.candidate(t, "smtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec\nsmtp_tls_mandatory_protocols = >=TLSv1.2\nsmtp_tls_CAfile = "+publicStore(t, b)+"\n", sendingMaster)
	c.Validates = true
	r, err := rehearse.Send(context.Background(), c, rehearse.Levels, rehearse.Destination{}, rehearse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rows, levels, at := r.Table()
	lines := strings.Split(strings.TrimSpace(truth), "\n")
	if want := strings.Fields(lines[0]); !slices.Equal(levels, want) || len(rows) != len(lines)-1 {
		t.Fatalf("%v, %d rows", levels, len(rows))
	}
	for _, l := range lines[1:] {
		words := strings.Fields(l)
		for i, level := range levels {
			x := at[[2]string{words[0], level}]
			if got := letter(x); got != words[i+1] {
				t.Errorf("%s at %s: %s, not %s: %s (%s)", words[0], level, got, words[i+1], x.Got, x.Reply)
			}
			if played := strings.HasPrefix(words[0], "sts-"); strings.Contains(x.Got, "simulated here") != played || strings.Contains(x.Text, "simulated here") != played {
				t.Errorf("%s at %s: the text does not say that the policy is simulated: %s: %s", words[0], level, x.Text, x.Got)
			}
			if x.Verdict == rehearse.Failed {
				t.Errorf("%s at %s is held to be a failure: %+v", words[0], level, x)
			}
		}
	}
	t.Logf("%d messages in %s", len(r.Trials), r.Took)
}

// TestCredentials: a server that logs in at its relay does not fall back to clear
// text there, and does elsewhere.
func TestCredentials(t *testing.T) {
	b := newBed(t)
	passwords := lab.Write(t, b.dir, "passwords", "[relay.example.net]:587 user:secret\n", 0o600)
	main := "smtp_tls_security_level = may\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:" + passwords + "\nsmtp_tls_CAfile = " + publicStore(t, b) + "\n"
	for _, x := range []struct{ relay, to, want string }{
		{"", "[relay.example.net]:587", "h h c"}, {"", "example.com", "f f c"}, {"", "", "f f c"}, {"relayhost = [relay.example.net]:587\n", "", "h h c"},
	} {
		c := b.candidate(t, main+x.relay, sendingMaster)
		r, err := rehearse.Send(context.Background(), c, nil, rehearse.Destination{Domain: x.to}, rehearse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, _, at := r.Table()
		var got []string
		for _, with := range []string{"starttls-cut", "requires-certificate", "stripped"} {
			got = append(got, letter(at[[2]string{with, "may"}]))
		}
		if s := strings.Join(got, " "); s != x.want {
			t.Errorf("%q %q: %s, not %s", x.relay, x.to, s, x.want)
		}
	}
}

// TestMatrixVerdicts: at a level that is not the configured one nothing fails, but
// for what stops the daemon at any.
func TestMatrixVerdicts(t *testing.T) {
	b := newBed(t)
	for _, x := range []struct{ main, at, fails string }{
		{"smtp_tls_security_level = may\n", "", ""},
		{"smtp_tls_security_level = secure\n", "secure", "trusted"},
		{"smtp_tls_security_level = may\nsmtp_tls_note_starttls_offer = maybe\n", "may secure", "trusted no-starttls"},
	} {
		r, err := rehearse.Send(context.Background(), b.candidate(t, x.main, sendingMaster), []string{"may", "secure"}, rehearse.Destination{}, rehearse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		failed := map[[2]string]bool{}
		for _, f := range r.Failures() {
			failed[[2]string{f.With, f.Level}] = true
		}
		for _, level := range []string{"may", "secure"} {
			for _, with := range []string{"trusted", "no-starttls"} {
				want := slices.Contains(strings.Fields(x.at), level) && slices.Contains(strings.Fields(x.fails), with)
				if failed[[2]string{with, level}] != want {
					t.Errorf("%q: %s at %s fails: %v", x.main, with, level, !want)
				}
			}
		}
		if _, _, at := r.Table(); at[[2]string{"trusted", "secure"}].Cause == nil {
			t.Errorf("%q: no cause is given nothing is delivered at secure", x.main)
		}
	}
}

// TestWithoutDNSSEC: where the resolver does not validate, dane protects no more
// than may, and dane-only sends nothing.
func TestWithoutDNSSEC(t *testing.T) {
	b := newBed(t)
	c := b.candidate(t, "smtp_tls_CAfile = "+publicStore(t, b)+"\n", sendingMaster)
	r, err := rehearse.Send(context.Background(), c, []string{"dane", "dane-only"}, rehearse.Destination{}, rehearse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, at := r.Table()
	for with, want := range map[string]string{"dane-right": "e", "dane-wrong": "e", "dane-no-starttls": "c", "stripped": "c"} {
		if got := letter(at[[2]string{with, "dane"}]); got != want {
			t.Errorf("dane, %s: %s", with, got)
		}
		if got := letter(at[[2]string{with, "dane-only"}]); got != "h" {
			t.Errorf("dane-only, %s: %s", with, got)
		}
	}
}

// TestSendBroken: what stops TLS on the way out is caught, though postfix check
// passes it.
func TestSendBroken(t *testing.T) {
	b := newBed(t)
	store := "smtp_tls_CAfile = " + publicStore(t, b) + "\n"
	may := "smtp_tls_security_level = may\n"
	for _, x := range []struct {
		name, main, service string
		got                 rehearse.Outcome // by the server that does everything right
		says, parameter     string
	}{
		{"CA file is not there", may + "smtp_tls_CAfile = /nonexistent/ca.pem\n", "", rehearse.InClear, "cannot be read", "smtp_tls_CAfile"},
		{"the same where TLS is demanded", "smtp_tls_security_level = encrypt\nsmtp_tls_CAfile = /nonexistent/ca.pem\n", "", rehearse.Held, "cannot be read", "smtp_tls_CAfile"},
		{"client certificate is not there", may + store + "smtp_tls_cert_file = /nonexistent/cert.pem\n", "", rehearse.InClear, "cannot be opened", "smtp_tls_cert_file"},
		{"typo in the protocol list", may + store + "smtp_tls_protocols = >=TLS1.2\n", "", rehearse.Held, "is not a list of TLS versions", "smtp_tls_protocols"},
		{"unknown cipher grade", may + store + "smtp_tls_ciphers = strong\n", "", rehearse.Held, "is not a cipher grade", "smtp_tls_ciphers"},
		{"misspelt level", "smtp_tls_security_level = maye\n" + store, "", rehearse.Held, "is not a TLS level", "smtp_tls_security_level"},
		{"the service overrides it", may + store, " -o smtp_tls_security_level=encrypt -o smtp_tls_CAfile=/nonexistent/x", rehearse.Held, "cannot be read", "smtp_tls_CAfile"},
		{"nobody is trusted", "smtp_tls_security_level = secure\n", "", rehearse.Held, "", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := b.candidate(t, x.main, plainMaster+"smtp unix - - n - - smtp"+x.service+"\n")
			r, err := rehearse.Send(context.Background(), c, nil, rehearse.Destination{}, rehearse.Options{})
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(r.Trials, func(t rehearse.Trial) bool { return t.With == "trusted" })
			got := r.Trials[i]
			if got.Verdict != rehearse.Failed || got.Outcome != x.got {
				t.Fatalf("%+v", got)
			}
			leads(t, r)
			switch {
			case x.says == "" && got.Cause.Question != "ca-file":
				t.Errorf("%+v", got.Cause)
			case x.says == "" && len(r.Notes) == 0:
				t.Error("nobody says that there is no CA store")
			case x.says == "":
			case got.Cause == nil || !strings.Contains(got.Cause.Text, x.says) || got.Cause.Parameter != x.parameter:
				t.Errorf("%+v", got.Cause)
			}
		})
	}
}

// TestClientCertificate: with one, a server that demands it takes the mail.
func TestClientCertificate(t *testing.T) {
	b := newBed(t)
	c := b.candidate(t, "smtp_tls_security_level = encrypt\nsmtp_tls_chain_files = "+b.ec+"\nsmtp_tls_CAfile = "+publicStore(t, b)+"\n", sendingMaster)
	r, err := rehearse.Send(context.Background(), c, nil, rehearse.Destination{}, rehearse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, at := r.Table()
	if got := at[[2]string{"requires-certificate", "encrypt"}]; got.Outcome != rehearse.Encrypted {
		t.Errorf("%+v", got)
	}
}

// TestDestination: an entry of the policy map is played for the domain it is for.
func TestDestination(t *testing.T) {
	b := newBed(t)
	c := b.candidate(t, "smtp_tls_security_level = may\nsmtp_tls_CAfile = "+publicStore(t, b)+"\n", sendingMaster)
	for policy, want := range map[string]string{
		"secure match=.example.com:example.net": "v h",
		"secure match=mail.example.net":         "v h",
		"secure":                                "v h",
		"encrypt":                               "e h",
		"may":                                   "e c",
	} {
		r, err := rehearse.Send(context.Background(), c, nil, rehearse.Destination{Domain: "example.com", Policy: policy}, rehearse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, levels, at := r.Table()
		got := fmt.Sprintf("%s %s", letter(at[[2]string{"trusted", levels[0]}]), letter(at[[2]string{"stripped", levels[0]}]))
		if got != want {
			t.Errorf("%q: %s, not %s: %+v", policy, got, want, at[[2]string{"trusted", levels[0]}])
		}
		t.Log(policy, r.Took)
	}
}

// TestBadPolicy: what is wrong with an entry of the policy map is said of the entry.
func TestBadPolicy(t *testing.T) {
	b := newBed(t)
	c := b.candidate(t, "smtp_tls_security_level = may\nsmtp_tls_CAfile = "+publicStore(t, b)+"\n", sendingMaster)
	for policy, says := range map[string]string{
		"secured":                "is not a TLS level",
		"secure mach=x":          "the entry is invalid",
		"secure match":           "the entry is invalid",
		"may protocols=>=TLS1.2": "is not a list of TLS versions",
		"encrypt ciphers=strong": "is not a cipher grade",
	} {
		r, err := rehearse.Send(context.Background(), c, nil, rehearse.Destination{Domain: "example.com", Policy: policy}, rehearse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := r.Trials[slices.IndexFunc(r.Trials, func(t rehearse.Trial) bool { return t.With == "trusted" })]
		if x := got.Cause; got.Verdict != rehearse.Failed || x == nil || !strings.Contains(x.Text, says) || x.Parameter != "smtp_tls_policy_maps" || !strings.Contains(x.Origin, policy) || x.Question != "" {
			t.Errorf("%s: %+v %+v", policy, got, x)
		}
	}
}

// TestPinned: a policy that pins a key is played with a key.
func TestPinned(t *testing.T) {
	b := newBed(t)
	c := b.candidate(t, "smtp_tls_security_level = may\n", sendingMaster)
	r, err := rehearse.Send(context.Background(), c, nil, rehearse.Destination{Domain: "example.com", Policy: "fingerprint match=AA:BB:CC match=DD"}, rehearse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, at := r.Table()
	if got := letter(at[[2]string{"trusted", "fingerprint"}]) + letter(at[[2]string{"self-signed", "fingerprint"}]); got != "vh" || len(r.Failures()) > 0 {
		t.Errorf("%s %+v", got, r.Failures())
	}
}

// TestDaneOnly: where no answer is validated, dane-only sends nothing, and that is
// a failure.
func TestDaneOnly(t *testing.T) {
	b := newBed(t)
	for validates, failures := range map[bool]int{true: 0, false: 1} {
		c := b.candidate(t, "smtp_tls_security_level = dane-only\nsmtp_dns_support_level = dnssec\n", sendingMaster)
		c.Validates = validates
		r, err := rehearse.Send(context.Background(), c, nil, rehearse.Destination{}, rehearse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if f := r.Failures(); len(f) != failures || failures > 0 && f[0].Cause.Question != "outbound-level" {
			t.Errorf("validates %v: %+v", validates, f)
		}
	}
}

// TestFamiliesAtDane: at dane, a real Postfix takes the settings for mandatory TLS for a
// server with TLSA records, and the others for a server without any. The report card relies
// on that.
func TestFamiliesAtDane(t *testing.T) {
	b := newBed(t)
	for broken, held := range map[string]string{"smtp_tls_mandatory_protocols": "dane-right", "smtp_tls_protocols": "trusted"} {
		c := b.candidate(t, "smtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec\n"+broken+" = >=TLS1.2\n", sendingMaster)
		c.Validates = true
		r, err := rehearse.Send(context.Background(), c, []string{"dane"}, rehearse.Destination{}, rehearse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, _, at := r.Table()
		for _, with := range []string{"dane-right", "trusted"} {
			x := at[[2]string{with, "dane"}]
			if (x.Outcome == rehearse.Held || x.Clear != "") != (with == held) {
				t.Errorf("%s is broken, and to %s: %s", broken, with, x.Got)
			}
		}
	}
}

// TestPort53Taken: a DNS server on all addresses that shares its port with nobody
// does not keep anybody from rehearsing.
func TestPort53Taken(t *testing.T) {
	c, err := net.ListenPacket("udp4", "0.0.0.0:53")
	if err != nil {
		t.Skipf("another one has it: %v", err)
	}
	defer func() { _ = c.Close() }()
	b := newBed(t)
	r, err := rehearse.Run(context.Background(), b.candidate(t, "smtp_tls_security_level = may\nsmtp_tls_CAfile = "+publicStore(t, b)+"\n", sendingMaster), rehearse.Options{})
	if err != nil || len(r.Missing) > 0 || len(r.Failures()) > 0 {
		t.Errorf("%v %+v", err, r)
	}
}

// TestOtherServices: a service with settings of its own is tried by itself.
func TestOtherServices(t *testing.T) {
	b := newBed(t)
	c := b.candidate(t, "smtp_tls_security_level = may\nsmtp_tls_CAfile = "+publicStore(t, b)+"\n", sendingMaster+
		"relay unix - - n - - smtp -o syslog_name=postfix/relay\n"+
		"relay2 unix - - n - - smtp -o smtp_tls_security_level=encrypt -o smtp_tls_CAfile=/nonexistent\n"+
		"relay3 unix - - n - - smtp -o smtp_tls_security_level=secure\n")
	r, err := rehearse.Run(context.Background(), c, rehearse.Options{})
	if err != nil || len(r.Missing) > 0 {
		t.Fatalf("%v %+v", err, r)
	}
	got := map[string]int{}
	for _, x := range r.Trials {
		if x.Direction == "sending" {
			got[x.Service]++
		}
	}
	if got["relay/unix"] != 0 || got["relay2/unix"] != 2 || got["relay3/unix"] != 2 {
		t.Errorf("%v", got)
	}
	leads(t, r)
	for _, f := range r.Failures() {
		if f.Service != "relay2/unix" || f.Cause.Parameter != "smtp_tls_CAfile" {
			t.Errorf("%+v %+v", f, f.Cause)
		}
	}
	if len(r.Failures()) == 0 {
		t.Error("relay2 reads no CA file, and nobody says so")
	}
}

// TestManyServices: none is left out, however many there are.
func TestManyServices(t *testing.T) {
	b := newBed(t)
	master := sendingMaster
	levels := []string{"none", "encrypt", "dane", "dane-only", "verify", "secure"}
	for _, level := range levels {
		master += level + " unix - - n - - smtp -o smtp_tls_security_level=" + level + "\n"
	}
	r, err := rehearse.Run(context.Background(), b.candidate(t, "smtp_tls_security_level = may\nsmtp_tls_CAfile = "+publicStore(t, b)+"\n", master), rehearse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range levels {
		if !slices.ContainsFunc(r.Trials, func(x rehearse.Trial) bool { return x.Service == level+"/unix" && x.Level == level }) {
			t.Errorf("%s/unix was not tried: %v", level, r.Notes)
		}
	}
}

// TestInterrupted: who is interrupted says so, and not what broke by that.
func TestInterrupted(t *testing.T) {
	b := newBed(t)
	c := b.candidate(t, "", plainMaster+"smtp unix - - n - - smtp\n")
	for _, after := range []time.Duration{0, 20 * time.Millisecond, 80 * time.Millisecond, 160 * time.Millisecond} {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(after, cancel)
		_, err := rehearse.Send(ctx, c, rehearse.Levels, rehearse.Destination{}, rehearse.Options{})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

// TestGap: a client that leaves a version out between others speaks no newer one, and the
// rehearsal says so.
func TestGap(t *testing.T) {
	b := newBed(t)
	for _, x := range []struct{ main, parameter string }{
		{"smtp_tls_security_level = may\nsmtp_tls_protocols = !SSLv2, !SSLv3, !TLSv1.1\n", "smtp_tls_protocols"},
		{"smtp_tls_security_level = encrypt\nsmtp_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1.2\n", "smtp_tls_mandatory_protocols"},
		{"smtp_tls_security_level = may\n", ""},
	} {
		r, err := rehearse.Send(context.Background(), b.candidate(t, x.main, sendingMaster), nil, rehearse.Destination{}, rehearse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(r.Trials, func(t rehearse.Trial) bool { return t.With == "tls13-only" })
		got := r.Trials[i]
		if failed := got.Verdict == rehearse.Failed; failed != (x.parameter != "") {
			t.Fatalf("%s: %+v", x.main, got)
		}
		if x.parameter != "" && (got.Cause == nil || got.Cause.Parameter != x.parameter) {
			t.Errorf("%s: %+v", x.main, got.Cause)
		}
	}
}

// TestMissing: half a rehearsal is not called a whole one.
func TestMissing(t *testing.T) {
	b := newBed(t)
	c := b.candidate(t, "smtp_tls_security_level = secure\nsmtp_tls_secure_cert_match = münchen.example\n", plainMaster+"smtp unix - - n - - smtp\n")
	r, err := rehearse.Run(context.Background(), c, rehearse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	report.Printer{W: &text}.Rehearsed(r)
	if len(r.Failures()) > 0 || len(r.Missing) != 1 || !strings.Contains(text.String(), "sending was not rehearsed") {
		t.Errorf("%+v\n%s", r.Missing, text.String())
	}
}

// TestNoSender: an smtp that would not start is a failure, and a program that
// is no smtp is not played as if it were.
func TestNoSender(t *testing.T) {
	b := newBed(t)
	for entry, fails := range map[string]int{"smtp -o smtp_tls_security_level = encrypt": 1, "smtp -o": 1, "lmtp": 0, "discard": 0} {
		c := b.candidate(t, "", plainMaster+"smtp unix - - n - - "+entry+"\n")
		r, err := rehearse.Run(context.Background(), c, rehearse.Options{})
		if err != nil {
			t.Fatal(err)
		}
		sent := 0
		for _, x := range r.Trials {
			if x.Direction == "sending" {
				sent++
			}
		}
		leads(t, r)
		if len(r.Failures()) != fails || sent != fails {
			t.Errorf("%s: %d sent, %+v", entry, sent, r.Failures())
		}
	}
}
