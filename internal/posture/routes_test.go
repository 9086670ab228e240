package posture_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/sink"
)

// partner is the name in the certificates of the servers that are sent to.
const partner = "mx.partner.example"

// server is one that is sent to: a sink, and what tells its clients apart.
type server struct {
	*sink.Server
	addr string
}

// sinks are servers of all kinds, by name; those that begin with TLS have "implicit".
type sinks struct {
	ids    *sink.Identities
	byName map[string]server

	mu       sync.Mutex
	sessions map[string]sink.Session // that took the message, by recipient
}

func newSinks(t *testing.T) *sinks {
	t.Helper()
	ids, err := sink.NewIdentities(partner)
	if err != nil {
		t.Fatal(err)
	}
	s := &sinks{ids: ids, byName: map[string]server{}, sessions: map[string]sink.Session{}}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); wg.Wait() })
	for _, name := range []string{"trusted", "self-signed", "wrong-name", "expired", "no-starttls", "starttls-refused", "tls10-only", "tls13-only", "asks-certificate", "implicit"} {
		b, ok := sink.Named(strings.ReplaceAll(name, "implicit", "trusted"))
		if !ok {
			t.Fatal(name)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		one := &sink.Server{Behaviour: b, Host: partner, Identities: ids, Implicit: name == "implicit", Told: func(got sink.Session) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, to := range got.Recipients {
				s.sessions[to] = got
			}
		}}
		s.byName[name] = server{one, l.Addr().String()}
		wg.Go(func() { _ = one.Serve(ctx, l) })
	}
	return s
}

// fate is what becomes of a message.
type fate struct {
	// Sent is false if it waits; Version is of the TLS in which it went, "" in clear.
	Sent    bool
	Version string
	// Shown is the SHA-256 of the client certificate that the server was shown.
	Shown string
}

// names of the versions, as the sink has them.
var sinkVersions = map[postfix.Protocol]string{postfix.TLSv1: "TLS 1.0", postfix.TLSv11: "TLS 1.1", postfix.TLSv12: "TLS 1.2", postfix.TLSv13: "TLS 1.3"}

// fateOf is what a posture says that becomes of a message by a route to a server.
func fateOf(r posture.Route, name string, root string, leaves map[string]string) fate {
	level := r.Level.Is
	if r.Dead != "" || r.Deferred != "" {
		return fate{}
	}
	if level == "dane" { // there are no records
		level = "may"
	}
	if r.Implicit && name != "implicit" {
		return fate{}
	}
	plain := fate{Sent: level == "none" || level == "may"}
	if level == "none" || name == "no-starttls" || name == "starttls-refused" {
		return plain
	}
	has := map[string][]postfix.Protocol{"tls10-only": {postfix.TLSv1}, "tls13-only": {postfix.TLSv13}}[name]
	if has == nil {
		has = slices.Clone(postfix.Protocols[2:])
	}
	has = slices.DeleteFunc(has, func(p postfix.Protocol) bool { return !slices.Contains(r.Versions.Is, p) })
	if len(has) == 0 {
		return plain
	}
	if level == "fingerprint" {
		return fate{} // those of the test are of nobody
	}
	if level == "verify" || level == "secure" {
		trusted := slices.Contains(r.Trust, root) && slices.Contains(r.Match.Is, partner)
		if !trusted || name == "self-signed" || name == "wrong-name" || name == "expired" {
			return fate{}
		}
	}
	f := fate{Sent: true, Version: sinkVersions[has[len(has)-1]]}
	if name == "asks-certificate" && len(r.Shows) > 0 {
		f.Shown = leaves[r.Shows[0]]
	}
	return f
}

// status is a line of the log on a recipient.
var status = regexp.MustCompile(`: to=<([^>]+)>,.* status=(sent|deferred|bounced)`)

// policies are entries of a policy table, also some that no release understands.
var policies = []string{
	"none", "may", "encrypt", "MAY", "verify", "none protocols=nonsense",
	"may protocols=TLSv1.2", "encrypt protocols=!SSLv2:!SSLv3:!TLSv1:!TLSv1.1", "encrypt protocols=TLSv1.3 ciphers=high",
	"may ciphers=strong", "encrypt ciphers=HIGH, exclude=SHA1:kRSA", "encrypt exclude=", "may exclude=SHA256:SHA384:SHA1",
	"secure match=" + partner, "verify match=nobody.example:" + partner, "secure match=nexthop:.nexthop",
	"fingerprint match=00:11:22", "fingerprint", "encrypt match=" + partner, "encrypt protocols = TLSv1.2", "may enable_rpk=no",
	"encrypt policy_ttl=60", "secure servername=" + partner, "encrypt ciphers=high ciphers=high",
}

