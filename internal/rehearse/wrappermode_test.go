package rehearse_test

import (
	"context"
	"net"
	"net/smtp"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/rehearse"
	"postseal/internal/sink"
)

var status = regexp.MustCompile(`status=(sent|deferred|bounced)`)

// TestWrapperModeOfPostfix: what a real Postfix does about wrapper mode, which
// the rules, the questions and the rehearsal rely on.
func TestWrapperModeOfPostfix(t *testing.T) {
	lab.NeedRoot(t)
	ids, err := sink.NewIdentities("mx.example.org")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name, addr, main string
		implicit         bool
		want, log        string
	}{
		{"wrapper mode and encrypt", "127.46.5.1:465", "smtp_tls_wrappermode = yes\nsmtp_tls_security_level = encrypt\n", true, "sent", "TLS connection established"},
		{"wrapper mode and may", "127.46.5.2:465", "smtp_tls_wrappermode = yes\nsmtp_tls_security_level = may\n", true, "deferred", `smtp_tls_wrappermode requires "smtp_tls_security_level = encrypt" (or stronger)`},
		{"wrapper mode and none", "127.46.5.3:465", "smtp_tls_wrappermode = yes\n", true, "deferred", `smtp_tls_wrappermode requires "smtp_tls_security_level = encrypt" (or stronger)`},
		{"wrapper mode and dane", "127.46.5.4:465", "smtp_tls_wrappermode = yes\nsmtp_tls_security_level = dane\n", true, "deferred", `smtp_tls_wrappermode requires "smtp_tls_security_level = encrypt" (or stronger)`},
		{"a policy raises the level", "127.46.5.5:465", "smtp_tls_wrappermode = yes\nsmtp_tls_security_level = may\nsmtp_tls_policy_maps = inline:{ { [127.46.5.5]:465 = encrypt } }\n", true, "sent", "TLS connection established"},
		{"a policy lowers the level", "127.46.5.6:465", "smtp_tls_wrappermode = yes\nsmtp_tls_security_level = encrypt\nsmtp_tls_policy_maps = inline:{ { [127.46.5.6]:465 = may } }\n", true, "deferred", `smtp_tls_wrappermode requires "smtp_tls_security_level = encrypt" (or stronger)`},
		{"port 465 without wrapper mode", "127.46.5.7:465", "smtp_tls_security_level = encrypt\n", true, "deferred", `SMTPS wrappermode (TCP port 465) requires setting "smtp_tls_wrappermode = yes"`},
		{"port 465 at may without wrapper mode", "127.46.5.8:465", "smtp_tls_security_level = may\n", true, "deferred", `SMTPS wrappermode (TCP port 465) requires setting "smtp_tls_wrappermode = yes"`},
		{"wrapper mode to port 25", "127.46.5.9:25", "smtp_tls_wrappermode = yes\nsmtp_tls_security_level = encrypt\n", false, "deferred", "SSL_connect error"},
		{"wrapper mode to port 587", "127.46.5.10:587", "smtp_tls_wrappermode = yes\nsmtp_tls_security_level = encrypt\n", false, "deferred", "SSL_connect error"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", x.addr)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := sink.Named("trusted")
			ended := make(chan struct{})
			ctx, cancel := context.WithCancel(context.Background())
			t.Cleanup(func() { cancel(); <-ended })
			go func() {
				defer close(ended)
				_ = (&sink.Server{Behaviour: b, Host: "mx.example.org", Implicit: x.implicit, Identities: ids}).Serve(ctx, l)
			}()
			s := lab.Sender(t, x.addr, x.main+"smtp_helo_timeout = 2s\nsmtp_tls_loglevel = 1\n")
			if err := smtp.SendMail(s.Addrs[0], nil, "a@example.org", []string{"b@example.com"}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
				t.Fatal(err)
			}
			var log []byte
			for end := time.Now().Add(30 * time.Second); !status.Match(log) && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				if log, err = os.ReadFile(s.LogPath()); err != nil {
					t.Fatal(err)
				}
			}
			if got := status.FindString(string(log)); got != "status="+x.want || !strings.Contains(string(log), x.log) {
				t.Errorf("%q, not %q; the log:\n%s", got, x.want, log)
			}
		})
	}
}

// TestWrapperMode: a service in wrapper mode is rehearsed in it. Below encrypt
// nothing is delivered; where a policy may raise the level, or the rehearsal does
// without wrapper mode, it says so.
func TestWrapperMode(t *testing.T) {
	b := newBed(t)
	store := "smtp_tls_CAfile = " + publicStore(t, b) + "\n"
	const wrapper = "relayhost = [relay.example.net]:465\nsmtp_tls_wrappermode = yes\n"
	for _, x := range []struct {
		name, main, master string
		failed             string // servers
		trusted            string // as the truth table has it; a server that does all right
		note               string
	}{
		{"encrypt", wrapper + "smtp_tls_security_level = encrypt\n", "", "", "e", "implicit TLS"},
		{"secure", wrapper + "smtp_tls_security_level = secure\n", "", "", "v", "implicit TLS"},
		{"dane", wrapper + "smtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec\n", "", "", "h", "implicit TLS"},
		{"may", wrapper + "smtp_tls_security_level = may\n", "", "trusted", "h", "implicit TLS"},
		{"none", wrapper, "", "trusted", "h", "implicit TLS"},
		{"of the service alone", "smtp_tls_security_level = may\n", " -o smtp_tls_wrappermode=yes", "trusted", "h", "implicit TLS"},
		{"a policy that nobody asks", wrapper + "smtp_tls_security_level = may\nsmtp_tls_policy_maps = static:encrypt\n", "", "", "e", "smtp_tls_wrappermode is replaced"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			own := *b
			own.dir = b.dir + "/" + strings.ReplaceAll(x.name, " ", "-")
			c := own.candidate(t, x.main+store, plainMaster+"smtp unix - - n - - smtp"+x.master+"\n")
			c.Validates = true
			r, err := rehearse.Send(context.Background(), c, nil, rehearse.Destination{}, rehearse.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var failed []string
			for _, f := range r.Failures() {
				failed = append(failed, f.With)
				if f.With == "trusted" && (f.Cause == nil || !strings.HasPrefix(f.Cause.Text, "smtp_tls_wrappermode requires level encrypt") || f.Cause.Question != "outbound-level") {
					t.Errorf("the cause: %+v", f.Cause)
				}
			}
			for _, trial := range r.Trials {
				if trial.With == "trusted" && letter(trial) != x.trusted {
					t.Errorf("%s, not %s: %+v", letter(trial), x.trusted, trial)
				}
				if x.failed != "" && trial.With == "no-starttls" && !strings.Contains(trial.Got, "requires level encrypt") {
					t.Errorf("nobody says why: %s", trial.Got)
				}
				if trial.With == "stripped" && !strings.Contains(x.note, "replaced") {
					t.Error("there is no offer of TLS to take out")
				}
			}
			if got := strings.Join(failed, " "); got != x.failed {
				t.Errorf("%q fail, not %q", got, x.failed)
			}
			if !strings.Contains(strings.Join(r.Notes, "\n"), x.note) {
				t.Errorf("%q", r.Notes)
			}
		})
	}
}
