package probe_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/probe"
	"postseal/internal/report"
)

// wire is one side of a conversation with a server that misbehaves.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func reader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

func (w wire) say(text string) { _, _ = io.WriteString(w, text) }

func (w wire) hear() { _, _ = w.in.ReadString('\n') }

// starttls comes to where the hello is due, and returns the suites in it.
func (w wire) starttls() (version uint16, suites []uint16) {
	w.say("220 here\r\n")
	w.hear()
	w.say("250-here\r\n250 STARTTLS\r\n")
	w.hear()
	_, _ = w.in.Discard(w.in.Buffered()) // a command behind it is not obeyed
	w.say("220 go\r\n")
	return w.hello()
}

func (w wire) hello() (version uint16, suites []uint16) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(w.in, head); err != nil {
		return 0, nil
	}
	body := make([]byte, binary.BigEndian.Uint16(head[3:]))
	_, _ = io.ReadFull(w.in, body)
	if len(body) < 40 {
		return 0, nil
	}
	version = binary.BigEndian.Uint16(body[4:])
	rest := body[39+int(body[38]):]
	n := int(binary.BigEndian.Uint16(rest))
	for i := 2; i < 2+n; i += 2 {
		suites = append(suites, binary.BigEndian.Uint16(rest[i:]))
	}
	if bytes.Contains(rest[2+n:], []byte{0, 43, 0, 3, 2, 3, 4}) {
		version = 0x0304
	}
	return version, suites
}

// records puts a body into records of one kind.
func records(kind byte, body []byte) string {
	var out []byte
	for len(body) > 0 {
		part := body[:min(len(body), 1<<14)]
		out = append(append(out, kind, 3, 3, byte(len(part)>>8), byte(len(part))), part...)
		body = body[len(part):]
	}
	return string(out)
}

