package lineage_test

import (
	"strings"
	"testing"

	"postseal/internal/hint"
	"postseal/internal/lineage"
)

// TestCAA: what records of RFC 8659 and RFC 8657 allow, as a CA reads them.
func TestCAA(t *testing.T) {
	const account = "https://ca.example/acct/1"
	for name, c := range map[string]struct {
		records  string // one a line
		wildcard bool
		method   string
		refusal  string // empty if it is allowed
	}{
		"this CA":                           {`0 issue "ca.example"`, false, "http-01", ""},
		"another":                           {`0 issue "other.example"`, false, "http-01", "allows other.example, but not this CA"},
		"both":                              {"0 issue \"other.example\"\n0 issue \"CA.example; policy=x\"", false, "http-01", ""},
		"nobody":                            {`0 issue ";"`, false, "http-01", "allows nobody"},
		"large letters":                     {`0 ISSUE "other.example"`, false, "http-01", "(issue)"},
		"about something else":              {`0 iodef "mailto:x@example.org"`, false, "http-01", ""},
		"a wildcard by issue":               {`0 issue "other.example"`, true, "dns-01", "(issue)"},
		"issuewild alone counts":            {"0 issue \"ca.example\"\n0 issuewild \"other.example\"", true, "dns-01", "(issuewild)"},
		"issuewild allows":                  {"0 issue \"other.example\"\n0 IssueWild \"ca.example\"", true, "dns-01", ""},
		"issuewild of no matter":            {`0 issuewild ";"`, false, "http-01", ""},
		"method":                            {`0 issue "ca.example; validationmethods=dns-01,tls-alpn-01"`, false, "http-01", "allows validation by dns-01,tls-alpn-01, but not by http-01"},
		"method among others":               {`0 issue "ca.example;validationmethods=dns-01,http-01"`, false, "http-01", ""},
		"account":                           {`0 issue "ca.example; accounturi=` + account + `; validationmethods=http-01"`, false, "http-01", ""},
		"critical, and known":               {"128 issue \"ca.example\"\n128 iodef \"mailto:x@example.org\"", false, "http-01", ""},
		"unknown":                           {"0 future \"x\"\n0 issue \"ca.example\"", false, "http-01", ""},
		"unknown and critical":              {"0 issue \"ca.example\"\n128 Future \"x\"", false, "http-01", `("future") of example.org is critical`},
		"another account":                   {`0 issue "ca.example; accounturi=https://ca.example/acct/2"`, false, "http-01", "is for the account https://ca.example/acct/2, but this one is " + account},
		"another account, and one that may": {"0 issue \"ca.example; accounturi=https://ca.example/acct/2\"\n0 issue \"ca.example; accounturi=" + account + `"`, false, "http-01", ""},
	} {
		err := lineage.RefusedByCAA(strings.Split(c.records, "\n"), c.wildcard, c.method, account)
		if c.refusal == "" && err != nil || c.refusal != "" && (err == nil || !strings.Contains(err.Error(), c.refusal) || hint.Of(err) == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
