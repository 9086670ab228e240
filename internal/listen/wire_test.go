package listen_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/listen"
	"postseal/internal/probe"
)

// heard is one run, from which the result comes when it is stopped.
type heard struct {
	stop  context.CancelFunc
	done  chan struct{}
	store *listen.Store
	run   listen.Run
	err   error
	dir   string
}

// hear listens on ports until the test stops it.
func hear(t testing.TB, dir, where string, ports ...uint16) *heard {
	t.Helper()
	lab.NeedRoot(t)
	ctx, stop := context.WithCancel(context.Background())
	h := &heard{stop: stop, done: make(chan struct{}), dir: dir}
	ready := make(chan struct{})
	go func() {
		defer close(h.done)
		h.store, h.run, h.err = listen.Listen(ctx, host.Local{}, dir, listen.Options{Ports: ports, Interface: where, Ready: func() { close(ready) }})
	}()
	t.Cleanup(func() { stop(); <-h.done })
	select {
	case <-ready:
	case <-h.done:
		t.Fatal(h.err)
	}
	return h
}

// end stops the run and returns the store.
func (h *heard) end(t testing.TB) *listen.Store {
	t.Helper()
	h.stop()
	<-h.done
	if h.err != nil && h.err != context.Canceled { //nolint:errorlint // as it is
		t.Fatal(h.err)
	}
	if h.run.Lost > 0 {
		t.Errorf("%d packets were lost", h.run.Lost)
	}
	return h.store
}

// only is the only sender, and its only hello.
func only(t *testing.T, s *listen.Store) (netip.Addr, *listen.Sender, *listen.Seen) {
	t.Helper()
	if len(s.Senders) != 1 || len(s.Hellos) != 1 {
		t.Fatalf("%d senders, %d hellos", len(s.Senders), len(s.Hellos))
	}
	a, id := s.Addresses()[0], s.Fingerprints()[0]
	return a, s.Senders[a], s.Hellos[id]
}

func portOf(t testing.TB, addr string) uint16 {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	n, err2 := strconv.ParseUint(port, 10, 16)
	if err != nil || err2 != nil {
		t.Fatal(addr)
	}
	return uint16(n)
}

// server answers as a mail server does, to as many clients as come: STARTTLS, or TLS at
// once. The handshake may fail: the hello is what counts.
func server(t testing.TB, l net.Listener, implicit bool) {
	t.Helper()
	ca := lab.NewCA(t)
	leaf := ca.Issue(t, lab.Leaf{RSA: true})
	cert, err := tls.X509KeyPair([]byte(leaf.Cert), []byte(leaf.Key))
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c, config, implicit)
		}
	}()
}

func serve(c net.Conn, config *tls.Config, implicit bool) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	say := func(s string) { _, _ = c.Write([]byte(s)) }
	if !implicit {
		say("220 mx.example.org ESMTP\r\n")
		in := bufio.NewReader(c)
		for {
			line, err := in.ReadString('\n')
			switch word := strings.ToUpper(strings.TrimSpace(line)); {
			case err != nil:
				return
			case strings.HasPrefix(word, "EHLO"):
				say("250-mx.example.org\r\n250 STARTTLS\r\n")
				continue
			case word != "STARTTLS":
				say("250 fine\r\n")
				continue
			}
			break
		}
		say("220 go\r\n")
	}
	tc := tls.Server(c, config)
	if tc.Handshake() == nil {
		_, _ = tc.Write([]byte("220 hello\r\n"))
		buf := make([]byte, 4096)
		for {
			if _, err := tc.Read(buf); err != nil {
				return
			}
		}
	}
}

