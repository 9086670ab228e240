package maillog_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/maillog"
)

// TestParse: a line is Postfix's only if syslog has put one of its names where it puts
// the name of the program that wrote it, whatever else the line holds.
func TestParse(t *testing.T) {
	names := []string{"postfix", "postfix-out", "mx"}
	for line, want := range map[string]*maillog.Line{
		"Nov 30 04:00:00 mx postfix/smtpd[12]: connect from a[192.0.2.1]":                        {Stamp: "Nov 30 04:00:00", Program: "smtpd", PID: 12, Text: "connect from a[192.0.2.1]"},
		"Nov  3 04:00:00 mx postfix/submission/smtpd[12]: x: y":                                  {Stamp: "Nov  3 04:00:00", Program: "smtpd", PID: 12, Text: "x: y"},
		"2026-11-30T04:00:00.123456+01:00 mx.example.org postfix-out/smtp[3]: fatal: x":          {Stamp: "2026-11-30T04:00:00.123456+01:00", Program: "smtp", PID: 3, Text: "fatal: x"},
		"2026-11-30T04:00:00Z mx mx/smtp[3]: ":                                                   {Stamp: "2026-11-30T04:00:00Z", Program: "smtp", PID: 3},
		"Nov 30 04:00:00 mx <mail.info> postfix/master[1]: reload":                               {Stamp: "Nov 30 04:00:00", Program: "master", PID: 1, Text: "reload"},
		"Nov 30 04:00:00 mx mail.info postfix/smtpd[1]: connect from a[192.0.2.1]":               {Stamp: "Nov 30 04:00:00", Program: "smtpd", PID: 1, Text: "connect from a[192.0.2.1]"},
		"Nov 30 04:00:00 mx mail.info dovecot: postfix/smtpd[1]: fatal: x":                       nil,
		"Nov 30 04:00:00 mx dovecot: imap-login: Aborted login (user=<postfix]: fatal: x>)":      nil,
		"Nov 30 04:00:00 mx dovecot: user=<x postfix/smtpd[12]: fatal: x>":                       nil,
		"Nov 30 04:00:00 mx sshd[9]: Invalid user postfix/smtpd[12]: fatal: x from 192.0.2.1":    nil,
		"Nov 30 04:00:00 mx postfixes/smtpd[12]: fatal: x":                                       nil,
		"Nov 30 04:00:00 mx postfix[12]: fatal: x":                                               nil,
		"Nov 30 04:00:00 mx postfix/smtpd[x]: fatal: x":                                          nil,
		"Nov 30 04:00:00 mx postfix/[12]: fatal: x":                                              nil,
		"postfix/smtpd[12]: fatal: x":                                                            nil,
		"Nov 30 04:00:00 mx logger: postfix/smtpd[12]: fatal: x":                                 nil,
		"Nov 30 04:00:00 mx kernel: [1] postfix/smtpd[12]: fatal: x":                             nil,
		"Nov 30 04:00:00 mx x/smtpd[12]: disabling TLS support, says a milter of the same shape": nil,
		"": nil,
	} {
		got, ok := maillog.Parse(line, names)
		if ok != (want != nil) {
			t.Errorf("%v: %s", ok, line)
		} else if ok {
			if d := cmp.Diff(*want, got); d != "" {
				t.Errorf("%s (-want +got)\n%s", line, d)
			}
		}
	}
}

// TestWhen: lines without a year are of the last such day.
func TestWhen(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for stamp, want := range map[string]time.Time{
		"Jan  2 03:04:00":                  time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC),
		"Dec 31 23:59:59":                  time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC),
		"2026-01-02T04:00:00.123456+01:00": time.Date(2026, 1, 2, 3, 0, 0, 123456000, time.UTC),
		"something else":                   {},
		"":                                 {},
	} {
		if got := (maillog.Line{Stamp: stamp}).When(now); !got.Equal(want) {
			t.Errorf("%s: %v", stamp, got)
		}
	}
}

// FuzzParse: whatever stands in a log, a line that is taken has the form of Postfix's.
func FuzzParse(f *testing.F) {
	f.Add("Nov 30 04:00:00 mx postfix/smtpd[12]: connect from a[192.0.2.1]")
	f.Add("Nov 30 04:00:00 mx dovecot: imap-login: user=<postfix]: fatal: x>")
	f.Add("2026-11-30T04:00:00Z mx postfix/a/b[1]: \x1b[2J")
	f.Fuzz(func(t *testing.T, line string) {
		l, ok := maillog.Parse(line, maillog.DefaultNames)
		if !ok {
			return
		}
		head := l.Stamp + " "
		if len(line) < len(head) || line[:len(head)] != head || l.Program == "" || l.PID < 0 {
			t.Errorf("%q is taken for %+v", line, l)
		}
	})
}