func message(kind byte, body []byte) []byte {
	return append([]byte{kind, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// accept is a ServerHello with a suite.
func accept(version, suite uint16, rest ...byte) []byte {
	body := binary.BigEndian.AppendUint16(nil, version)
	body = append(append(body, make([]byte, 32)...), 0)
	return message(2, append(binary.BigEndian.AppendUint16(body, suite), append([]byte{0}, rest...)...))
}

func certificate(der []byte) []byte {
	n := len(der)
	one := append([]byte{byte(n >> 16), byte(n >> 8), byte(n)}, der...)
	n = len(one)
	return message(11, append([]byte{byte(n >> 16), byte(n >> 8), byte(n)}, one...))
}

func alerted(w wire) { w.say("\x15\x03\x03\x00\x02\x02\x28") }

// old answers TLS 1.2 with f, and refuses everything else.
func old(f func(w wire, suites []uint16)) func(wire) {
	return func(w wire) {
		if version, suites := w.starttls(); version == 0x0303 {
			f(w, suites)
			return
		}
		alerted(w)
	}
}

// TestHostile: whatever a server does, it ends soon, does not need much memory,
// and it is said what it was; and nothing of what it sends reaches a terminal as
// it is.
func TestHostile(t *testing.T) {
	escape := "\x1b[31mred\x1b]0;title\a"
	ca := lab.NewCA(t)
	name, err := asn1.Marshal([]string{"x"})
	if err != nil {
		t.Fatal(err)
	}
	evil := ca.Issue(t, lab.Leaf{Names: []string{escape}, Extension: pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: name}})
	fat := bytes.Repeat([]byte{0x30}, 200<<10)
	for _, c := range []struct {
		name string
		act  func(wire)
		// failed is in the error; problem in what an incomplete answer says,
		// refused in why a whole handshake failed.
		failed, problem, refused string
		suites                   int // at least
		total                    time.Duration
	}{
		{name: "banner without an end", act: func(w wire) {
			for range 1000 {
				w.say(strings.Repeat("220 x", 1000))
			}
		}, failed: "a line of more than 4 KiB"},
		{name: "banner of lines without an end", act: func(w wire) {
			for range 100000 {
				w.say("220-hello\r\n")
			}
		}, failed: "the server sent more than 64 KiB"},
		{name: "slow bytes", act: func(w wire) {
			for range 1000 {
				w.say("2")
				time.Sleep(20 * time.Millisecond)
			}
		}, failed: "timeout"},
		{name: "silent", act: func(w wire) { w.hear() }, failed: "timeout"},
		{name: "slower than all the time that there is", act: func(w wire) { w.hear() }, failed: "it took more than 1s", total: time.Second},
		{name: "two codes in one reply", act: func(w wire) { w.say("220-a\r\n250 b\r\n"); w.hear() }, failed: "lines of one reply begin with 220 and 250"},
		{name: "another program", act: func(w wire) { w.say("SSH-2.0-OpenSSH\r\n"); w.hear() }, failed: `"SSH-2.0-OpenSSH", which is not an SMTP reply`},
		{name: "escapes in the greeting", act: func(w wire) { w.say(escape + "\r\n"); w.hear() }, failed: "which is not an SMTP reply"},
		{name: "busy with escapes", act: func(w wire) { w.say("554 " + escape + "\r\n"); w.hear() }, failed: "554"},
		{name: "hangs up", act: func(wire) {}, failed: "the server disconnected"},
		{name: "no STARTTLS", act: func(w wire) { w.say("220 here\r\n"); w.hear(); w.say("250 here\r\n"); w.hear() }, failed: "not offered"},
		{name: "plain text behind STARTTLS", act: func(w wire) { w.starttls(); w.say("500 what did you say? " + escape + "\r\n") }, refused: "the answer is not TLS", problem: "the answer is not TLS"},
		{name: "hangs up on the hello", act: func(w wire) { w.starttls() }, refused: "the server disconnected"},
		{name: "alert", act: func(w wire) { w.starttls(); alerted(w) }, refused: "handshake failure"},
		{name: "silent after the hello", act: func(w wire) { w.starttls(); w.hear() }, refused: "timeout", problem: "timeout"},
		{name: "half a record", act: func(w wire) { w.starttls(); w.say("\x16\x03\x03\x40\x00half") }, refused: "the server disconnected"},
		{name: "record too long", act: func(w wire) { w.starttls(); w.say("\x16\x03\x03\xff\xff") }, problem: "the answer is not TLS"},
		{name: "ServerHello without an end", act: func(w wire) { w.starttls(); w.say(records(22, message(2, []byte{3, 3}))) }, problem: "is invalid TLS"},
		{name: "extensions that reach too far", act: func(w wire) { w.starttls(); w.say(records(22, accept(0x0303, 0xC02F, 0xFF, 0xFF, 0, 0))) }, problem: "is invalid TLS"},
		{name: "extension that reaches too far", act: func(w wire) { w.starttls(); w.say(records(22, accept(0x0303, 0xC02F, 0, 4, 0, 1, 0, 9))) }, problem: "is invalid TLS"},
		{name: "session that reaches too far", act: func(w wire) {
			w.starttls()
			w.say(records(22, message(2, append(append([]byte{3, 3}, make([]byte, 32)...), 0xFF, 1, 2))))
		}, problem: "is invalid TLS"},
		{name: "message of 16 MiB", act: func(w wire) { w.starttls(); w.say(records(22, []byte{2, 0xFF, 0xFF, 0xFF, 1})) }, problem: "is invalid TLS"},
		{name: "nothing but a done", act: func(w wire) { w.starttls(); w.say(records(22, message(14, nil))) }, problem: "is invalid TLS"},
		{name: "handshake without an end", act: func(w wire) {
			w.starttls()
			for range 100 {
				w.say(records(22, message(4, fat[:16<<10])))
			}
		}, problem: "TLS handshake: "}, // too much, or no ServerHello: as one looks at it
		{name: "suite that was not offered", act: old(func(w wire, _ []uint16) { w.say(records(22, append(accept(0x0303, 0xEEEE), message(14, nil)...))) }), problem: "0xeeee, which was not offered"},
		{name: "certificate of 200 KiB", act: old(func(w wire, s []uint16) {
			w.say(records(22, append(append(accept(0x0303, s[0]), certificate(fat)...), message(14, nil)...)))
		}), suites: 100},
		{name: "escapes in the certificate", act: old(func(w wire, s []uint16) {
			w.say(records(22, append(append(accept(0x0303, s[0]), certificate(evil.Leaf.Raw)...), message(14, nil)...)))
		}), suites: 100},
		{name: "every suite, late", act: old(func(w wire, s []uint16) {
			time.Sleep(150 * time.Millisecond)
			w.say(records(22, append(accept(0x0303, s[0]), message(14, nil)...)))
		}), suites: 5, problem: "it took more than 2s", total: 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.total == 0 {
				c.total = 20 * time.Second // more than any of it takes
			}
			addr := probe.Serve(t, func(conn net.Conn) { c.act(wire{conn, reader(conn)}) })
			patience := 5 * time.Second
			if strings.Contains(c.failed+c.refused, "timeout") {
				patience = 500 * time.Millisecond
			}
			began := time.Now()
			e, err := probe.Enumerate(context.Background(), probe.Target{Addr: addr}, probe.Options{Timeout: patience, Total: c.total})
			if took := time.Since(began); took > c.total+10*time.Second {
				t.Errorf("it took %s", took)
			}
			var screen strings.Builder
			p := report.Printer{W: &screen}
			if err != nil {
				p.Errors(err)
			} else {
				p.Enumeration(e)
				var data strings.Builder
				if err := (report.Printer{W: &data}).JSON(e); err != nil || !json.Valid([]byte(data.String())) {
					t.Errorf("no JSON: %v", err)
				}
				screen.WriteString(data.String())
			}
			if strings.ContainsAny(screen.String(), "\x1b\a\r") {
				t.Errorf("on the screen: %q", screen.String())
			}
			if c.failed != "" {
				if e != nil || err == nil || !strings.Contains(err.Error(), c.failed) {
					t.Errorf("%+v, %v, want %q", e, err, c.failed)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if e.Incomplete != (c.problem != "") || !strings.Contains(e.Problem, c.problem) {
				t.Errorf("problem %q, want %q", e.Problem, c.problem)
			}
			if !strings.Contains(e.Refused, c.refused) || e.Refused == "" {
				t.Errorf("refused %q, want %q", e.Refused, c.refused)
			}
			found := 0
			for _, v := range e.Versions {
				found += len(v.Suites)
			}
			if found < c.suites || c.suites == 0 && found > 0 {
				t.Errorf("%d suites, want %d", found, c.suites)
			}
		})
	}
}

// TestHostileMemory: a server that sends all that it may, at every connection,
// takes no memory that is kept.
func TestHostileMemory(t *testing.T) {
	fat := bytes.Repeat([]byte{0x30}, 250<<10)
	var n atomic.Uint32
	addr := probe.Serve(t, func(conn net.Conn) {
		der := bytes.Clone(fat)
		binary.BigEndian.PutUint32(der, n.Add(1)) // another certificate each time
		old(func(w wire, s []uint16) {
			w.say(records(22, append(append(accept(0x0303, s[0]), certificate(der)...), message(14, nil)...)))
		})(wire{conn, reader(conn)})
	})
	e, err := probe.Enumerate(context.Background(), probe.Target{Addr: addr}, probe.Options{})
	if err != nil || len(e.Versions) != 1 || len(e.Certificates) > 20 {
		t.Fatalf("%v, %+v", err, e)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 32<<20 {
		t.Errorf("%d MiB are kept for %d certificates", m.HeapAlloc>>20, len(e.Certificates))
	}
	runtime.KeepAlive(e)
	if _, err := x509.ParseCertificate(fat); err == nil {
		t.Error("that was no certificate")
	}
}
