package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postseal/cmd/cli"
	"postseal/internal/report"
)

const someLog = `Nov 28 04:00:00 mx postfix/smtpd[1]: connect from old.example[198.51.100.2]
Nov 28 04:00:00 mx postfix/smtpd[1]: Anonymous TLS connection established from old.example[198.51.100.2]: TLSv1 with cipher ECDHE-RSA-AES256-SHA (256/256 bits)
Nov 28 04:00:01 mx postfix/smtpd[1]: 4ABCDE12345: client=old.example[198.51.100.2]
Nov 28 04:00:02 mx postfix/smtpd[1]: disconnect from old.example[198.51.100.2] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7
Nov 28 04:00:03 mx postfix-out/smtpd[1]: connect from other.example[198.51.100.3]
`

// TestCensus: the flags make a proposal, and one that is not understood is refused.
func TestCensus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	if err := os.WriteFile(path, []byte(someLog), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, string, int) {
		var out, errs bytes.Buffer
		code := Main(append([]string{"census"}, args...), os.Stdin, &out, &errs)
		return out.String(), errs.String(), code
	}
	for _, x := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{path}, cli.Done, "1 message in 1 session from 1 client\n"},
		{[]string{path, "--floor", "TLSv1.2"}, cli.Done, "1 client would lose TLS, with 1 of 1 message:\n    old.example [198.51.100.2]: 1 message, TLSv1,"},
		{[]string{path, "--floor", "TLSv1"}, cli.Done, "No peer that is in the log would be affected"},
		{[]string{path, "--profile", "modern"}, cli.Done, "1 client would lose TLS"},
		{[]string{path, "--profile", "intermediate", "--floor", "TLSv1"}, cli.Done, "No peer that is in the log would be affected"},
		{[]string{path, "--syslog-name", "postfix-out"}, cli.Done, "in 2 sessions from 2 clients"},
		{[]string{path, "--since", time.Now().AddDate(0, 0, 1).Format(time.DateOnly)}, cli.Usage, "is in the future"},
		{[]string{path, "--floor", "1.2"}, cli.Usage, "--floor \"1.2\" is not a TLS version"},
		{[]string{path, "--profile", "old"}, cli.Usage, "intermediate"},
		{[]string{path, "--outbound-level", "x"}, cli.Usage, "encrypt"},
		{[]string{path, "--since", "d"}, cli.Usage, "30d"},
		{[]string{path, "--since", "-3d"}, cli.Usage, "30d"},
		{[]string{path + ".absent"}, cli.Failed, "no such file"},
		{[]string{"--schema"}, cli.Done, string(report.CensusSchema)},
	} {
		out, errs, code := run(x.args...)
		if code != x.code || !strings.Contains(out+errs, x.says) {
			t.Errorf("%q: %d\n%s%s", x.args, code, out, errs)
		}
	}
	out, _, _ := run(path, "--floor", "TLSv1.2", "--json")
	var data struct {
		Inbound  struct{ Protocols map[string]any }
		Affected []struct{ Name, Certainty string }
	}
	if err := json.Unmarshal([]byte(out), &data); err != nil || len(data.Affected) != 1 || data.Affected[0].Certainty != "evidence" || data.Inbound.Protocols["TLSv1"] == nil {
		t.Errorf("%v\n%s", err, out)
	}
}
