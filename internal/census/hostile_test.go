package census_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/census"
)

// TestForged: what a sender or a server can write into a line makes no peer.
func TestForged(t *testing.T) {
	for _, l := range []string{
		// A recipient in quotes, and one of an older Postfix, which logs it without them.
		`smtp[1]: 4ABCDE12345: to=<"x>, relay=evil.example[192.0.2.9]:25, delay=1, delays=1/1/1/1, dsn=2.0.0, status=sent (ok) "@d.example>, relay=none, delay=1, delays=0/0/0/0, dsn=4.4.1, status=deferred (timed out)`,
		`smtp[1]: 4ABCDE12345: to=<x@evil.example>, relay=evil.example[192.0.2.9]:25, delay=1, delays=1/1/1/1, dsn=2.0.0, status=sent (ok)@d.example>, relay=none, delay=1, delays=0/0/0/0, dsn=4.4.1, status=deferred (timed out)`,
		`smtp[1]: 4ABCDE12345: host evil.example[192.0.2.9] said: 450 4ABCDE12345: to=<x@y.example>, relay=evil.example[192.0.2.9]:25, dsn=2.0.0, status=sent (ok) (in reply to RCPT TO command)`,
		`smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 554 5.7.1 <x>: Helo command rejected; helo=<Anonymous TLS connection established from evil.example[192.0.2.9]: ` + tls10 + `>`,
		`smtpd[1]: warning: hostname evil.example: connect from evil.example[192.0.2.9]`,
		`smtpd[1]: connect from evil example[192.0.2.9]`,
		`smtpd[1]: connect from evil.example[192.0.2.9`,
		"smtpd[1]: connect from \x1b]0;owned\x07[192.0.2.9]",
		`smtpd[1]: Anonymous TLS connection established from evil.example[192.0.2.9]: TLSv9 with everything`,
		`smtpd[1]: Anonymous TLS connection established from evil.example[192.0.2.9]: ` + tls10 + " \x1b[2J",
		`xsmtpd[1]: connect from evil.example[192.0.2.9]`,
		`smtpd[x]: connect from evil.example[192.0.2.9]`,
		`smtpd[1]: ABCDE12: client=evil.example [192.0.2.9]`,
	} {
		c := of(log(l))
		if n := len(c.Inbound.Peers); n > 0 {
			t.Errorf("%s: %+v", l, c.Inbound.Peers)
		}
		for _, p := range c.Outbound.Peers {
			if p.Name != "d.example" || p.Messages > 0 || p.MX != "" {
				t.Errorf("%s: %+v", l, p)
			}
		}
	}
	for _, l := range []string{
		"Nov 30 04:00:00 mx dovecot: postfix/smtpd[1]: connect from evil.example[192.0.2.9]",
		"Nov 30 04:00:00 mx sshd[9]: Invalid user postfix/smtpd[1]: connect from evil.example[192.0.2.9]",
		"Nov 30 04:00:00 mx postfixes/smtpd[1]: connect from evil.example[192.0.2.9]",
		"Nov 30 04:00:00 mx mail.x[1]: postfix/smtpd[1]: connect from evil.example[192.0.2.9]",
		"Nov 30 04:99:00 mx postfix/smtpd[1]: connect from evil.example[192.0.2.9]",
		"postfix/smtpd[1]: connect from evil.example[192.0.2.9]",
	} {
		// Also behind a line whose parts stand where those of this one would.
		c := of("Nov 30 04:00:00 mx postfix/qmgr[1]: x\n" + l + "\n")
		if len(c.Inbound.Peers) > 0 {
			t.Errorf("%s: %+v", l, c.Inbound.Peers)
		}
	}
}

// TestForms: the same lines, as different systems and containers write them.
func TestForms(t *testing.T) {
	const a, b = "postfix/smtpd[1]: connect from a.example[192.0.2.1]", "postfix/smtpd[1]: 4ABCDE12345: client=a.example[192.0.2.1]"
	for name, form := range map[string]string{
		"RFC 3164":    "Nov 30 04:00:00 mx %s",
		"RFC 5424":    "2026-11-30T04:00:00.123456+00:00 mx %s",
		"UTC":         "2026-11-30T04:00:00Z mx %s",
		"east":        "2026-11-30T06:00:00+02:00 mx %s",
		"FreeBSD":     "Nov 30 04:00:00 mx <mail.info> %s",
		"BusyBox":     "Nov 30 04:00:00 mx mail.info %s",
		"docker logs": "2026-11-30T04:00:00.123456789Z Nov 30 04:00:00 mx %s",
		"CRI":         "2026-11-30T04:00:00.123456789Z stdout F Nov 30 04:00:00 mx %s",
		"compose":     "mail-1  | Nov 30 04:00:00 mx %s",
		"json-file":   `{"log":"Nov 30 04:00:00 mx %s\n","stream":"stdout","time":"2026-11-30T04:00:00.1Z"}`,
		"CRLF":        "Nov 30 04:00:00 mx %s\r",
	} {
		c := of(fmt.Sprintf(form+"\n"+form+"\n", a, b))
		want := map[string]string{"a.example[192.0.2.1]": "1/1 clear 1/1"}
		if d := cmp.Diff(want, peers(c)); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
		if got := c.First.Format("2006-01-02 15:04:05"); got != "2026-11-30 04:00:00" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// FuzzScan: whatever a log has, a peer has a name and an address that Postfix could have
// written, its numbers add up, and the log can be cut anywhere.
func FuzzScan(f *testing.F) {
	f.Add([]byte(log(day...)), uint16(300))
	f.Add([]byte("2026-11-30T04:00:00Z mx postfix/a/smtpd[1]: connect from \x1b[2J[1.2.3.4]\n"), uint16(1))
	f.Add([]byte(`{"log":"Nov 30 04:00:00 mx postfix/smtp[1]: 4ABCDE12345: to=<a@b>, relay=c[1]:2, status=sent (x)\n"}`), uint16(9))
	f.Fuzz(func(t *testing.T, text []byte, cut uint16) {
		c := census.Of(text, []string{"postfix"}, now)
		if d := cmp.Diff(c, census.Of(text, []string{"postfix"}, now, min(int(cut), len(text)))); d != "" {
			t.Errorf("cut at %d (-whole +parts)\n%s", cut, d)
		}
		for _, p := range c.Inbound.Peers {
			if p.Name == "" || p.Address == "" || strings.ContainsFunc(p.Name+p.Address, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
				t.Errorf("%+v", p)
			}
		}
		for _, p := range c.Outbound.Peers {
			if !utf8.ValidString(p.MX) || strings.ContainsAny(p.Name, "<>\", ") {
				t.Errorf("%+v", p)
			}
		}
		if c.Lines > bytes.Count(text, []byte("\n")) {
			t.Errorf("%d lines", c.Lines)
		}
	})
}