func listener(t testing.TB, addr string) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// run runs a client to its end; that a handshake fails is no matter.
func run(t testing.TB, argv ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader("QUIT\n")
	if out, err := cmd.CombinedOutput(); ctx.Err() != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

// TestClients: what real clients offer is read from the wire, by STARTTLS and at once, over
// IPv4 and IPv6.
func TestClients(t *testing.T) {
	lab.Need(t, "openssl", "gnutls-cli")
	for name, c := range map[string]struct {
		on       string
		implicit bool
		argv     []string
		version  string
		group    string
		suite    string
	}{
		"openssl":           {"127.0.0.1:0", false, []string{"openssl", "s_client", "-starttls", "smtp", "-connect"}, "TLS 1.3", "x25519", "ECDHE-RSA-AES256-GCM-SHA384"},
		"openssl, IPv6":     {"[::1]:0", false, []string{"openssl", "s_client", "-starttls", "smtp", "-connect"}, "TLS 1.3", "x25519", "ECDHE-RSA-AES256-GCM-SHA384"},
		"openssl, implicit": {"127.0.0.1:0", true, []string{"openssl", "s_client", "-connect"}, "TLS 1.3", "x25519", "ECDHE-RSA-AES256-GCM-SHA384"},
		"openssl, TLS 1.0":  {"127.0.0.1:0", false, []string{"openssl", "s_client", "-tls1", "-cipher", "ALL:@SECLEVEL=0", "-starttls", "smtp", "-connect"}, "TLS 1.0", "x25519", "AES128-SHA"},
		"GnuTLS":            {"127.0.0.1:0", false, []string{"gnutls-cli", "--starttls-proto", "smtp", "--insecure"}, "TLS 1.3", "secp256r1", "ECDHE-RSA-AES256-GCM-SHA384"},
	} {
		t.Run(name, func(t *testing.T) {
			l := listener(t, c.on)
			server(t, l, c.implicit)
			h := hear(t, lab.Dir(t), "lo", portOf(t, l.Addr().String()))
			if strings.HasPrefix(c.argv[0], "gnutls") {
				run(t, append(c.argv, "-p", strconv.Itoa(int(portOf(t, l.Addr().String()))), "127.0.0.1")...)
			} else {
				run(t, append(c.argv, l.Addr().String())...)
			}
			address, sender, seen := only(t, h.end(t))
			if want, _, _ := net.SplitHostPort(l.Addr().String()); address.String() != want || sender.TLS != 1 || sender.Cleartext != 0 {
				t.Errorf("%s: %+v", address, sender)
			}
			x := seen.Hello
			if x.VersionNames()[0] != c.version || !slices.Contains(x.GroupNames(), c.group) || !slices.Contains(x.SuiteNames(), c.suite) {
				t.Errorf("%v %v %v", x.VersionNames(), x.GroupNames(), x.SuiteNames())
			}
		})
	}
}

// dribble sends each byte in a segment of its own.
type dribble struct{ net.Conn }

func (d dribble) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// starttls shakes hands as a sender does.
func starttls(t testing.TB, c net.Conn, config *tls.Config) *tls.Conn {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 4096)
	for _, line := range []string{"", "EHLO client.example\r\n", "STARTTLS\r\n"} {
		if _, err := c.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	tc := tls.Client(c, config)
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	return tc
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestDribble: a hello that comes byte by byte is the same as one that comes at once, and
// several runs add up.
func TestDribble(t *testing.T) {
	l := listener(t, "127.0.0.1:0")
	server(t, l, false)
	addr, dir := l.Addr().String(), lab.Dir(t)
	config := &tls.Config{ServerName: "mx.example.org", InsecureSkipVerify: true}
	first := hear(t, dir, "any", portOf(t, addr))
	_ = starttls(t, dribble{dial(t, addr)}, config).Close()
	first.end(t)
	second := hear(t, dir, "any", portOf(t, addr))
	_ = starttls(t, dial(t, addr), config).Close()
	store := second.end(t)
	_, sender, seen := only(t, store)
	if sender.TLS != 2 || seen.Count != 2 || !slices.Equal(sender.Names, []string{"mx.example.org"}) || store.Listened <= 0 {
		t.Errorf("%+v %+v", sender, seen)
	}
	if saved, err := listen.Load(host.Local{}, dir); err != nil || len(saved.Hellos) != 1 {
		t.Errorf("%v", err)
	}
}

// TestProbe: what postseal itself does with a listener leaves nothing.
func TestProbe(t *testing.T) {
	l := listener(t, "127.0.0.1:0")
	server(t, l, false)
	h := hear(t, lab.Dir(t), "lo", portOf(t, l.Addr().String()))
	if _, _, err := probe.Offer(t.Context(), probe.Target{Addr: l.Addr().String()}, probe.Options{}, "aNULL"); err != nil {
		t.Fatal(err)
	}
	if s := h.end(t); len(s.Senders)+len(s.Hellos) > 0 || s.Unread > 0 {
		t.Errorf("%+v", s)
	}
}

// TestCleartext: mail without TLS is counted, and none of it is in the file.
func TestCleartext(t *testing.T) {
	l := listener(t, "127.0.0.1:0")
	server(t, l, false)
	h := hear(t, lab.Dir(t), "lo", portOf(t, l.Addr().String()))
	c := dial(t, l.Addr().String())
	buf := make([]byte, 4096)
	for _, line := range []string{"", "EHLO client.example\r\n", "MAIL FROM:<secret@example.org>\r\n", "RCPT TO:<other@example.org>\r\n"} {
		if _, err := c.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	s := h.end(t)
	if len(s.Senders) != 1 || s.Senders[netip.MustParseAddr("127.0.0.1")].Cleartext != 1 || len(s.Hellos) != 0 {
		t.Errorf("%+v", s)
	}
	data, err := host.Local{}.ReadFile(listen.Path(h.dir))
	if err != nil || strings.Contains(string(data), "secret") || strings.Contains(string(data), "client.example") {
		t.Errorf("%v: %s", err, data)
	}
}
