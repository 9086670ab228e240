package host

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
)

// Listening are the addresses on which a process listens on TCP, of this machine or
// of the network namespace in which it is (proc(5), /proc/net/tcp).
func Listening(m Reader, pid string) (out []netip.AddrPort, err error) {
	proc := filepath.Join("/proc", pid)
	files, err := m.Glob(filepath.Join(proc, "fd", "*"))
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, f := range files {
		if to, err := m.Readlink(f); err == nil {
			own[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	if len(own) == 0 {
		return nil, fmt.Errorf("%s tells nothing of its files", proc)
	}
	const local, state, inode, listen = 1, 3, 9, "0A"
	for _, name := range []string{"tcp", "tcp6"} {
		text, err := m.ReadFile(filepath.Join(proc, "net", name))
		if err != nil && name == "tcp" {
			return nil, err
		}
		for _, line := range strings.Split(string(text), "\n") {
			f := strings.Fields(line)
			if len(f) <= inode || f[state] != listen || !own[f[inode]] {
				continue
			}
			a, err := addrPort(f[local])
			if err != nil {
				return nil, err
			}
			out = append(out, a)
		}
	}
	return out, nil
}

// addrPort reads "0100007F:0019": the address as the words of the processor.
func addrPort(text string) (netip.AddrPort, error) {
	address, port, _ := strings.Cut(text, ":")
	a, err := hex.DecodeString(address)
	if err != nil || len(a) != 4 && len(a) != 16 {
		return netip.AddrPort{}, fmt.Errorf("%.60q is no address with a port", text)
	}
	for i := 0; i < len(a); i += 4 {
		binary.NativeEndian.PutUint32(a[i:], binary.BigEndian.Uint32(a[i:]))
	}
	p, err := hex.DecodeString(port)
	if err != nil || len(p) != 2 {
		return netip.AddrPort{}, fmt.Errorf("%.60q is no address with a port", text)
	}
	ip, _ := netip.AddrFromSlice(a)
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(p)), nil
}
