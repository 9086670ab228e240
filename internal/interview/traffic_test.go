package interview_test

import (
	"testing"
	"time"

	"postseal/internal/census"
	"postseal/internal/detect"
	"postseal/internal/interview"
	"postseal/internal/postfix"
)

// TestLoss: what is said of a stricter setting is what the log has, and no number stands
// for what the log does not tell.
func TestLoss(t *testing.T) {
	known := func(n int) census.Count { return census.Count{N: n, Known: true} }
	use := func(protocol string, sessions, messages int) census.Use {
		return census.Use{TLS: &census.TLS{Protocol: protocol, Cipher: "AES256-SHA", Trust: "Anonymous"}, Volume: census.Volume{Sessions: sessions, Messages: messages}}
	}
	day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	peer := func(d census.Direction, name string, messages, cleartext int, uses ...census.Use) census.Peer {
		return census.Peer{Direction: d, Name: name, Address: "192.0.2.1", Volume: census.Volume{Sessions: messages, Messages: messages}, CleartextMessages: known(cleartext), CleartextSessions: known(cleartext), TLS: uses}
	}
	in := func(p ...census.Peer) *census.Census {
		return &census.Census{First: day, Last: day.AddDate(0, 0, 30), Inbound: census.Traffic{Logged: true, Peers: p}}
	}
	old := peer(census.Inbound, "old.example", 11, 0, use("TLSv1", 12, 11))
	stuck := old
	stuck.After = census.NeverReturned
	local, scanner := old, peer(census.Inbound, "scanner.example", 0, 0, use("TLSv1", 5, 0))
	local.Local = true
	newer := peer(census.Inbound, "new.example", 89, 3, use("TLSv1.3", 80, 86))
	silent := in(old)
	silent.Inbound.Logged = false
	out := &census.Census{First: day, Last: day.Add(5 * time.Hour), Outbound: census.Traffic{Logged: true, Peers: []census.Peer{
		peer(census.Outbound, "clear.example", 4, 4), peer(census.Outbound, "tls.example", 6, 0, use("TLSv1.3", 6, 6)),
	}}}
	raised := *out
	vague := peer(census.Outbound, "early.example", 5, 0)
	vague.CleartextMessages, vague.Unknown = census.Count{}, vague.Volume
	raised.Outbound.Peers = append([]census.Peer{vague}, out.Outbound.Peers...)
	mute := *out
	mute.Outbound.Peers = []census.Peer{vague}
	floor, encrypt := census.Proposal{Floor: postfix.TLSv12}, census.Proposal{OutboundLevel: "encrypt"}
	for name, c := range map[string]struct {
		census   *census.Census
		proposal census.Proposal
		want     string
	}{
		"no log":                         {nil, floor, ""},
		"no mail":                        {in(scanner), floor, ""},
		"own tests only":                 {in(local), floor, ""},
		"nobody":                         {in(newer), floor, "in 30 days of the log, none of 1 sender would lose TLS"},
		"one of two":                     {in(old, newer, scanner, local), floor, "in 30 days of the log, 1 of 2 senders (11 of 100 messages) would lose TLS"},
		"one that does not fall back":    {in(stuck, newer), floor, "in 30 days of the log, 1 of 2 senders (11 of 100 messages) would lose TLS; 1 of them never delivered again after a failed handshake"},
		"suites are an upper bound":      {in(old, newer), census.Proposal{Suites: []string{}}, "in 30 days of the log, 1 of 2 senders (11 of 100 messages) would lose TLS, or fewer: the log does not show what else they support"},
		"no handshakes in the log":       {silent, floor, "the log does not show what senders use, since smtpd_tls_loglevel was 0"},
		"to destinations":                {out, encrypt, "in 5 hours of the log, mail to 1 of 2 destinations (4 of 10 messages) would be deferred"},
		"to destinations, since then":    {&raised, encrypt, "in 5 hours of the log, mail to 1 of 3 destinations (4 of 15 messages) would be deferred; for 1 more the log does not show it"},
		"to destinations, not logged":    {&mute, encrypt, "the log does not show which destinations get cleartext, since smtp_tls_loglevel was 0"},
		"to destinations, authenticated": {out, census.Proposal{OutboundLevel: "verify"}, "in 5 hours of the log, mail to 2 of 2 destinations (10 of 10 messages) would be deferred, or fewer: the log does not show whether their certificates are valid"},
	} {
		if got := interview.Loss(&detect.Facts{Census: c.census}, c.proposal); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
