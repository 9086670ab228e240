package listen_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/listen"
)

// apart runs f in a network namespace of its own, on a thread that ends with it.
func apart(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and is not unlocked: the thread is of no use any more
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// shell runs a script in the namespace of the thread.
func shell(script string, args ...any) error {
	script = fmt.Sprintf(script, args...)
	if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", script, err, out)
	}
	return nil
}

// TestNamespaces: senders in another network namespace are heard over a wire, on its
// interface and on all at once.
func TestNamespaces(t *testing.T) {
	lab.NeedRoot(t)
	lab.Need(t, "ip", "openssl")
	theirs := fmt.Sprintf("postseal-test-%d", os.Getpid())
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", theirs).Run() })
	apart(t, func() error {
		if err := shell(`ip link set lo up
ip netns add %[1]s
ip link add wire0 type veth peer name wire1 netns %[1]s
ip addr add 192.0.2.1/24 dev wire0
ip addr add 2001:db8::1/64 dev wire0 nodad
ip link set wire0 up
ip netns exec %[1]s ip addr add 192.0.2.2/24 dev wire1
ip netns exec %[1]s ip addr add 2001:db8::2/64 dev wire1 nodad
ip netns exec %[1]s ip link set wire1 up`, theirs); err != nil {
			return err
		}
		for _, address := range []string{"192.0.2.1", "2001:db8::1"} {
			for _, where := range []string{"wire0", "any"} {
				if err := across(t, theirs, address, where); err != nil {
					t.Errorf("to %s on %s: %v", address, where, err)
				}
			}
		}
		return nil
	})
}

// across has a sender in a namespace come to an address here.
func across(t *testing.T, theirs, address, where string) error {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return err
	}
	server(t, l, false)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	failed := make(chan error, 1)
	begin := func() {
		go func() {
			out, err := exec.Command("nsenter", "--net=/run/netns/"+theirs, "sh", "-c", "echo QUIT | timeout 10 openssl s_client -starttls smtp -connect "+l.Addr().String()).CombinedOutput()
			if !strings.Contains(string(out), "Cipher") {
				err = fmt.Errorf("%w: %s", err, out)
			} else {
				err = nil
			}
			failed <- err
			stop()
		}()
	}
	store, run, err := listen.Listen(ctx, host.Local{}, lab.Dir(t), listen.Options{Ports: []uint16{portOf(t, l.Addr().String())}, Interface: where, Ready: begin})
	if err := <-failed; err != nil {
		return err
	}
	if err != context.Canceled { //nolint:errorlint // as it is
		return err
	}
	if run.TLS != 1 || run.Lost != 0 || len(store.Senders) != 1 {
		return fmt.Errorf("%+v", run)
	}
	if names := store.Hellos[store.Fingerprints()[0]].Hello.GroupNames(); !slices.Contains(names, "x25519") {
		return fmt.Errorf("groups %v", names)
	}
	return nil
}

// frame is an Ethernet frame with the VLAN tags, from one hardware address to another.
func frame(to, from net.HardwareAddr, tags []uint16, packet []byte) []byte {
	out := append(slices.Clone(to), from...)
	for _, tag := range tags {
		out = binary.BigEndian.AppendUint16(append(out, 0x81, 0), tag)
	}
	kind := uint16(unix.ETH_P_IP)
	if packet[0]>>4 == 6 {
		kind = unix.ETH_P_IPV6
	}
	return append(binary.BigEndian.AppendUint16([]byte(out), kind), packet...)
}

// packet is a TCP segment with its IP header, without checksums.
func packet(from, to netip.AddrPort, seq, ack uint32, flags byte, data []byte) []byte {
	tcp := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, from.Port()), to.Port())
	tcp = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(tcp, seq), ack)
	tcp = append(append(tcp, 5<<4, flags, 0xFF, 0xFF, 0, 0, 0, 0), data...)
	var ip []byte
	if from.Addr().Is4() {
		ip = []byte{0x45, 0, byte((20 + len(tcp)) >> 8), byte(20 + len(tcp)), 0, 1, 0x40, 0, 64, 6, 0, 0}
	} else {
		ip = []byte{0x60, 0, 0, 0, byte(len(tcp) >> 8), byte(len(tcp)), 6, 64}
	}
	return slices.Concat(ip, from.Addr().AsSlice(), to.Addr().AsSlice(), tcp)
}

// put sends a frame out of an interface.
func put(name string, data []byte) error {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, data, 0, &unix.SockaddrLinklayer{Ifindex: i.Index})
}

// TestVLAN: connections are read whatever VLAN tags their frames have. The frames are made
// by hand, on both ends of a wire: no VLAN has to be set up.
func TestVLAN(t *testing.T) {
	lab.NeedRoot(t)
	lab.Need(t, "ip")
	hello := captured(t)
	apart(t, func() error {
		if err := shell(`ip link set lo up
ip link add wire0 type veth peer name wire1
ip addr add 192.0.2.1/24 dev wire0
ip addr add 2001:db8::1/64 dev wire0 nodad
ip link set wire0 up
ip link set wire1 up`); err != nil {
			return err
		}
		ours, err := net.InterfaceByName("wire0")
		if err != nil {
			return err
		}
		other, err := net.InterfaceByName("wire1")
		if err != nil {
			return err
		}
		for _, tags := range [][]uint16{nil, {7}, {7, 9}, {0x47, 0x4509}} {
			for _, end := range []string{"192.0.2.1", "2001:db8::1"} {
				server := netip.AddrPortFrom(netip.MustParseAddr(end), 2525)
				client := netip.AddrPortFrom(server.Addr().Next(), 40000)
				send := func() {
					say := append([]byte("EHLO x\r\nSTARTTLS\r\n"), hello...)
					half := len(say) / 2
					err := errors.Join(
						put("wire0", frame(other.HardwareAddr, ours.HardwareAddr, tags, packet(server, client, 999, 5000, 0x12, nil))),
						put("wire1", frame(ours.HardwareAddr, other.HardwareAddr, tags, packet(client, server, 5000+uint32(half), 1000, 0x18, say[half:]))),
						put("wire1", frame(ours.HardwareAddr, other.HardwareAddr, tags, packet(client, server, 5000, 1000, 0x18, say[:half]))))
					if err != nil {
						t.Error(err)
					}
				}
				ctx, stop := context.WithCancel(t.Context())
				store, run, err := listen.Listen(ctx, host.Local{}, lab.Dir(t), listen.Options{Ports: []uint16{25, 2525}, Interface: "wire0", Ready: func() { send(); stop() }})
				stop()
				if err != context.Canceled { //nolint:errorlint // as it is
					return err
				}
				if run.TLS != 1 || store.Senders[client.Addr()] == nil {
					t.Errorf("to %s with tags %v: %+v", end, tags, run)
				}
			}
		}
		return nil
	})
}
