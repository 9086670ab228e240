package listen

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"postseal/internal/hint"
)

// The ring that the kernel writes packets to, in blocks (Linux, packet_mmap.rst). A block
// that is not full is handed over after blockWait milliseconds.
const (
	blockSize = 256 << 10
	blocks    = 16
	blockWait = 100
	frameSize = 2048
)

// Offsets in the structures of linux/if_packet.h: tpacket_block_desc and tpacket3_hdr.
const (
	atStatus, atCount, atFirst   = 8, 12, 16
	atNext, atKept, atNet        = 0, 12, 26
	statusKernel, statusUserBit0 = 0, 1
)

// socket is a packet socket with its ring.
type socket struct {
	fd, wake int
	ring     []byte
	block    int
	// received and lost are counts of the kernel.
	received, lost uint64
}

// open makes a socket that gets the packets of these ports on an interface, or on all
// where its number is 0.
func open(ports []uint16, index int) (_ *socket, err error) {
	program, err := filter(ports)
	if err != nil {
		return nil, err
	}
	// It gets nothing before it is bound, so that all it gets has passed the filter.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, refused(os.NewSyscallError("socket", err))
	}
	s := &socket{fd: fd, wake: -1}
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}); err != nil {
		return nil, os.NewSyscallError("attaching the packet filter", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return nil, os.NewSyscallError("setsockopt", err)
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
		Block_size: blockSize, Block_nr: blocks, Frame_size: frameSize, Frame_nr: blocks * blockSize / frameSize, Retire_blk_tov: blockWait}); err != nil {
		return nil, os.NewSyscallError("setting up the packet ring", err)
	}
	if s.ring, err = unix.Mmap(fd, 0, blocks*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	if s.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	all := binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL) // in the order of the network
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(all), Ifindex: index}); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	return s, nil
}

// refused says what to do about a socket that the kernel does not allow.
func refused(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return hint.Wrap(fmt.Errorf("opening a packet socket: %w", err), "run it as root, or give the process CAP_NET_RAW")
	}
	return fmt.Errorf("opening a packet socket: %w", err)
}

// Close ends the socket.
func (s *socket) Close() error {
	var errs []error
	if s.ring != nil {
		errs = append(errs, unix.Munmap(s.ring))
	}
	if s.wake >= 0 {
		errs = append(errs, unix.Close(s.wake))
	}
	return errors.Join(append(errs, unix.Close(s.fd))...)
}

// read hands over packets until ctx ends, the network header first, and calls idle after
// each look at the ring, at least every second. What came before the end is handed over,
// too.
func (s *socket) read(ctx context.Context, packet func(data []byte), idle func() error) error {
	stop := context.AfterFunc(ctx, func() {
		_, _ = unix.Write(s.wake, binary.NativeEndian.AppendUint64(nil, 1))
	})
	defer stop()
	for {
		if err := s.wait(time.Second, s.wake); err != nil {
			return err
		}
		ended := ctx.Err() != nil
		for s.next(packet) {
		}
		if err := idle(); err != nil {
			return err
		}
		if ended {
			break
		}
	}
	for end := time.Now().Add(2 * blockWait * time.Millisecond); time.Now().Before(end); {
		if err := s.wait(time.Until(end), -1); err != nil {
			return err
		}
		for s.next(packet) {
		}
	}
	return nil
}

// wait returns when a block is finished, when the descriptor wake is readable (-1 is none),
// or when the time is over. An interface that goes down is no error: it may come back.
func (s *socket) wait(most time.Duration, wake int) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}, int(most.Milliseconds())+1)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("poll", err)
	}
	if failed, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && failed != 0 && unix.Errno(failed) != unix.ENETDOWN {
		return os.NewSyscallError("the packet socket", unix.Errno(failed))
	}
	return nil
}

// next hands over the packets of the next block, if the kernel has finished it.
func (s *socket) next(packet func(data []byte)) bool {
	block := s.ring[s.block*blockSize : (s.block+1)*blockSize]
	// The kernel writes the rest of the block before this word, and we read it after.
	status := (*uint32)(unsafe.Pointer(&block[atStatus]))
	if atomic.LoadUint32(status)&statusUserBit0 == 0 {
		return false
	}
	at := int(binary.NativeEndian.Uint32(block[atFirst:]))
	for range binary.NativeEndian.Uint32(block[atCount:]) {
		header := block[at:]
		start, kept := int(binary.NativeEndian.Uint16(header[atNet:])), int(binary.NativeEndian.Uint32(header[atKept:]))
		packet(header[start : start+kept])
		at += int(binary.NativeEndian.Uint32(header[atNext:]))
	}
	atomic.StoreUint32(status, statusKernel)
	s.block = (s.block + 1) % blocks
	return true
}

// count asks the kernel how many packets there were since it was last asked.
func (s *socket) count() error {
	stats, err := unix.GetsockoptTpacketStatsV3(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return os.NewSyscallError("packet statistics", err)
	}
	s.received += uint64(stats.Packets)
	s.lost += uint64(stats.Drops)
	return nil
}

// interfaceNumber is the number of an interface, 0 for "any".
func interfaceNumber(name string) (int, error) {
	if name == "" || name == "any" {
		return 0, nil
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, hint.Wrap(fmt.Errorf("interface %.20q: %w", name, err), "use one of those that ip link lists, or any")
	}
	return i.Index, nil
}
