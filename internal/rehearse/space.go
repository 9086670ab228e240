package rehearse

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// space is a network of its own, with nothing in it but the loopback interface
// (network_namespaces(7)). The nil space is the network of the machine.
type space struct{ net *os.File }

// thread is where the kernel shows the network of the calling thread.
const thread = "/proc/thread-self/ns/net"

// newSpace makes one. It needs root; in some containers root may not.
func newSpace() (*space, error) {
	var s space
	err := away(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		if err = loopbackUp(); err != nil {
			return err
		}
		s.net, err = os.Open(thread)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("creating a private network: %w", err)
	}
	return &s, nil
}

// do runs f there: sockets that it opens, and programs that it starts, are in
// that network from then on.
func (s *space) do(f func() error) error {
	if s == nil {
		return f()
	}
	return away(func() error {
		if err := unix.Setns(int(s.net.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

func (s *space) close() {
	if s != nil {
		_ = s.net.Close()
	}
}

// away runs f on a thread that nothing else runs on, and that ends with it.
func away(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is not used again
		done <- f()
	}()
	return <-done
}

// loopbackUp switches the loopback interface on (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}
