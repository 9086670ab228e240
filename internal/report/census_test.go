package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"postseal/internal/census"
	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/report"
)

const censusLog = `2026-11-28T04:00:00Z mx postfix/smtpd[1]: connect from old.example[192.0.2.2]
2026-11-28T04:00:00Z mx postfix/smtpd[1]: Anonymous TLS connection established from old.example[192.0.2.2]: TLSv1 with cipher ECDHE-RSA-AES256-SHA (256/256 bits)
2026-11-28T04:00:01Z mx postfix/smtpd[1]: 4ABCDE12345: client=old.example[192.0.2.2]
2026-11-28T04:00:02Z mx postfix/smtpd[1]: disconnect from old.example[192.0.2.2] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7
2026-11-28T04:00:03Z mx postfix/smtpd[1]: connect from scanner.example[192.0.2.3]
2026-11-28T04:00:03Z mx postfix/smtpd[1]: SSL_accept error from scanner.example[192.0.2.3]: -1
2026-11-28T04:00:04Z mx postfix/smtpd[1]: disconnect from scanner.example[192.0.2.3] ehlo=1 starttls=0/1 commands=1/2
2026-11-30T04:00:01Z mx postfix/smtp[2]: Trusted TLS connection established to mx.b.example[198.51.100.2]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
2026-11-30T04:00:02Z mx postfix/smtp[2]: 4ABCDE12346: to=<a@b.example>, relay=mx.b.example[198.51.100.2]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)
2026-11-30T04:00:03Z mx postfix/smtp[2]: 4ABCDE12345: to=<a@clear.example>, relay=mx.clear.example[198.51.100.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)
`

func takeCensus(t *testing.T, text string) report.Taken {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mail.log")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := census.Read(context.Background(), host.Local{}, census.Sources{Files: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	c.Sources = []string{"mail.log"}
	return report.Taken{Census: c, Words: "--floor TLSv1.2 --outbound-level encrypt", Observe: "postconf -e smtp_tls_loglevel=1",
		Proposal: &census.Proposal{Floor: postfix.TLSv12, OutboundLevel: "encrypt"}}
}

// TestCensus: the text names the peers that a proposal affects, and how sure that is.
func TestCensus(t *testing.T) {
	var b bytes.Buffer
	report.Printer{W: &b}.Census(takeCensus(t, censusLog))
	const want = `2.0 days from 2026-11-28 to 2026-11-30, 10 lines in mail.log

Receiving
  1 message in 2 sessions from 2 clients
    TLSv1                     1 message           1 session
    cleartext                 0 messages          0 sessions
  1 client never delivered mail and failed the handshake, as scanners do.

Sending
  2 messages in 2 connections to 2 domains
    TLSv1.3                   1 message           1 session
    cleartext                 1 message           1 session
! 1 domain received mail in cleartext:
    clear.example: 1 of 1 message, last mail 2026-11-30, through mx.clear.example

With --floor TLSv1.2 --outbound-level encrypt
✗ 1 client would lose TLS, with 1 of 1 message:
    old.example [192.0.2.2]: 1 message, TLSv1, last seen 2026-11-28
✗ Mail to 1 destination would be deferred, 1 of 2 messages:
    clear.example (mx.clear.example [198.51.100.1]): 1 message, cleartext,
      last seen 2026-11-30
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestCensusUnlogged: a log level of 0 gives no zero, and the command that ends it.
func TestCensusUnlogged(t *testing.T) {
	var lines []string
	for l := range strings.Lines(censusLog) {
		if !strings.Contains(l, "TLS connection") {
			lines = append(lines, l)
		}
	}
	taken := takeCensus(t, strings.Join(lines, ""))
	var b bytes.Buffer
	report.Printer{W: &b}.Census(taken)
	for _, want := range []string{"TLS, not logged", "smtpd_tls_loglevel was 0", "smtp_tls_loglevel was 0", "not known", "    postconf -e smtp_tls_loglevel=1\n", "what would happen to mail to 2 destinations"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "cleartext                 2") {
		t.Error(b.String())
	}
	if out := asJSON(t, report.CensusJSON(taken)); !strings.Contains(out, `"cleartext_messages": null`) {
		t.Error(out)
	}
}

// TestCensusDoubt: mail from before the first handshake in the log is not in cleartext, and
// peers that were too many to be kept are mentioned.
func TestCensusDoubt(t *testing.T) {
	var early string
	for l := range strings.Lines(censusLog) {
		if strings.Contains(l, "clear.example") {
			early = strings.Replace(l, "2026-11-30", "2026-11-28", 1)
		}
	}
	taken := takeCensus(t, early+strings.Replace(censusLog, "clear.example", "late.example", 2))
	taken.Outbound.Unnamed = census.Volume{Sessions: 2, Messages: 3}
	var b bytes.Buffer
	report.Printer{W: &b, Width: 200}.Census(taken)
	for _, want := range []string{
		"    not known                 1 message           1 session\n", "The first handshake in the log is of 2026-11-30.", "late.example: 1 of 1 message",
		"! The log does not show what would happen to mail to 1 destination, 1 of 3 messages:\n    clear.example", "More than 200,000 clients and destinations are in the log. Of further destinations, 3 messages in 2 sessions",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// TestCensusDeferred: mail that TLS defers does not come back, it is delivered; and a log in
// which nothing counts says how many lines it has.
func TestCensusDeferred(t *testing.T) {
	const deferred = "2026-11-30T04:00:00Z mx postfix/smtp[2]: 4ABCDE12345: to=<a@cut.example>, relay=mx.cut.example[198.51.100.1]:25, delay=1, delays=0/0/0/1, dsn=4.7.5, status=deferred (Cannot start TLS: handshake failure)\n"
	for text, want := range map[string]string{
		deferred: "then no mail was delivered",
		deferred + strings.Replace(strings.Replace(deferred, "deferred (Cannot start TLS: handshake failure)", "sent (250 ok)", 1), "T04:00", "T04:20", 1): "20 minutes from 2026-11-30",
		strings.ReplaceAll(deferred, "postfix/", "postfix-out/"): "1 line was read. If Postfix logs under another name, add --syslog-name NAME.",
	} {
		var b bytes.Buffer
		report.Printer{W: &b}.Census(takeCensus(t, text))
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// TestCensusSchema: what is printed is what the schema says.
func TestCensusSchema(t *testing.T) {
	var schema any
	if err := json.Unmarshal(report.CensusSchema, &schema); err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("census.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("census.json")
	if err != nil {
		t.Fatal(err)
	}
	none := takeCensus(t, "")
	none.Proposal = nil
	for _, taken := range []report.Taken{takeCensus(t, censusLog), none} {
		data, err := jsonschema.UnmarshalJSON(strings.NewReader(asJSON(t, report.CensusJSON(taken))))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(data); err != nil {
			t.Error(err)
		}
	}
}

// TestProgress: nothing is shown before a second has passed, and nothing is left of it.
func TestProgress(t *testing.T) {
	var b bytes.Buffer
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	p := report.NewProgress(&b, "reading", func() time.Time { return now })
	p.Show(1, 2)
	if b.Len() > 0 {
		t.Errorf("%q", b.String())
	}
	now = now.Add(1100 * time.Millisecond)
	p.Show(1, 2)
	p.Done()
	p.Show(2, 2)
	if got := b.String(); !strings.HasPrefix(got, "\rreading [###############...............]  50 %\r ") || !strings.HasSuffix(got, " \r") {
		t.Errorf("%q", got)
	}
}
