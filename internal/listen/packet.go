package listen

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// key names a connection: the address and port of the client, and those of this machine.
type key struct {
	client, server [16]byte
	from, to       uint16
}

// sender is the address of the client.
func (k key) sender() netip.Addr { return netip.AddrFrom16(k.client).Unmap() }

// segment is one TCP segment. Data is only valid until the next packet.
type segment struct {
	key
	// answer is true for the segment with which the server accepts the connection.
	answer   bool
	seq, ack uint32
	flags    byte
	data     []byte
	// short is true if the kernel kept only a part of the data.
	short bool
}

// v4 is how IPv4 addresses begin among those of IPv6.
var v4 = [12]byte{10: 0xFF, 11: 0xFF}

// decode reads a packet that begins with its network header, or with what the kernel has
// left of its VLAN tags. Which of them it is differs between releases of Linux, so that it
// is told by the bytes. The filter has read them before, but nothing of that is relied on.
func decode(b []byte) (s segment, ok bool) {
	if s, ok = decodeIP(b); ok || len(b) < vlanTag {
		return s, ok
	}
	if kind := binary.BigEndian.Uint16(b[2:]); kind != unix.ETH_P_IP && kind != unix.ETH_P_IPV6 {
		return s, false
	}
	return decodeIP(b[vlanTag:])
}

func decodeIP(b []byte) (s segment, ok bool) {
	var source, target [16]byte
	var total int
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		header := int(b[0]&0x0F) * 4
		total = int(binary.BigEndian.Uint16(b[2:])) - header
		if header < 20 || len(b) < header || b[9] != unix.IPPROTO_TCP || binary.BigEndian.Uint16(b[6:])&0x3FFF != 0 {
			return s, false
		}
		copy(source[:], v4[:])
		copy(source[12:], b[12:16])
		copy(target[:], v4[:])
		copy(target[12:], b[16:20])
		b = b[header:]
	case len(b) >= 40 && b[0]>>4 == 6 && b[6] == unix.IPPROTO_TCP:
		total = int(binary.BigEndian.Uint16(b[4:]))
		copy(source[:], b[8:24])
		copy(target[:], b[24:40])
		b = b[40:]
	default:
		return s, false
	}
	return decodeTCP(b, total, source, target)
}

// decodeTCP reads a TCP segment of so many bytes.
func decodeTCP(b []byte, total int, source, target [16]byte) (s segment, ok bool) {
	if len(b) < 20 {
		return s, false
	}
	header := int(b[tcpOffset]>>4) * 4
	if header < 20 || total < header || len(b) < header {
		return s, false
	}
	s.flags, s.seq, s.ack = b[tcpFlags], binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	s.answer = s.flags&(flagSYN|ack) == flagSYN|ack
	from, to := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if s.answer {
		s.key = key{client: target, server: source, from: to, to: from}
	} else {
		s.key = key{client: source, server: target, from: from, to: to}
	}
	s.short = total > len(b)
	s.data = b[header:min(total, len(b))]
	return s, true
}