// TestRoutes compares the posture with what servers see of the mail of a real Postfix,
// for generated configurations.
func TestRoutes(t *testing.T) {
	lab.NeedRoot(t)
	v, servers := version(t), newSinks(t)
	dir := lab.Dir(t)
	ca := lab.NewCA(t)
	leaves := map[string]string{}
	client := func(name string, l lab.Leaf) string {
		c := ca.Issue(t, l)
		sum := sha256.Sum256(c.Leaf.Raw)
		path := lab.Write(t, dir, name, c.Key+c.Cert, 0o644) // smtp reads it as the user postfix
		leaves[path] = hex.EncodeToString(sum[:])
		return path
	}
	rsa, ecdsa := client("rsa.pem", lab.Leaf{RSA: true}), client("ecdsa.pem", lab.Leaf{})
	root, foreign := lab.Write(t, dir, "root.pem", servers.ids.RootPEM, 0o644), lab.Write(t, dir, "foreign.pem", ca.RootPEM, 0o644)
	knobs := []knob{
		{"smtp_tls_security_level", []string{"none", "may", "encrypt", "verify", "secure", "", "Encrypt", "fingerprint", "dane", "dane-only", "secured"}},
		{"smtp_use_tls", []string{"yes", "no"}},
		{"smtp_enforce_tls", []string{"yes", "no"}},
		{"smtp_tls_enforce_peername", []string{"yes", "no"}},
		{"smtp_tls_wrappermode", []string{"yes", "no", "no"}},
		{"smtp_tls_protocols", append(protocolLists(v), "$smtp_tls_mandatory_protocols")},
		{"smtp_tls_mandatory_protocols", protocolLists(v)},
		{"smtp_tls_ciphers", grades},
		{"smtp_tls_mandatory_ciphers", grades},
		{"smtp_tls_exclude_ciphers", exclusions},
		{"smtp_tls_mandatory_exclude_ciphers", exclusions},
		{"smtp_tls_CAfile", []string{root, foreign, ""}},
		{"smtp_tls_verify_cert_match", []string{partner, "hostname", "nobody.example:" + partner}},
		{"smtp_tls_secure_cert_match", []string{partner, "nexthop, dot-nexthop"}},
		{"smtp_tls_chain_files", []string{rsa, ""}},
		{"smtp_tls_cert_file", []string{ecdsa, ""}},
	}
	names := slices.Sorted(maps.Keys(servers.byName))
	seen := 0
	for n := range *count/2 + 1 {
		r := random(t, 2000+n)
		const transports = 6
		var table, policy, inline, master strings.Builder
		var to []string
		for i := range transports {
			program, prefix := "smtp", ""
			if i >= transports-2 { // lmtp has the same parameters under names of its own
				program, prefix = "lmtp", "inet:"
			}
			fmt.Fprintf(&master, "\nt%d unix - - n - - %s%s", i, program, overrides(r, own(program, set(r, 0.15, knobs))))
			for _, name := range names {
				domain := fmt.Sprintf("t%d-%s-%d.example", i, name, n)
				to = append(to, "u@"+domain)
				host, port, _ := net.SplitHostPort(servers.byName[name].addr)
				fmt.Fprintf(&table, "%s t%d:%s[%s]:%s\n", domain, i, prefix, host, port)
			}
		}
		for _, name := range names {
			if r.IntN(4) == 0 {
				host, port, _ := net.SplitHostPort(servers.byName[name].addr)
				entry := policies[r.IntN(len(policies))]
				fmt.Fprintf(&policy, "[%s]:%s %s\n", host, port, entry)
				fmt.Fprintf(&inline, " { [%s]:%s = %s },", host, port, entry)
			}
		}
		main := "transport_maps = texthash:" + lab.Write(t, dir, fmt.Sprintf("transport-%d", n), table.String(), 0o644) +
			"\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\ntransport_retry_time = 5s\nsmtp_tls_security_level = may\nsmtp_tls_CAfile = " + root + "\n" +
			mainLines(set(r, 0.25, knobs)) + "lmtp_tls_CAfile = " + root + "\n" + mainLines(own("lmtp", set(r, 0.15, knobs)))
		switch r.IntN(4) {
		case 0:
			main += "smtp_tls_policy_maps = inline:{" + inline.String() + "\n  { example.com = none } }\n"
		case 1, 2:
			main += "smtp_tls_policy_maps = texthash:" + lab.Write(t, dir, fmt.Sprintf("policy-%d", n), policy.String(), 0o644) + "\n"
		}
		s := lab.Postfix(t, main, "%s inet n - n - - smtpd\npickup unix n - n 60 1 pickup"+master.String())
		p := look(t, s)
		want, dead := map[string]fate{}, map[string]bool{}
		var send []string
		for _, rcpt := range to {
			service, name := parts(rcpt)
			host, port, _ := net.SplitHostPort(servers.byName[name].addr)
			i := slices.IndexFunc(p.Routes, func(r posture.Route) bool {
				return r.Service.Name == service && strings.TrimPrefix(r.Hop, "inet:") == "["+host+"]:"+port && !r.Records
			})
			if i < 0 {
				t.Fatalf("no route for %s in %d", rcpt, len(p.Routes))
			}
			if name == "implicit" && !p.Routes[i].Implicit {
				continue // both sides wait for the other's first word
			}
			want[rcpt] = fateOf(p.Routes[i], name, root, leaves)
			dead[rcpt] = p.Routes[i].Dead != ""
			send = append(send, rcpt)
		}
		for i := range transports { // a message is not tried again while one of its recipients waits for a service
			submit(t, s.Addrs[0], slices.DeleteFunc(slices.Clone(send), func(rcpt string) bool { service, _ := parts(rcpt); return service != fmt.Sprintf("t%d", i) }))
		}
		got := servers.fates(t, s, send, dead)
		for _, rcpt := range send {
			seen++
			if want[rcpt] != got[rcpt] {
				service, _ := parts(rcpt)
				text := main
				for line := range strings.Lines(master.String()) {
					if strings.HasPrefix(line, service+" ") {
						text += line
					}
				}
				t.Errorf("configuration %d, %s: promised %+v, got %+v\n%s", n, rcpt, want[rcpt], got[rcpt], text)
			}
		}
		s.Stop()
	}
	t.Logf("%d messages of %d configurations of Postfix %s", seen, *count/2+1, v)
}

