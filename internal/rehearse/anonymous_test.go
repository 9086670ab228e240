package rehearse_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/rehearse"
	"postseal/internal/sink"
)

// TestServeAnonymous: a real client gets TLS without a certificate, and what it did
// is told.
func TestServeAnonymous(t *testing.T) {
	lab.Need(t, "postfix", "openssl")
	lab.NeedRoot(t)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	addr, told, ready, ended := lab.Addr(t), make(chan sink.Session, 9), make(chan bool), make(chan error, 1)
	go func() {
		defer close(ended)
		ended <- rehearse.ServeAnonymous(ctx, addr, "mx.test.example", rehearse.Options{}, func(string) { close(ready) }, func(s sink.Session) { told <- s })
	}()
	defer func() {
		cancel()
		for range ended { // it clears up
		}
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	client := exec.CommandContext(ctx, "openssl", "s_client", "-starttls", "smtp", "-connect", addr, "-tls1_2", "-cipher", "aNULL:@SECLEVEL=0", "-quiet", "-nocommands")
	in, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 0, 4096)
	for _, line := range []string{"EHLO client.example", "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "DATA", "hello\r\n.", "QUIT"} {
		buffer := make([]byte, 4096)
		if _, err := in.Write([]byte(line + "\r\n")); err != nil {
			t.Fatalf("%s: %v after %q", line, err, said)
		}
		n, err := out.Read(buffer)
		if err != nil && line != "QUIT" {
			t.Fatalf("%s: %v after %q", line, err, said)
		}
		said = append(said, buffer[:n]...)
	}
	_ = client.Wait()
	if !strings.Contains(string(said), "queued as") {
		t.Fatalf("the mail was not taken: %q", said)
	}
	select {
	case s := <-told: // not of our own look whether it is there
		if s.Version != "TLS 1.2" || !strings.HasPrefix(s.Suite, "A") || len(s.Recipients) != 1 || s.Recipients[0] != "c@d.example" || s.HELO != "client.example" {
			t.Errorf("%+v", s)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Fatalf("nobody tells what the client did: %q", said)
	}
}

// TestServeAnonymousTaken: a port of another Postfix is not shared with it, by
// which half of its clients would come to the sink.
func TestServeAnonymousTaken(t *testing.T) {
	lab.Need(t, "postfix")
	lab.NeedRoot(t)
	live := lab.Postfix(t, "", "%s inet n - n - - smtpd")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := rehearse.ServeAnonymous(ctx, live.Addrs[0], "mx.test.example", rehearse.Options{}, func(addr string) {
		t.Errorf("it listens on %s, where another Postfix does", addr)
		cancel()
	}, func(sink.Session) {})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v", err)
	}
}
