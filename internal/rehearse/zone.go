package rehearse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// zone answers DNS for one made-up destination, on port 53 of a loopback
// address of its own. With validates, each answer says that it was validated
// (AD, RFC 4035 section 3.2.3), as a validating resolver would.
type zone struct {
	domain, host string
	addr         netip.Addr
	validates    bool
	// tlsa are the records of the host, by port.
	tlsa map[string]string
}

// open takes port 53 for the zone. Where another server has it on all addresses,
// and does not share it, the rehearsal gets a network of its own.
func (z *zone) open(ctx context.Context) (net.PacketConn, *space, error) {
	c, err := z.listen(ctx)
	if !errors.Is(err, unix.EADDRINUSE) {
		return c, nil, err
	}
	s, own := newSpace()
	if own != nil {
		return nil, nil, fmt.Errorf("%w; and %w", err, own)
	}
	err = s.do(func() error {
		c, err = z.listen(ctx)
		return err
	})
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return c, s, nil
}

func (z *zone) listen(ctx context.Context) (net.PacketConn, error) {
	share := func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) {
			// A resolver of the machine may listen on all addresses.
			for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
				if e := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 1); e != nil {
					err = e
				}
			}
		}); e != nil {
			return e
		}
		return err
	}
	c, err := (&net.ListenConfig{Control: share}).ListenPacket(ctx, "udp4", netip.AddrPortFrom(z.addr, 53).String())
	if err != nil {
		return nil, fmt.Errorf("answering DNS for the rehearsal: %w", err)
	}
	return c, nil
}

// serve answers until ctx ends.
func (z *zone) serve(ctx context.Context, c net.PacketConn) {
	s := &dns.Server{PacketConn: c, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(z.answer(q)) })}
	go func() { _ = s.ActivateAndServe() }()
	context.AfterFunc(ctx, func() { _ = c.Close() })
}

// answer makes the reply to one question.
func (z *zone) answer(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable, m.AuthenticatedData = true, z.validates
	if len(q.Question) != 1 {
		m.Rcode = dns.RcodeFormatError
		return m
	}
	name, kind := strings.ToLower(strings.TrimSuffix(q.Question[0].Name, ".")), q.Question[0].Qtype
	record := func(format string, args ...any) {
		rr, err := dns.NewRR(fmt.Sprintf("%s 60 IN ", q.Question[0].Name) + fmt.Sprintf(format, args...))
		if err == nil {
			m.Answer = append(m.Answer, rr)
		}
	}
	port, owner, _ := strings.Cut(name, "._tcp.")
	switch {
	case name == "" && kind == dns.TypeNS: // Postfix asks this to see whether answers are validated
		record("NS ns.invalid.")
	case name == z.domain && kind == dns.TypeMX:
		record("MX 10 %s.", z.host)
	case name == z.host && kind == dns.TypeA:
		record("A %s", z.addr)
	case owner == z.host && kind == dns.TypeTLSA && z.tlsa[strings.TrimPrefix(port, "_")] != "":
		record("TLSA %s", z.tlsa[strings.TrimPrefix(port, "_")])
	case name != "" && name != z.domain && name != z.host:
		m.Rcode = dns.RcodeNameError
	}
	return m
}