// own gives parameters of smtp the names under which a program reads them.
func own(program string, of [][2]string) (out [][2]string) {
	for _, o := range of {
		out = append(out, [2]string{program + strings.TrimPrefix(o[0], "smtp"), strings.ReplaceAll(o[1], "$smtp_", "$"+program+"_")})
	}
	return out
}

// parts are the transport and the server of a recipient.
func parts(rcpt string) (service, server string) {
	words := strings.Split(strings.TrimSuffix(strings.TrimPrefix(rcpt, "u@"), ".example"), "-")
	return words[0], strings.Join(words[1:len(words)-1], "-")
}

// submit sends one message to all of them.
func submit(t *testing.T, addr string, to []string) {
	t.Helper()
	c, err := dial(addr, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.conn.Close() }()
	lines := []string{"", "EHLO client.example", "MAIL FROM:<>"}
	for _, rcpt := range to {
		lines = append(lines, "RCPT TO:<"+rcpt+">")
	}
	for _, line := range append(lines, "DATA", "Subject: posture\r\n\r\n.", "QUIT") {
		if code, text, err := c.say(line); err != nil || code >= 400 {
			t.Fatalf("%s: %d %v %v", line, code, text, err)
		}
	}
}

// fates waits until each message is sent or has been deferred twice: at level may, Postfix
// retries without TLS after a failed handshake (smtp_proto.c). Mail by a
// service that does not run is not waited for: master(8) starts it again after a minute.
func (s *sinks) fates(t *testing.T, postfix *lab.Server, to []string, dead map[string]bool) map[string]fate {
	t.Helper()
	out := map[string]fate{}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		data, err := os.ReadFile(postfix.LogPath())
		if err != nil {
			t.Fatal(err)
		}
		sent, deferred := map[string]bool{}, map[string]int{}
		for _, m := range status.FindAllStringSubmatch(string(data), -1) {
			if m[2] == "deferred" {
				deferred[m[1]]++
			} else {
				sent[m[1]] = m[2] == "sent"
			}
		}
		waiting := slices.DeleteFunc(slices.Clone(to), func(r string) bool { return sent[r] || deferred[r] > 1 || dead[r] })
		if len(waiting) > 0 && time.Now().Before(end) {
			if out, err := exec.Command("postqueue", "-c", postfix.Config(), "-f").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			continue
		}
		if len(waiting) > 0 {
			t.Errorf("nothing has become of %v; the log ends:\n%s", waiting, data[max(0, len(data)-3000):])
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, rcpt := range to {
			if sent[rcpt] {
				session := s.sessions[rcpt]
				out[rcpt] = fate{Sent: true, Version: session.Version, Shown: session.Presented}
			} else {
				out[rcpt] = fate{}
			}
		}
		return out
	}
}
