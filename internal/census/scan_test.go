package census_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postseal/internal/census"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

const (
	tls13 = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256"
	tls10 = "TLSv1 with cipher ECDHE-RSA-AES256-SHA (256/256 bits)"
)

// line is one line of a log with a stamp that grows by a second.
func log(lines ...string) string {
	var b strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&b, "Nov 30 04:%02d:%02d mx postfix/%s\n", i/60, i%60, l)
	}
	return b.String()
}

func of(text string, cuts ...int) *census.Census {
	return census.Of([]byte(text), []string{"postfix"}, now, cuts...)
}

var day = []string{
	"smtpd[1]: connect from a.example[192.0.2.1]",
	"smtpd[1]: Anonymous TLS connection established from a.example[192.0.2.1]: " + tls13,
	"smtpd[2]: connect from old.example[192.0.2.2]",
	"smtpd[1]: 4ABCDE12345: client=a.example[192.0.2.1]",
	"smtpd[2]: Untrusted TLS connection established from old.example[192.0.2.2] to mx.example.org: " + tls10,
	"smtpd[2]: 4ABCDE12346: client=old.example[192.0.2.2]",
	"smtpd[1]: disconnect from a.example[192.0.2.1] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7",
	"smtpd[1]: connect from clear.example[2001:db8::3]",
	"smtpd[1]: 4ABCDE12347: client=clear.example[2001:db8::3]",
	"smtpd[2]: disconnect from old.example[192.0.2.2] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7",
	"smtpd[1]: disconnect from clear.example[2001:db8::3] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
	"smtpd[3]: connect from bad.example[192.0.2.4]",
	"smtpd[3]: SSL_accept error from bad.example[192.0.2.4]: -1",
	"smtpd[3]: warning: TLS library problem: error:0A000102:SSL routines::unsupported protocol:../ssl/statem/statem_srvr.c:1657:",
	"smtpd[3]: lost connection after STARTTLS from bad.example[192.0.2.4]",
	"smtpd[3]: disconnect from bad.example[192.0.2.4] ehlo=1 starttls=0/1 commands=1/2",
	"smtpd[3]: connect from localhost[127.0.0.1]",
	"smtpd[3]: Anonymous TLS connection established from localhost[127.0.0.1]: " + tls10,
	"smtpd[3]: disconnect from localhost[127.0.0.1] ehlo=2 starttls=1 quit=1 commands=4",
	"submission/smtpd[4]: connect from user.example[192.0.2.5]",
	"submission/smtpd[4]: Anonymous TLS connection established from user.example[192.0.2.5]: " + tls13,
	"submission/smtpd[4]: 4ABCDE12348: client=user.example[192.0.2.5], sasl_method=PLAIN, sasl_username=u",
	"submission/smtpd[4]: disconnect from user.example[192.0.2.5] ehlo=2 starttls=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=8",
	"smtp[5]: Trusted TLS connection established to mx.dest.example[198.51.100.1]:25: " + tls13,
	"smtp[5]: 4ABCDE12348: to=<one@dest.example>, relay=mx.dest.example[198.51.100.1]:25, delay=1, delays=0.1/0/0.5/0.4, dsn=2.0.0, status=sent (250 ok)",
	"smtp[5]: 4ABCDE12348: to=<two@dest.example>, relay=mx.dest.example[198.51.100.1]:25, delay=1, delays=0.1/0/0.5/0.4, dsn=2.0.0, status=sent (250 ok)",
	"smtp[5]: 4ABCDE12349: to=<three@dest.example>, relay=mx.dest.example[198.51.100.1]:25, delay=1, delays=0.1/0/0.5/0.4, dsn=2.0.0, status=sent (250 ok)",
	"smtp[6]: SSL_connect error to mx.half.example[198.51.100.2]:25: -1",
	"smtp[6]: warning: TLS library problem: error:0A000102:SSL routines::unsupported protocol:../ssl/statem/statem_lib.c:2046:",
	"smtp[6]: 4ABCDE1234A: to=<x@half.example>, relay=mx.half.example[198.51.100.2]:25, delay=1, delays=0.1/0/0.5/0.4, dsn=4.7.5, status=deferred (Cannot start TLS: handshake failure)",
	"smtp[6]: 4ABCDE1234A: Cannot start TLS: handshake failure",
	"smtp[6]: 4ABCDE1234A: to=<x@half.example>, relay=mx.half.example[198.51.100.2]:25, delay=300, delays=0.1/0/0.5/0.4, dsn=2.0.0, status=sent (250 ok)",
	"smtp[6]: 4ABCDE1234B: to=<x@never.example>, relay=mx.never.example[198.51.100.3]:25, delay=1, delays=0.1/0/0.5/0.4, dsn=4.7.4, status=deferred (TLS is required, but was not offered by host mx.never.example[198.51.100.3])",
}

