package census_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/census"
	"postseal/internal/postfix"
)

// TestAffected: an old protocol is evidence, a suite is not, and what was never logged is
// not known.
func TestAffected(t *testing.T) {
	c := of(log(day...))
	for name, x := range map[string]struct {
		p    census.Proposal
		want []string
	}{
		"nothing":    {census.Proposal{}, nil},
		"floor":      {census.Proposal{Floor: postfix.TLSv12}, []string{"old.example 1 TLSv1 evidence"}},
		"low floor":  {census.Proposal{Floor: postfix.TLSv1}, nil},
		"suites":     {census.Proposal{Suites: []string{}}, []string{"old.example 1 ECDHE-RSA-AES256-SHA upper bound"}},
		"kept suite": {census.Proposal{Suites: []string{"ECDHE-RSA-AES256-SHA"}}, nil},
		"encrypt":    {census.Proposal{OutboundLevel: "encrypt"}, []string{"dest.example 1 cleartext sometimes", "half.example 1 cleartext evidence"}},
		"secure":     {census.Proposal{OutboundLevel: "secure"}, []string{"dest.example 1 cleartext sometimes", "half.example 1 cleartext evidence", "dest.example 1 TLS without a verified certificate upper bound"}},
		"may":        {census.Proposal{OutboundLevel: "may"}, nil},
	} {
		var got []string
		for _, a := range c.Affected(x.p) {
			got = append(got, fmt.Sprintf("%s %d %s %s", a.Name, a.Messages, a.Why, a.Certainty))
		}
		slices.Sort(got)
		slices.Sort(x.want)
		if d := cmp.Diff(x.want, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
	}
}

// TestAffectedOnce: a client with an old protocol and a suite that is left out is one, and
// not more certain than the suite.
func TestAffectedOnce(t *testing.T) {
	var lines []string
	for _, version := range []string{tls10, "TLSv1.2 with cipher AES256-SHA (256/256 bits)"} {
		lines = append(lines, "smtpd[1]: connect from a.example[192.0.2.1]", "smtpd[1]: Anonymous TLS connection established from a.example[192.0.2.1]: "+version,
			"smtpd[1]: 4ABCDE12345: client=a.example[192.0.2.1]", "smtpd[1]: disconnect from a.example[192.0.2.1] starttls=1")
	}
	got := of(log(lines...)).Affected(census.Proposal{Floor: postfix.TLSv12, Suites: []string{}})
	if len(got) != 1 || got[0].Messages != 2 || got[0].Certainty != census.UpperBound || got[0].Why != "AES256-SHA, TLSv1" {
		t.Errorf("%+v", got)
	}
}

// TestDestinations: a domain is one, whichever of its servers takes the mail.
func TestDestinations(t *testing.T) {
	c := of(log(day...))
	var got []string
	for _, d := range c.Destinations() {
		got = append(got, fmt.Sprintf("%s %d clear %d deferred %d %v", d.Name, d.Messages, d.CleartextMessages.N, d.Deferred, d.MX))
	}
	want := []string{"dest.example 2 clear 1 deferred 0 [mx.dest.example]", "half.example 1 clear 1 deferred 1 [mx.half.example]", "never.example 0 clear 0 deferred 1 [mx.never.example]"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
