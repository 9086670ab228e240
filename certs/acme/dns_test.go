package acme_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postseal/certs/acme"
	"postseal/internal/hint"
)

// updates is a server that answers updates as it likes.
func updates(t *testing.T, key, secret string, answer func(w dns.ResponseWriter, q, m *dns.Msg)) string {
	t.Helper()
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		answer(w, q, m)
		_ = w.WriteMsg(m)
	})
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", u.LocalAddr().String())
	if err != nil {
		t.Skip("the port is taken for TCP")
	}
	for _, s := range []*dns.Server{{PacketConn: u}, {Listener: l}} {
		s.Handler, s.TsigSecret = h, map[string]string{key: secret}
		s.MsgAcceptFunc = func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }
		go func() { _ = s.ActivateAndServe() }()
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return u.LocalAddr().String()
}

// TestUpdate: an update is signed, goes over TCP if UDP is too short for the
// answer, and only a signed yes is one.
func TestUpdate(t *testing.T) {
	t.Parallel()
	const key, secret = "k.", "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ=="
	sign := func(m *dns.Msg) { m.SetTsig(key, dns.HmacSHA256, 300, time.Now().Unix()) }
	for name, c := range map[string]struct {
		answer     func(w dns.ResponseWriter, q, m *dns.Msg)
		says, hint string
	}{
		"signed":   {func(_ dns.ResponseWriter, _, m *dns.Msg) { sign(m) }, "", ""},
		"unsigned": {func(dns.ResponseWriter, *dns.Msg, *dns.Msg) {}, "its answer is not signed", "TSIG"},
		"short, then whole": {func(w dns.ResponseWriter, _, m *dns.Msg) {
			m.Truncated = w.LocalAddr().Network() == "udp"
			sign(m)
		}, "", ""},
		"refused": {func(_ dns.ResponseWriter, _, m *dns.Msg) { m.Rcode = dns.RcodeRefused; sign(m) }, "REFUSED", "allow this key"},
		"bad key": {func(_ dns.ResponseWriter, _, m *dns.Msg) { m.Rcode = dns.RcodeNotAuth }, "does not accept the TSIG key", "TSIG"},
		"clock": {func(_ dns.ResponseWriter, q, m *dns.Msg) {
			m.Rcode = dns.RcodeNotAuth
			m.Extra = append(m.Extra, &dns.TSIG{Hdr: dns.RR_Header{Name: key, Rrtype: dns.TypeTSIG, Class: dns.ClassANY}, Algorithm: dns.HmacSHA256, OrigId: q.Id, Error: dns.RcodeBadTime})
		}, "clock", "clocks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var seen []string
			addr := updates(t, key, secret, func(w dns.ResponseWriter, q, m *dns.Msg) {
				mu.Lock()
				defer mu.Unlock()
				if q.IsTsig() == nil || w.TsigStatus() != nil {
					t.Errorf("the update is not signed: %v", w.TsigStatus())
				}
				for _, rr := range q.Ns {
					seen = append(seen, rr.String())
				}
				c.answer(w, q, m)
			})
			p := acme.RFC2136{Server: addr, Key: "K", Secret: secret, Zone: "mx.test"}
			err := p.Present(context.Background(), "_acme-challenge.mx.test.", "value")
			if (err == nil) != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || !strings.Contains(hint.Of(err), c.hint)) {
				t.Errorf("%v (%s)", err, hint.Of(err))
			}
			mu.Lock()
			defer mu.Unlock()
			if len(seen) == 0 || !strings.Contains(seen[0], `"value"`) || !strings.HasPrefix(seen[0], "_acme-challenge.mx.test.") {
				t.Errorf("updates %q", seen)
			}
		})
	}
}

// TestManual: the record to remove is told, and waited for if somebody says so.
func TestManual(t *testing.T) {
	t.Parallel()
	removed := make(chan struct{}, 1)
	m := &acme.Manual{Removed: removed}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := m.CleanUp(ctx, "x.", "v"); err != nil || time.Since(start) < 90*time.Millisecond {
		t.Errorf("did not wait: %v", err)
	}
	removed <- struct{}{}
	if err := m.CleanUp(context.Background(), "x.", "v"); err != nil || len(removed) != 0 {
		t.Errorf("did not listen: %v", err)
	}
}
