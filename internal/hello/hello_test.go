package hello_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"postseal/internal/hello"
)

// sent is what a Go client with a configuration sends first.
func sent(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() {
		_ = tls.Client(theirs, c).Handshake()
		_ = theirs.Close()
	}()
	buf := make([]byte, 1<<14)
	n, err := ours.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	_ = ours.Close()
	return buf[:n]
}

// read puts a hello together from pieces.
func read(t testing.TB, pieces ...[]byte) *hello.Hello {
	t.Helper()
	var r hello.Reader
	for i, p := range pieces {
		h, err := r.Add(p)
		if err != nil {
			t.Fatalf("piece %d: %v", i, err)
		}
		if h != nil {
			return h
		}
	}
	t.Fatal("the hello is not whole")
	return nil
}

// TestGo: what a Go client is told to support is what its hello says.
func TestGo(t *testing.T) {
	h := read(t, sent(t, &tls.Config{ServerName: "mx.example.org", NextProtos: []string{"smtp"}, MaxVersion: tls.VersionTLS13}))
	if h.ServerName != "mx.example.org" || !slices.Equal(h.Protocols, []string{"smtp"}) || h.Newest != hello.TLS13 || h.Old {
		t.Errorf("%+v", h)
	}
	if !h.Supports(hello.TLS13) || !h.Supports(hello.TLS12) || h.Supports(hello.TLS11) {
		t.Errorf("versions %v", h.VersionNames())
	}
	if !slices.Contains(h.GroupNames(), "X25519MLKEM768") || !slices.Contains(h.SignatureNames(), "rsa_pss_rsae_sha256") || !slices.Contains(h.SuiteNames(), "ECDHE-RSA-AES128-GCM-SHA256") {
		t.Errorf("%v %v %v", h.GroupNames(), h.SignatureNames(), h.SuiteNames())
	}
	if len(h.Shares) == 0 {
		t.Error("no shares")
	}
	old := read(t, sent(t, &tls.Config{ServerName: "mx.example.org", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}))
	if old.Newest != hello.TLS10 || old.Supports(hello.TLS12) || len(old.Shares) > 0 {
		t.Errorf("%+v", old)
	}
}

// TestFingerprint: the same client has the same fingerprint each time, whatever name it asks
// for, and another client has another.
func TestFingerprint(t *testing.T) {
	a := read(t, sent(t, &tls.Config{ServerName: "a.example.org"}))
	b := read(t, sent(t, &tls.Config{ServerName: "b.example.org"}))
	c := read(t, sent(t, &tls.Config{ServerName: "a.example.org", MaxVersion: tls.VersionTLS12}))
	if a.Fingerprint() != b.Fingerprint() || a.Fingerprint() == c.Fingerprint() {
		t.Errorf("%s %s %s", a.Fingerprint(), b.Fingerprint(), c.Fingerprint())
	}
	if bytes.Contains(a.Shape, sent(t, &tls.Config{ServerName: "x"})[11:43]) {
		t.Error("random bytes are kept")
	}
}

// TestKeepsNothing: random bytes, session number, ticket and key shares are not in the shape.
func TestKeepsNothing(t *testing.T) {
	secret := []byte("do-not-keep-me-do-not-keep-me-00")
	message := with(message(secret, secret), extension(35, secret), extension(51, vector(append([]byte{0, 29, 0, 32}, secret...))), extension(44, secret), extension(0xFE0D, secret), extension(41, secret))
	h, err := hello.Parse(message)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(h.Shape, secret[:8]) {
		t.Errorf("kept: %q", h.Shape)
	}
	if !slices.Equal(h.Shares, []uint16{29}) {
		t.Errorf("shares %v", h.Shares)
	}
	again, err := hello.Parse(h.Shape)
	if err != nil || !bytes.Equal(again.Shape, h.Shape) {
		t.Errorf("the shape is not stable: %v", err)
	}
}

func vector(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }

func extension(kind uint16, b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, kind), vector(b)...)
}

// message is a hello of TLS 1.2 with one suite and no extensions.
func message(random, session []byte) []byte {
	body := append([]byte{3, 3}, random...)
	body = append(append(body, byte(len(session))), session...)
	return framed(append(body, 0, 2, 0xC0, 0x2F, 1, 0))
}

