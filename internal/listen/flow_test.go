package listen

import (
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postseal/internal/hello"
)

// sent is the hello of a Go client.
func sent(t testing.TB) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() {
		_ = tls.Client(theirs, &tls.Config{ServerName: "mx.example.org"}).Handshake()
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

// outcome is what came of one connection.
type outcome struct {
	verdict  verdict
	hello    *hello.Hello
	implicit bool
	times    int
}

// watched are flows that note what came of the only connection.
func watched() (*flows, *outcome) {
	o := &outcome{}
	return newFlows(func([16]byte) bool { return true }, func(_ key, v verdict, h *hello.Hello, implicit bool) {
		*o = outcome{v, h, implicit, o.times + 1}
	}), o
}

// one is the connection of the tests; its numbers wrap around in the hello.
var one = key{client: netip.MustParseAddr("192.0.2.1").As16(), server: netip.MustParseAddr("192.0.2.25").As16(), from: 40000, to: 25}

const clientStart, serverStart = 0xFFFFFF80, 7000

func accept() segment {
	return segment{key: one, answer: true, seq: serverStart, ack: clientStart, flags: flagSYN | ack}
}

func piecewise(at int, data []byte) segment {
	return segment{key: one, seq: clientStart + uint32(at), ack: serverStart + 1, flags: ack, data: data}
}

// TestAnyOrder: the hello is the same whatever segments it comes in, in whatever order,
// with overlaps and repetitions.
func TestAnyOrder(t *testing.T) {
	tlsBytes := sent(t)
	want, err := new(hello.Reader).Add(tlsBytes)
	if err != nil || want == nil {
		t.Fatal(err)
	}
	for name, before := range map[string]string{"STARTTLS": "EHLO client.example\r\nSTARTTLS\r\n", "implicit": "", "after a refusal": "STARTTLS\r\nEHLO x\r\nstarttls \r\n"} {
		stream := append([]byte(before), tlsBytes...)
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				var all []segment
				for at := 0; at < len(stream); {
					n := rapid.IntRange(1, 400).Draw(rt, "length")
					from := max(0, at-rapid.IntRange(0, 20).Draw(rt, "overlap"))
					to := min(len(stream), at+n)
					for range rapid.IntRange(1, 2).Draw(rt, "times") {
						all = append(all, piecewise(from, stream[from:to]))
					}
					at = to
				}
				shuffle := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 0))
				shuffle.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				flows, o := watched()
				flows.add(accept())
				flows.add(accept()) // as on a second interface
				for _, s := range all {
					flows.add(s)
				}
				if o.verdict != offered || o.hello == nil || o.times != 1 || o.hello.Fingerprint() != want.Fingerprint() || o.implicit != (before == "") {
					rt.Fatalf("%+v of %d segments", o, len(all))
				}
				if len(flows.all) != 0 || flows.held != 0 || flows.oldest != nil || flows.newest != nil {
					rt.Fatalf("%d flows with %d bytes are left", len(flows.all), flows.held)
				}
			})
		})
	}
}

// TestDialogue: what a client says decides what the connection is, and mail is not read.
func TestDialogue(t *testing.T) {
	for name, c := range map[string]struct {
		says string
		want verdict
	}{
		"mail in cleartext":     {"EHLO x\r\nMAIL FROM:<a@example.org>\r\n", cleartext},
		"a login":               {"EHLO x\r\nauth PLAIN AGEAYg==\r\n", cleartext},
		"STARTTLS, then mail":   {"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<>\r\n", cleartext},
		"a probe of ours":       {"EHLO postseal.invalid\r\n", probed},
		"nearly one":            {"EHLO postseal.invalid.example\r\nMAIL\r\n", cleartext},
		"another word":          {"STARTTLSX\r\n\x16\x03\x01", unsettled},
		"a hello without leave": {"EHLO x\r\n\x16\x03\x01\x00\x05\r\nMAIL\r\n", cleartext},
		"no TLS after STARTTLS": {"STARTTLS\r\n\x16\x09", unread},
		"a long line":           {strings.Repeat("x", 2000), unread},
		"for ever":              {strings.Repeat("NOOP\r\n", 2000), unread},
	} {
		t.Run(name, func(t *testing.T) {
			flows, o := watched()
			flows.add(accept())
			for i := range len(c.says) {
				flows.add(piecewise(i, []byte{c.says[i]}))
			}
			if o.verdict != c.want {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestForged: segments of a client that does not know what the server answered are not
// read, and neither is a connection to another machine.
func TestForged(t *testing.T) {
	data := sent(t)
	flows, o := watched()
	forged := piecewise(0, data)
	forged.ack = serverStart + 1<<24
	flows.add(forged)
	flows.add(accept())
	flows.add(forged)
	reset := piecewise(5, nil)
	reset.flags = flagRST
	flows.add(reset)
	if o.times != 0 {
		t.Errorf("%+v", o)
	}
	flows.add(piecewise(0, data))
	if o.verdict != offered {
		t.Errorf("%+v", o)
	}
	elsewhere, o := watched()
	elsewhere.local = func([16]byte) bool { return false }
	elsewhere.add(accept())
	elsewhere.add(piecewise(0, data))
	if o.times != 0 || len(elsewhere.all) != 0 {
		t.Errorf("%+v", o)
	}
}

// TestBounds: however many connections there are, and whatever they hold back, memory has
// a limit.
func TestBounds(t *testing.T) {
	flows, o := watched()
	big := slices.Repeat([]byte{22}, 1400)
	for n := range 3 * maxFlows {
		a := accept()
		a.client[10], a.client[11], a.from = byte(n>>24), byte(n>>16), uint16(n)
		flows.add(a)
		for i := range 10 {
			s := piecewise(100+i*1400, big)
			s.key = a.key
			flows.add(s)
		}
		if len(flows.all) > maxFlows || flows.held > maxHeld+maxPending {
			t.Fatalf("%d flows hold %d bytes", len(flows.all), flows.held)
		}
	}
	if flows.pushed == 0 || o.times != 0 {
		t.Errorf("%d pushed out, %+v", flows.pushed, o)
	}
	last := accept()
	flows.add(last)
	for i := range 200 {
		flows.add(piecewise(100+i*1400, big))
	}
	if o.verdict != unread {
		t.Errorf("a connection that never comes to its next byte: %+v", o)
	}
}

// TestEnds: a connection that ends is forgotten.
func TestEnds(t *testing.T) {
	for _, flag := range []byte{flagFIN, flagRST} {
		flows, o := watched()
		flows.add(accept())
		flows.add(piecewise(0, []byte("QUIT\r\n")))
		s := piecewise(6, nil)
		s.flags |= flag
		flows.add(s)
		if o.verdict != unread || len(flows.all) != 0 || flows.held != 0 {
			t.Errorf("%+v, %d", o, flows.held)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x45\x00\x00\x29\x00\x00\x40\x00\x40\x06\x00\x00\x7f\x00\x00\x01\x7f\x00\x00\x01\x9c\x40\x00\x19\x00\x00\x00\x01\x00\x00\x00\x01\x50\x10\x00\x00\x00\x00\x00\x00Q"))
	f.Add([]byte("\x00\x01\x86\xdd\x60\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		flows, _ := watched()
		flows.add(accept())
		for range 2 {
			if s, ok := decode(data); ok {
				flows.add(s)
				s.key = one
				flows.add(s)
			}
		}
	})
}
