package posture_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postseal/internal/lab"
	"postseal/internal/posture"
	"postseal/internal/sink"
)

// TestSockets compares the routes to mailboxes behind UNIX-domain sockets with a real lmtp:
// level may acts as none there, and one that requires TLS defers mail to a server without.
func TestSockets(t *testing.T) {
	lab.NeedRoot(t)
	servers := newSinks(t)
	dir := lab.Dir(t)
	levels := []string{"", "none", "may", "encrypt"}
	var table, master strings.Builder
	var to []string
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	for _, name := range []string{"trusted", "no-starttls"} {
		path := filepath.Join(dir, name)
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o777); err != nil { // lmtp connects as the user postfix
			t.Fatal(err)
		}
		b, _ := sink.Named(name)
		one := &sink.Server{Behaviour: b, Host: partner, Identities: servers.ids, Told: servers.byName["trusted"].Told}
		go func() { _ = one.Serve(ctx, l) }()
		for i, level := range levels {
			service := fmt.Sprintf("t%d%s", i, strings.ReplaceAll(name, "-", ""))
			fmt.Fprintf(&master, "\n%s unix - - n - - lmtp -o lmtp_tls_security_level=%s", service, level)
			fmt.Fprintf(&table, "%s.example %s:unix:%s\n", service, service, path)
			to = append(to, "u@"+service+".example")
		}
	}
	s := lab.Postfix(t, "transport_maps = texthash:"+lab.Write(t, dir, "transport", table.String(), 0o644)+"\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\n", "%s inet n - n - - smtpd\npickup unix n - n 60 1 pickup"+master.String())
	p := look(t, s)
	submit(t, s.Addrs[0], to)
	got := servers.fates(t, s, to, nil)
	for _, rcpt := range to {
		service := strings.TrimSuffix(strings.TrimPrefix(rcpt, "u@"), ".example")
		i := slices.IndexFunc(p.Routes, func(r posture.Route) bool { return r.Service.Name == service })
		if i < 0 {
			t.Fatalf("no route for %s", rcpt)
		}
		want := fateOf(p.Routes[i], map[bool]string{true: "no-starttls", false: "trusted"}[strings.HasSuffix(service, "nostarttls")], "", nil)
		if got[rcpt] != want {
			t.Errorf("%s: promised %+v, got %+v", rcpt, want, got[rcpt])
		}
	}
}
