package listen

import (
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// MaxPorts bounds the ports of one run.
const MaxPorts = 32

// How many bytes of a packet are kept: all of one in which a TLS record begins, else what a
// network without jumbo frames carries, and of one without content only the headers.
const (
	snapHello   = 128 + 1<<14 + 64
	snapData    = 128 + 1600
	snapHeaders = 128
)

// Numbers of linux/filter.h, linux/if_packet.h and linux/if_ether.h.
const (
	pktHost     = 0
	pktOutgoing = 4
	tagged      = 0x8100
	taggedOuter = 0x88A8
	// vlanTag is how long the rest of a tag is where the network header should be.
	vlanTag = 4
)

// Offsets in a TCP header, and flags.
const (
	tcpOffset, tcpFlags            = 12, 13
	flagFIN, flagSYN, flagRST, ack = 0x01, 0x02, 0x04, 0x10
)

// program is a classic BPF program (Linux, networking/filter.rst) under construction: jumps
// go to labels.
type program struct {
	code   []bpf.Instruction
	labels map[string]int
	jumps  map[int]string // of conditional jumps that are to be filled in
}

func (p *program) add(code ...bpf.Instruction) { p.code = append(p.code, code...) }

func (p *program) label(name string) { p.labels[name] = len(p.code) }

// jump goes to a label if a condition holds.
func (p *program) jump(test bpf.JumpTest, value uint32, to string) {
	p.jumps[len(p.code)] = to
	p.add(bpf.JumpIf{Cond: test, Val: value})
}

// assemble fills the jumps in.
func (p *program) assemble() ([]unix.SockFilter, error) {
	for at, to := range p.jumps {
		skip := p.labels[to] - at - 1
		if skip < 0 || skip > 255 {
			return nil, fmt.Errorf("the packet filter jumps over %d instructions", skip)
		}
		j := p.code[at].(bpf.JumpIf)
		j.SkipTrue = uint8(skip)
		p.code[at] = j
	}
	raw, err := bpf.Assemble(p.code)
	if err != nil {
		return nil, err
	}
	out := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		out[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return out, nil
}

// filter is the program for a socket that gets packets without their link header. It lets
// through what the clients of these ports send, where it has content or ends a connection,
// and the answer with which a connection begins. Records of application data, in which mail
// is, are left in the kernel.
func filter(ports []uint16) ([]unix.SockFilter, error) {
	p := &program{labels: map[string]int{}, jumps: map[int]string{}}
	kinds := []struct {
		name  string
		proto uint32
		base  uint32
		v6    bool
	}{{"4", unix.ETH_P_IP, 0, false}, {"6", unix.ETH_P_IPV6, 0, true}, {"4 in a VLAN", unix.ETH_P_IP, vlanTag, false}, {"6 in a VLAN", unix.ETH_P_IPV6, vlanTag, true}}
	// Of what goes out, the network header is in front, whatever tags stand before it.
	p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: 0}, bpf.LoadExtension{Num: bpf.ExtType})
	p.jump(bpf.JumpNotEqual, pktOutgoing, "incoming")
	p.add(bpf.LoadAbsolute{Off: 0, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4})
	p.jump(bpf.JumpEqual, 6, "outgoing 6")
	p.add(bpf.LoadConstant{Dst: bpf.RegA, Val: unix.ETH_P_IP})
	p.jump(bpf.JumpGreaterOrEqual, 0, "kind")
	p.label("outgoing 6")
	p.add(bpf.LoadConstant{Dst: bpf.RegA, Val: unix.ETH_P_IPV6})
	p.jump(bpf.JumpGreaterOrEqual, 0, "kind")
	// Of what comes in, the kernel has taken off the outer tag, and no other.
	p.label("incoming")
	p.add(bpf.LoadExtension{Num: bpf.ExtProto})
	p.jump(bpf.JumpEqual, tagged, "tagged")
	p.jump(bpf.JumpNotEqual, taggedOuter, "kind")
	p.label("tagged")
	p.add(bpf.LoadAbsolute{Off: 2, Size: 2}, bpf.LoadConstant{Dst: bpf.RegX, Val: vlanTag})
	p.label("kind") // A is the protocol, and X where its header begins
	p.add(bpf.StoreScratch{Src: bpf.RegA, N: 0}, bpf.StoreScratch{Src: bpf.RegX, N: 1})
	for _, k := range kinds {
		next := "not " + k.name
		p.add(bpf.LoadScratch{Dst: bpf.RegA, N: 0})
		p.jump(bpf.JumpNotEqual, k.proto, next)
		p.add(bpf.LoadScratch{Dst: bpf.RegA, N: 1})
		p.jump(bpf.JumpNotEqual, k.base, next)
		p.network(k.name, k.base, k.v6)
		p.tcp(k.name, k.base, ports)
		p.label("drop " + k.name)
		p.add(bpf.RetConstant{Val: 0})
		p.label(next)
	}
	p.add(bpf.RetConstant{Val: 0})
	return p.assemble()
}