// peers maps each peer to what counts of it, in words.
func peers(c *census.Census) map[string]string {
	out := map[string]string{}
	for _, p := range slices.Concat(c.Inbound.Peers, c.Outbound.Peers) {
		words := fmt.Sprintf("%d/%d clear %d/%d", p.Sessions, p.Messages, p.CleartextSessions.N, p.CleartextMessages.N)
		for _, u := range p.TLS {
			words += fmt.Sprintf(" %s %d/%d", u.Protocol, u.Sessions, u.Messages)
		}
		for _, f := range p.Failures {
			words += fmt.Sprintf(" failed %s %d", f.Reason, f.Count)
		}
		for _, f := range p.Deferred {
			words += fmt.Sprintf(" deferred %s %d", f.Reason, f.Count)
		}
		if p.After != "" {
			words += " then " + string(p.After)
		}
		name := p.Name + "[" + p.Address + "]"
		if p.Service != "" {
			name = p.Service + " " + name
		}
		out[name] = words
	}
	return out
}

func TestScan(t *testing.T) {
	c := of(log(day...))
	want := map[string]string{
		"a.example[192.0.2.1]":               "1/1 clear 0/0 TLSv1.3 1/1",
		"old.example[192.0.2.2]":             "1/1 clear 0/0 TLSv1 1/1",
		"clear.example[2001:db8::3]":         "1/1 clear 1/1",
		"bad.example[192.0.2.4]":             "1/0 clear 0/0 failed unsupported protocol 1 then never",
		"submission user.example[192.0.2.5]": "1/1 clear 0/0 TLSv1.3 1/1",
		"dest.example[198.51.100.1]":         "2/2 clear 1/1 TLSv1.3 1/1",
		"half.example[198.51.100.2]":         "1/1 clear 1/1 failed unsupported protocol 1 deferred handshake failure 1 then cleartext",
		"never.example[198.51.100.3]":        "0/0 clear 0/0 deferred TLS not offered 1 then never",
	}
	if d := cmp.Diff(want, peers(c)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if c.LeftOut != 1 || c.Unreadable != 0 || c.Lines != len(day) || !c.Inbound.Logged || c.Inbound.Sessions != 5 || c.Inbound.CleartextMessages != (census.Count{N: 1, Known: true}) {
		t.Errorf("%+v", c)
	}
}

// TestUnlogged: without summary lines, versions are not known, and for outgoing mail
// nothing is.
func TestUnlogged(t *testing.T) {
	silent := slices.DeleteFunc(slices.Clone(day), func(l string) bool { return strings.Contains(l, "TLS connection established") })
	c := of(log(silent...))
	if c.Inbound.Logged || c.Outbound.Logged || c.Outbound.CleartextMessages.Known || c.Outbound.Messages != 3 {
		t.Errorf("%+v", c.Outbound)
	}
	if got := peers(c)["a.example[192.0.2.1]"]; got != "1/1 clear 0/0 not logged 1/1" {
		t.Error(got)
	}
	if c.Inbound.CleartextMessages != (census.Count{N: 1, Known: true}) {
		t.Errorf("%+v", c.Inbound.CleartextMessages)
	}
	with := strings.ReplaceAll(log(silent...), ", dsn=2", ", tls=may:none, dsn=2")
	if c := of(with); c.Outbound.CleartextMessages != (census.Count{N: 3, Known: true}) {
		t.Errorf("%+v", c.Outbound.CleartextMessages)
	}
}

// TestLevelRaised: mail from before the first handshake that was logged may have gone in
// TLS, and so may the sessions of a service that begins with TLS.
func TestLevelRaised(t *testing.T) {
	to := func(pid int, domain string) string {
		return fmt.Sprintf("smtp[%d]: 4ABCDE12345: to=<u@%s.example>, relay=mx.%s.example[198.51.100.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)", pid, domain, domain)
	}
	visit := func(pid int, service, name string) []string {
		peer := name + ".example[192.0.2.1]"
		return []string{
			fmt.Sprintf("%ssmtpd[%d]: connect from %s", service, pid, peer), fmt.Sprintf("%ssmtpd[%d]: 4ABCDE12345: client=%s", service, pid, peer),
			fmt.Sprintf("%ssmtpd[%d]: disconnect from %s ehlo=1 mail=1 rcpt=1 data=1 quit=1", service, pid, peer),
		}
	}
	lines := slices.Concat([]string{to(1, "early"), to(1, "both"), "smtp[3]: SSL_connect error to mx.failed.example[198.51.100.1]:25: -1", to(3, "failed"), to(4, "failed")},
		visit(6, "", "plain"), visit(7, "465/", "unlabelled"), visit(7, "submission/", "user"), visit(7, "smtps/", "printer"),
		[]string{"smtp[2]: Trusted TLS connection established to mx.new.example[198.51.100.1]:25: " + tls13, to(2, "new"), to(1, "late"), to(1, "both")},
		[]string{"smtpd[6]: connect from new.example[192.0.2.1]", "smtpd[6]: Anonymous TLS connection established from new.example[192.0.2.1]: " + tls13, "smtpd[6]: disconnect from new.example[192.0.2.1] starttls=1"},
		visit(7, "465/", "known"))
	c := of(log(lines...))
	got := map[string]string{}
	for _, p := range slices.Concat(c.Inbound.Peers, c.Outbound.Peers) {
		got[p.Name] = fmt.Sprintf("%d clear %v unknown %d %s", p.Messages, p.CleartextMessages, p.Unknown.Messages, p.After)
	}
	want := map[string]string{
		"early.example": "1 clear {0 false} unknown 1 ", "both.example": "2 clear {1 true} unknown 1 ", "failed.example": "2 clear {0 false} unknown 2 unknown",
		"late.example": "1 clear {1 true} unknown 0 ", "plain.example": "1 clear {1 true} unknown 0 ",
		"unlabelled.example": "1 clear {0 false} unknown 1 ", "user.example": "1 clear {1 true} unknown 0 ", "printer.example": "1 clear {0 true} unknown 0 ",
		"known.example": "1 clear {1 true} unknown 0 ", "new.example": "1 clear {0 true} unknown 0 ", // as a destination
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if c.Outbound.Unknown != (census.Volume{Sessions: 4, Messages: 4}) || c.Outbound.CleartextMessages != (census.Count{N: 2, Known: true}) {
		t.Errorf("%+v %+v", c.Outbound.Unknown, c.Outbound.CleartextMessages)
	}
	for _, a := range c.Affected(census.Proposal{OutboundLevel: "encrypt"}) {
		if a.Name == "early.example" && a.Certainty != census.Unknown {
			t.Errorf("%+v", a)
		}
	}
	// The name of a service of its own tells as much as a label does.
	text := strings.ReplaceAll(log(visit(1, "smtps/", "printer")...)+log(visit(1, "relay/", "any")...), "postfix/", "")
	text += strings.ReplaceAll(log(visit(1, "", "second")...), "postfix/", "postfix-out/")
	named := census.Of([]byte(text), []string{"postfix", "smtps", "relay", "postfix-out"}, now).Inbound
	if named.CleartextMessages != (census.Count{N: 1, Known: true}) || named.Unknown.Messages != 1 || named.Protocols[census.Unlogged].Messages != 1 {
		t.Errorf("%+v", named)
	}
}

// TestCuts: wherever a log is cut, the tallies of its parts add up to that of the whole.
// The lines are any, also such as no Postfix writes.
func TestCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.Custom(anyLine), 0, 60).Draw(t, "lines")
		text := log(lines...)
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(text)), 1, 6).Draw(t, "cuts")
		slices.Sort(cuts)
		if d := cmp.Diff(of(text), of(text, cuts...)); d != "" {
			t.Fatalf("cut at %v (-whole +parts)\n%s", cuts, d)
		}
	})
}

