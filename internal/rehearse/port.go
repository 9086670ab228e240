package rehearse

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"postseal/internal/hint"
)

// Port is a port of a loopback address that is ours until Close. Postfix listens
// with SO_REUSEPORT (from 3.6 on), so two servers that were given the same
// "free" port do not clash: the kernel deals their clients out among them.
// A port that is only looked up and let go again can be given out twice.
type Port struct {
	// Addr is host:port.
	Addr string
	fd   int
}

// Reserve takes a port. The socket that holds it is bound and never listens,
// with SO_REUSEADDR and SO_REUSEPORT (socket(7)): a server of the same user
// can listen there, and nobody is given the port by chance.
func Reserve() (*Port, error) { return reserve(netip.AddrFrom4([4]byte{127, 0, 0, 1})) }

// reserve takes a port of an address.
func reserve(at netip.Addr) (*Port, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reserving a port: %w", err)
	}
	p := &Port{fd: fd}
	if p.Addr, err = p.bind(at); err != nil {
		p.Close()
		err = fmt.Errorf("reserving a port of %s: %w", at, err)
		if errors.Is(err, unix.EADDRNOTAVAIL) {
			err = hint.Wrap(err, "the private Postfix of a rehearsal needs IPv4 on the loopback interface: "+
				hint.ShellLine([]string{"ip", "address", "add", at.String() + "/8", "dev", "lo"})+" adds it; or skip the rehearsal: --no-rehearsal")
		}
		return nil, err
	}
	return p, nil
}

// bind takes the port before it lets others share it: a port that somebody
// shares already is not given out.
func (p *Port) bind(at netip.Addr) (string, error) {
	if err := unix.Bind(p.fd, &unix.SockaddrInet4{Addr: at.As4()}); err != nil {
		return "", err
	}
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if err := unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, option, 1); err != nil {
			return "", err
		}
	}
	name, err := unix.Getsockname(p.fd)
	if err != nil {
		return "", err
	}
	return netip.AddrPortFrom(at, uint16(name.(*unix.SockaddrInet4).Port)).String(), nil
}

// Close gives the port back.
func (p *Port) Close() { _ = unix.Close(p.fd) }