// network reads the IP header at base: X becomes its length, and scratch 2 the length of
// the TCP segment.
func (p *program) network(name string, base uint32, v6 bool) {
	drop := "drop " + name
	if v6 {
		p.add(bpf.LoadAbsolute{Off: base + 6, Size: 1})
		p.jump(bpf.JumpNotEqual, unix.IPPROTO_TCP, drop)
		p.add(bpf.LoadAbsolute{Off: base + 4, Size: 2}, bpf.LoadConstant{Dst: bpf.RegX, Val: 40})
	} else {
		p.add(bpf.LoadAbsolute{Off: base + 9, Size: 1})
		p.jump(bpf.JumpNotEqual, unix.IPPROTO_TCP, drop)
		p.add(bpf.LoadAbsolute{Off: base + 6, Size: 2})
		p.jump(bpf.JumpBitsSet, 0x3FFF, drop) // fragments
		p.add(bpf.LoadMemShift{Off: base}, bpf.LoadAbsolute{Off: base + 2, Size: 2}, bpf.ALUOpX{Op: bpf.ALUOpSub})
	}
	p.add(bpf.StoreScratch{Src: bpf.RegA, N: 2})
}

// tcp decides about the TCP header X bytes behind base.
func (p *program) tcp(name string, base uint32, ports []uint16) {
	drop, ours, answer, short, data := "drop "+name, "to a port "+name, "from a port "+name, "short "+name, "data "+name
	p.add(bpf.LoadIndirect{Off: base + 2, Size: 2})
	for _, port := range ports {
		p.jump(bpf.JumpEqual, uint32(port), ours)
	}
	p.add(bpf.LoadIndirect{Off: base, Size: 2})
	for _, port := range ports {
		p.jump(bpf.JumpEqual, uint32(port), answer)
	}
	p.jump(bpf.JumpGreaterOrEqual, 0, drop)

	p.label(answer)
	p.add(bpf.LoadIndirect{Off: base + tcpFlags, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: flagSYN | ack})
	p.jump(bpf.JumpNotEqual, flagSYN|ack, drop)
	p.add(bpf.LoadExtension{Num: bpf.ExtType})
	p.jump(bpf.JumpNotEqual, pktOutgoing, drop)
	p.label(short)
	p.add(bpf.RetConstant{Val: snapHeaders})

	p.label(ours)
	p.add(bpf.LoadExtension{Num: bpf.ExtType})
	p.jump(bpf.JumpNotEqual, pktHost, drop)
	// Scratch 3 becomes the length of the header, and A that of the content.
	p.add(bpf.LoadIndirect{Off: base + tcpOffset, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xF0}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 2},
		bpf.StoreScratch{Src: bpf.RegA, N: 3}, bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.StoreScratch{Src: bpf.RegA, N: 4},
		bpf.LoadIndirect{Off: base + tcpFlags, Size: 1}, bpf.StoreScratch{Src: bpf.RegA, N: 5},
		bpf.LoadScratch{Dst: bpf.RegA, N: 2}, bpf.LoadScratch{Dst: bpf.RegX, N: 3}, bpf.ALUOpX{Op: bpf.ALUOpSub})
	p.jump(bpf.JumpNotEqual, 0, data)
	p.add(bpf.LoadScratch{Dst: bpf.RegA, N: 5})
	p.jump(bpf.JumpBitsNotSet, flagFIN|flagRST, drop)
	p.add(bpf.RetConstant{Val: snapHeaders})

	p.label(data)
	some := "some " + name
	p.jump(bpf.JumpLessThan, 3, some) // A is the length of the content
	p.add(bpf.LoadScratch{Dst: bpf.RegX, N: 4}, bpf.LoadIndirect{Off: base, Size: 1})
	p.jump(bpf.JumpEqual, 22, "hello "+name)
	p.jump(bpf.JumpNotEqual, 23, some)
	p.add(bpf.LoadIndirect{Off: base + 1, Size: 2}, bpf.ALUOpConstant{Op: bpf.ALUOpSub, Val: 0x0301})
	p.jump(bpf.JumpLessOrEqual, 3, drop)
	p.label(some)
	p.add(bpf.RetConstant{Val: snapData})
	p.label("hello " + name)
	p.add(bpf.RetConstant{Val: snapHello})
}