func anyLine(t *rapid.T) string {
	pid := rapid.IntRange(1, 3).Draw(t, "pid")
	n := rapid.IntRange(1, 2).Draw(t, "peer")
	q := rapid.IntRange(1, 2).Draw(t, "queue id")
	version := rapid.SampledFrom([]string{tls10, tls13}).Draw(t, "version")
	problem := "warning: TLS library problem: error:0A000102:SSL routines::" + rapid.SampledFrom([]string{"unsupported protocol", "no shared cipher"}).Draw(t, "reason") + ":../ssl/x.c:1:"
	if rapid.Bool().Draw(t, "receiving") {
		peer := fmt.Sprintf("c%d.example[192.0.2.%d]", n, n)
		service := rapid.SampledFrom([]string{"", "", "submission/", "465/"}).Draw(t, "service")
		return fmt.Sprintf("%ssmtpd[%d]: ", service, pid) + rapid.SampledFrom([]string{
			"connect from " + peer, "disconnect from " + peer + " ehlo=1 starttls=1/2 mail=1", "disconnect from " + peer,
			"Anonymous TLS connection established from " + peer + ": " + version, "SSL_accept error from " + peer + ": -1",
			fmt.Sprintf("4ABCDE%d: client=%s", q, peer), fmt.Sprintf("4ABCDE%d: client=%s, sasl_method=PLAIN", q, peer), problem,
			"lost connection after STARTTLS from " + peer,
		}).Draw(t, "line")
	}
	relay := fmt.Sprintf("mx.example[198.51.100.%d]:25", n)
	to := fmt.Sprintf("4ABCDE%d: to=<u@d%d.example>, relay=%s, delay=1, delays=0/0/0/1, dsn=2.0.0, status=", q, rapid.IntRange(1, 2).Draw(t, "domain"), relay)
	return fmt.Sprintf("smtp[%d]: ", pid) + rapid.SampledFrom([]string{
		"Trusted TLS connection established to " + relay + ": " + version, "Trusted TLS connection reused to " + relay + ": " + version,
		"SSL_connect error to " + relay + ": -1", "SSL_connect error to " + relay + ": lost connection", problem, to + "sent (250 ok)", to + "sent (250 ok)", to + "bounced (no)",
		to + "deferred (Server certificate not verified)", strings.Replace(to, ", delay=", ", conn_use=2, delay=", 1) + "sent (ok)",
		strings.Replace(to, ", dsn=", ", tls=may:none, dsn=", 1) + "sent (ok)", strings.Replace(to, relay, "none", 1) + "deferred (timed out)",
	}).Draw(t, "line")
}
