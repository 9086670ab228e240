package resolve_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/host"
	"postseal/internal/resolve"
)

// TestAsk: what is there, what is absent and what is not known are three answers.
func TestAsk(t *testing.T) {
	m := &host.Fake{DNS: map[string]host.Answer{
		"mx.test A":        {RCode: "NOERROR", AD: true, Records: []string{"192.0.2.2", "192.0.2.1"}, TTL: 60},
		"alias.test A":     {RCode: "NOERROR", Records: []string{"192.0.2.1"}, Alias: "mx.test"},
		"mx.test AAAA":     {RCode: "NOERROR", AD: true},
		"nothing.test A":   {RCode: "NXDOMAIN"},
		"bogus.test A":     {RCode: "SERVFAIL"},
		"no-thanks.test A": {RCode: "REFUSED"},
	}}
	r := resolve.Resolver{Machine: m, Servers: []string{"192.0.2.53:53"}}
	for _, x := range []struct {
		name string
		kind uint16
		want resolve.Answer
	}{
		{"mx.test", resolve.A, resolve.Records{Values: []string{"192.0.2.1", "192.0.2.2"}, Secure: true, Owner: "mx.test", TTL: time.Minute}},
		{"alias.test", resolve.A, resolve.Records{Values: []string{"192.0.2.1"}, Owner: "mx.test"}},
		{"mx.test", resolve.AAAA, resolve.Absent{Secure: true, Owner: "mx.test"}},
		{"nothing.test", resolve.A, resolve.Absent{NoName: true, Owner: "nothing.test"}},
		{"bogus.test", resolve.A, resolve.Unknown{Reason: resolve.ServFail, Code: "SERVFAIL", Text: "asking 192.0.2.53:53 for bogus.test A: SERVFAIL"}},
		{"no-thanks.test", resolve.A, resolve.Unknown{Reason: resolve.Refused, Code: "REFUSED", Text: "asking 192.0.2.53:53 for no-thanks.test A: REFUSED"}},
		{"silent.test", resolve.A, resolve.Unknown{Reason: resolve.Unreached, Text: "asking 192.0.2.53:53: no answer"}},
	} {
		got := r.Ask(context.Background(), x.name, x.kind)
		if d := cmp.Diff(x.want, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", x.name, d)
		}
	}
	if got, ok := (resolve.Resolver{Machine: m}).Ask(context.Background(), "mx.test", resolve.A).(resolve.Unknown); !ok || got.Reason != resolve.NoServer {
		t.Errorf("without a server: %+v", got)
	}
}

// TestEverywhere: without a zone, or the names of its servers, nothing is known of them.
func TestEverywhere(t *testing.T) {
	soa := host.Answer{RCode: "NOERROR", Records: []string{"ns1.test. hostmaster.test. 7 7200 900 1209600 300"}}
	for name, x := range map[string]struct {
		dns     map[string]host.Answer
		zone    string
		refresh time.Duration
		unknown resolve.Reason
	}{
		"no answer":     {map[string]host.Answer{}, "", 0, resolve.Unreached},
		"no zone":       {map[string]host.Answer{"mx.test SOA": {RCode: "NOERROR"}, "test SOA": {RCode: "NOERROR"}}, "", 0, resolve.NoZone},
		"no servers":    {map[string]host.Answer{"mx.test SOA": {RCode: "NOERROR"}, "test SOA": soa}, "test", 2 * time.Hour, resolve.NoServer},
		"broken record": {map[string]host.Answer{"mx.test SOA": {RCode: "NOERROR", Records: []string{"ns1.test."}}}, "mx.test", 0, resolve.NoServer},
	} {
		t.Run(name, func(t *testing.T) {
			r := resolve.Resolver{Machine: &host.Fake{DNS: x.dns}, Servers: []string{"192.0.2.53:53"}}
			v := r.Everywhere(context.Background(), "mx.test", resolve.A)
			if v.Zone != x.zone || v.Refresh != x.refresh || v.Unknown == nil || v.Unknown.Reason != x.unknown || v.Reached() {
				t.Errorf("%+v", v)
			}
		})
	}
}