func framed(body []byte) []byte {
	return append([]byte{1, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

func with(message []byte, extensions ...[]byte) []byte {
	return framed(append(slices.Clone(message[4:]), vector(slices.Concat(extensions...))...))
}

// records cuts a message into records.
func records(message []byte, size int) (out []byte) {
	for part := range slices.Chunk(message, size) {
		out = append(append(out, 22, 3, 1), vector(part)...)
	}
	return out
}

// TestPieces: a hello is the same whatever records and pieces it comes in.
func TestPieces(t *testing.T) {
	whole := sent(t, &tls.Config{ServerName: "mx.example.org"})
	want := read(t, whole)
	rapid.Check(t, func(rt *rapid.T) {
		data := records(whole[5:], rapid.IntRange(1, len(whole)).Draw(rt, "record"))
		data = append(data, "what follows"...)
		var r hello.Reader
		for len(data) > 0 {
			n := rapid.IntRange(1, len(data)).Draw(rt, "piece")
			h, err := r.Add(data[:n])
			if err != nil {
				rt.Fatal(err)
			}
			if h != nil {
				if !bytes.Equal(h.Shape, want.Shape) {
					rt.Fatal("another hello")
				}
				return
			}
			data = data[n:]
		}
		rt.Fatal("the hello is not whole")
	})
}

// TestOld: a hello in the format of SSL 2.0 is read.
func TestOld(t *testing.T) {
	body := []byte{1, 3, 1, 0, 9, 0, 0, 0, 16, 0, 0, 0x2F, 1, 0, 0x80, 0, 0, 0x05}
	body = append(body, "0123456789abcdef"...)
	data := append([]byte{0x80, byte(len(body))}, body...)
	h := read(t, data[:1], data[1:7], data[7:])
	if !h.Old || h.Newest != hello.TLS10 || !slices.Equal(h.SuiteNames(), []string{"AES128-SHA", "RC4-SHA"}) || bytes.Contains(h.Shape, []byte("0123")) {
		t.Errorf("%+v", h)
	}
	if again, err := hello.Parse(h.Shape); err != nil || again.Fingerprint() != h.Fingerprint() {
		t.Errorf("%v", err)
	}
}

// TestRefuses: what is no ClientHello is an error, and nothing else.
func TestRefuses(t *testing.T) {
	good := message(make([]byte, 32), nil)
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"SMTP":               {[]byte("EHLO mx\r\n"), hello.ErrNotTLS},
		"an alert":           {[]byte{21, 3, 1, 0, 2, 2, 40}, hello.ErrNotTLS},
		"a ServerHello":      {records(append([]byte{2}, good[1:]...), 99), hello.ErrNotTLS},
		"no suites":          {records(framed(append([]byte{3, 3}, make([]byte, 37)...)), 99), hello.ErrMangled},
		"an extension twice": {records(with(good, extension(22, nil), extension(22, nil)), 999), hello.ErrMangled},
		"a short extension":  {records(with(good, []byte{0, 10, 0, 9, 0}), 999), hello.ErrMangled},
		"an empty record":    {[]byte{22, 3, 1, 0, 0}, hello.ErrNotTLS},
		"endless":            {records(append([]byte{1, 0xFF, 0xFF, 0xFF}, make([]byte, 70<<10)...), 1<<14), hello.ErrTooLarge},
		"a short SSL 2.0":    {[]byte{0x80, 3, 1, 2, 3}, hello.ErrNotTLS},
	} {
		t.Run(name, func(t *testing.T) {
			var r hello.Reader
			if h, err := r.Add(c.data); h != nil || !errors.Is(err, c.want) {
				t.Errorf("%v, %v", h, err)
			}
		})
	}
}

// TestMeet: what a client and a server lack is named.
func TestMeet(t *testing.T) {
	now := hello.Server{Versions: []uint16{hello.TLS12, hello.TLS13}, Suites: []uint16{0xC02F, 0xC02B}, Groups: []uint16{29, 23}, Keys: []string{"RSA", "ECDSA"}}
	ecdsa, old := now, now
	ecdsa.Keys, old.Versions = []string{"ECDSA"}, []uint16{hello.TLS10, hello.TLS12}
	for name, c := range map[string]struct {
		h    hello.Hello
		s    hello.Server
		want hello.Meeting
	}{
		"modern":              {hello.Hello{Versions: []uint16{hello.TLS13}, Suites: []uint16{0x1301}, Groups: []uint16{29}, Signatures: []uint16{0x0804}}, now, hello.Meeting{Version: hello.TLS13, Suite: 0x1301, Group: 29}},
		"too old":             {hello.Hello{Newest: hello.TLS11, Suites: []uint16{0xC02F}}, now, hello.Meeting{Lacks: "version"}},
		"a gap":               {hello.Hello{Newest: hello.TLS11, Suites: []uint16{0x002F}}, old, hello.Meeting{Version: hello.TLS10, Lacks: "suite"}},
		"CBC only":            {hello.Hello{Newest: hello.TLS12, Suites: []uint16{0xC027}, Groups: []uint16{29}}, now, hello.Meeting{Version: hello.TLS12, Lacks: "suite"}},
		"RSA only":            {hello.Hello{Newest: hello.TLS12, Suites: []uint16{0xC02F}, Groups: []uint16{29}}, ecdsa, hello.Meeting{Version: hello.TLS12, Lacks: "suite"}},
		"another curve":       {hello.Hello{Newest: hello.TLS12, Suites: []uint16{0xC02F}, Groups: []uint16{25}}, now, hello.Meeting{Version: hello.TLS12, Lacks: "group"}},
		"no group named":      {hello.Hello{Newest: hello.TLS12, Suites: []uint16{0xC02F}}, now, hello.Meeting{Version: hello.TLS12, Suite: 0xC02F}},
		"another curve, 1.3":  {hello.Hello{Versions: []uint16{hello.TLS13}, Suites: []uint16{0x1301}, Groups: []uint16{25}, Signatures: []uint16{0x0804}}, now, hello.Meeting{Version: hello.TLS13, Suite: 0x1301, Lacks: "group"}},
		"RSA signatures, 1.3": {hello.Hello{Versions: []uint16{hello.TLS13}, Suites: []uint16{0x1301}, Groups: []uint16{29}, Signatures: []uint16{0x0804}}, ecdsa, hello.Meeting{Version: hello.TLS13, Suite: 0x1301, Group: 29, Lacks: "signature"}},
		"DSA signatures":      {hello.Hello{Newest: hello.TLS12, Suites: []uint16{0xC02F}, Groups: []uint16{29}, Signatures: []uint16{0x0402}}, now, hello.Meeting{Version: hello.TLS12, Lacks: "signature"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.h.Meet(c.s); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// TestReplay: what is sent again reads as the same client, and a Go server takes it.
func TestReplay(t *testing.T) {
	h := read(t, sent(t, &tls.Config{ServerName: "mx.example.org"}))
	again := read(t, h.Replay())
	if again.Fingerprint() != h.Fingerprint() || !slices.Equal(again.Shares, h.Shares) {
		t.Errorf("%+v", again)
	}
	if bytes.Equal(h.Replay(), h.Replay()) {
		t.Error("the random bytes are the same")
	}
}

func FuzzReader(f *testing.F) {
	f.Add(sent(f, &tls.Config{ServerName: "mx.example.org"}))
	f.Add(records(message(make([]byte, 32), nil), 7))
	f.Add([]byte{0x80, 0x22, 1, 3, 1, 0, 9, 0, 0, 0, 16})
	f.Fuzz(func(t *testing.T, data []byte) {
		var r hello.Reader
		h, err := r.Add(data)
		if h == nil || err != nil {
			return
		}
		again, err := hello.Parse(h.Shape)
		if err != nil || !bytes.Equal(again.Shape, h.Shape) || again.Fingerprint() != h.Fingerprint() {
			t.Fatalf("the shape %x does not read as itself: %v", h.Shape, err)
		}
		var second hello.Reader
		if again, err := second.Add(h.Replay()); err != nil || again == nil {
			t.Fatalf("what is sent again is no hello: %v", err)
		}
		h.Meet(hello.Server{Versions: []uint16{hello.TLS10, hello.TLS12, hello.TLS13}, Suites: []uint16{0xC02F}, Keys: []string{"RSA"}})
	})
}
