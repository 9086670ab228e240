package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/probe"
)

// TestBusy: with a Postfix that counts the connections of a client, everybody
// waits when it says 421, the first connection too, and the answer is the same
// in the end; or, if the time is over before that, a part of it.
func TestBusy(t *testing.T) {
	i := lab.NewCA(t).Issue(t, lab.Leaf{})
	chain := lab.Write(t, lab.Dir(t), "ec.pem", i.Key+i.Cert, 0o600)
	limits := func(main string) string {
		server := lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_peername_lookup = no\nmynetworks = 192.0.2.1\nsmtpd_client_event_limit_exceptions =\n"+main, "%s inet n - n - - smtpd -o smtpd_tls_protocols=TLSv1.3 -o smtpd_tls_chain_files="+chain)
		return server.Addrs[0]
	}
	t.Run("rate", func(t *testing.T) {
		addr := limits("smtpd_client_connection_rate_limit = 20\nanvil_rate_time_unit = 1s\n")
		for range 20 { // what is left of the rate is taken away from the first connection
			_, _ = probe.Greet(context.Background(), probe.Target{Addr: addr}, probe.Options{})
		}
		gate := probe.NewHastyGate(300 * time.Millisecond)
		e, err := probe.Enumerate(context.Background(), probe.Target{Addr: addr}, probe.Options{Gate: gate})
		if err != nil || e.Incomplete || len(e.Versions) != 1 || len(e.Versions[0].Suites) != 3 || len(e.Groups) != 5 {
			t.Fatalf("%+v, %v", e, err)
		}
	})
	t.Run("rate of TLS", func(t *testing.T) {
		addr := limits("smtpd_client_new_tls_session_rate_limit = 10\nanvil_rate_time_unit = 2s\n")
		e, err := probe.Enumerate(context.Background(), probe.Target{Addr: addr}, probe.Options{Gate: probe.NewHastyGate(300 * time.Millisecond)})
		if err != nil || e.Incomplete || len(e.Versions) != 1 || len(e.Versions[0].Suites) != 3 || len(e.Groups) != 5 {
			t.Fatalf("%+v, %v", e, err)
		}
	})
	t.Run("no end", func(t *testing.T) {
		addr := limits("smtpd_client_connection_rate_limit = 10\nanvil_rate_time_unit = 1h\n")
		gate := probe.NewHastyGate(10 * time.Millisecond)
		e, err := probe.Enumerate(context.Background(), probe.Target{Addr: addr}, probe.Options{Gate: gate})
		if err != nil || !e.Incomplete || !strings.Contains(e.Problem, "421") || strings.Count(e.Problem, "421") != 1 || len(e.Certificates) != 1 {
			t.Fatalf("%+v, %v", e, err)
		}
		e, err = probe.Enumerate(context.Background(), probe.Target{Addr: addr}, probe.Options{Gate: gate})
		var at *probe.Error
		if e != nil || !errors.As(err, &at) || at.Stage != probe.Greeting || !strings.Contains(err.Error(), "421") {
			t.Errorf("%+v, %v", e, err)
		}
	})
	t.Run("no time", func(t *testing.T) {
		addr := probe.Serve(t, func(c net.Conn) { _, _ = fmt.Fprint(c, "421 4.7.0 go away\r\n") })
		_, err := probe.Enumerate(context.Background(), probe.Target{Addr: addr}, probe.Options{Total: time.Second})
		if err == nil || strings.Count(err.Error(), addr) != 1 || !strings.Contains(err.Error(), "4.7.0 go away") || !strings.Contains(err.Error(), "it took more than 1s") {
			t.Errorf("%v", err)
		}
	})
	t.Run("time", func(t *testing.T) {
		addr := limits("smtpd_client_connection_rate_limit = 10\nanvil_rate_time_unit = 1h\n")
		began := time.Now()
		e, err := probe.Enumerate(context.Background(), probe.Target{Addr: addr}, probe.Options{Total: 5 * time.Second})
		if err != nil || !e.Incomplete || len(e.Certificates) != 1 || time.Since(began) > 20*time.Second {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

// TestGate: two listeners of a host have four connections at most between them,
// and one until the first has gone well.
func TestGate(t *testing.T) {
	var mu sync.Mutex
	open, most, first := 0, 0, true
	addr := probe.Serve(t, func(c net.Conn) {
		mu.Lock()
		if open++; open > most {
			most = open
		}
		if first && open > 1 {
			t.Error("a second connection before the first was answered")
		}
		mu.Unlock()
		w := wire{c, reader(c)}
		w.starttls()
		mu.Lock()
		first = false
		open--
		mu.Unlock()
		alerted(w)
	})
	gate := probe.NewGate()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			e, err := probe.Enumerate(context.Background(), probe.Target{Addr: addr}, probe.Options{Gate: gate})
			if err != nil || e.Incomplete || len(e.Versions) != 0 || e.Refused == "" {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
	wg.Wait()
	if most > probe.AtOnce || most < 2 {
		t.Errorf("%d connections at a time", most)
	}
}
