//go:build linux && amd64

package faults

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// blow is what happens to a run at one of its changes.
type blow string

// The blows. What fails from a call on goes on failing for the run.
const (
	none blow = "count"
	kill blow = "kill"     // kill -9, before the change
	term blow = "term"     // SIGTERM, as systemctl stop sends
	eio  blow = "eio"      // this change fails, and no other
	full blow = "full"     // from here on nothing new can be written
	lull blow = "lull"     // nothing new can be written for two seconds
	ro   blow = "readonly" // from here on nothing can be changed: the kernel's answer to a broken disc
	back blow = "back"     // from here on the clock is ten years behind
	on   blow = "on"       // from here on the clock is ten years ahead
)

// jump is by how much a blow puts the clock wrong, in seconds.
var jump = map[blow]int64{back: -10 * 365 * 86400, on: 10 * 365 * 86400}

// changes are the system calls that change files, as Go's library makes them;
// the value is the argument that holds a file descriptor, or else a path, with the
// folder that it starts from in the argument before.
var changes = map[uint64]struct {
	name string
	fd   int
	path int
	room bool // needs room on the disc
}{
	unix.SYS_WRITE:     {name: "write", path: -1, room: true},
	unix.SYS_PWRITE64:  {name: "pwrite", path: -1, room: true},
	unix.SYS_FTRUNCATE: {name: "ftruncate", path: -1},
	unix.SYS_FSYNC:     {name: "fsync", path: -1, room: true},
	unix.SYS_FCHMOD:    {name: "fchmod", path: -1},
	unix.SYS_FCHOWN:    {name: "fchown", path: -1},
	unix.SYS_FSETXATTR: {name: "fsetxattr", path: -1, room: true},
	unix.SYS_OPENAT:    {name: "openat", path: 1, room: true},
	unix.SYS_MKDIRAT:   {name: "mkdirat", path: 1, room: true},
	unix.SYS_RENAMEAT:  {name: "renameat", path: 3},
	unix.SYS_RENAMEAT2: {name: "renameat2", path: 3},
	unix.SYS_UNLINKAT:  {name: "unlinkat", path: 1},
	unix.SYS_LINKAT:    {name: "linkat", path: 3, room: true},
	unix.SYS_SYMLINKAT: {name: "symlinkat", path: 2, room: true},
	unix.SYS_FCHMODAT:  {name: "fchmodat", path: 1},
	unix.SYS_FCHOWNAT:  {name: "fchownat", path: 1},
	unix.SYS_UTIMENSAT: {name: "utimensat", path: 1},
}

// call is a system call at its entry or its exit, as PTRACE_GET_SYSCALL_INFO
// tells it (ptrace(2)).
type call struct {
	Op   uint8
	_    [3]uint8
	Arch uint32
	_    [2]uint64
	Nr   uint64
	Args [6]uint64
}

const (
	atEntry = 1
	atExit  = 2
	// Threads are followed (clone), and programs that are run are not (vfork).
	options  = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL
	callStop = unix.SIGTRAP | 0x80
)

// strike runs a program and strikes at the entry of its nth change, over all of its
// threads; what it runs itself is left alone. If from is not empty, no change counts
// before that file exists. It says what it hit: "" if the run had ended before.
// The program's exit code is 137 if it was killed.
func strike(b blow, n int, from string, argv []string) (hit string, code int, err error) {
	runtime.LockOSThread() // a tracer is a thread
	c := exec.Command(argv[0], argv[1:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := c.Start(); err != nil {
		return "", 0, err
	}
	pid := c.Process.Pid
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil {
		return "", 0, err
	}
	if jump[b] != 0 {
		if err := withoutVDSO(pid); err != nil {
			return "", 0, err
		}
	}
	if err := errors.Join(unix.PtraceSetOptions(pid, options), unix.PtraceSyscall(pid, 0)); err != nil {
		return "", 0, err
	}
	count := 0
	var struckAt time.Time             // when it was struck
	clocks := map[int]uintptr{}        // where a thread will find the time
	failing := map[int]syscall.Errno{} // what a thread's call is made to answer
	for {
		p, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		if err != nil {
			return hit, 0, err
		}
		signal := 0
		switch {
		case ws.Exited() || ws.Signaled():
			if p != pid {
				continue
			}
			if ws.Signaled() {
				return hit, 128 + int(ws.Signal()), nil
			}
			if b == none {
				hit = strconv.Itoa(count)
			}
			return hit, ws.ExitStatus(), nil
		case ws.StopSignal() == callStop:
			s, err := atStop(p)
			if err != nil {
				break // it was killed meanwhile
			}
			if s.Op == atExit {
				if at, ok := clocks[p]; ok {
					delete(clocks, p)
					shift(p, at, jump[b])
				}
				if e, ok := failing[p]; ok {
					delete(failing, p)
					answer(p, e)
				}
				break
			}
			if s.Op == atEntry && s.Nr == unix.SYS_CLOCK_GETTIME && s.Args[0] == unix.CLOCK_REALTIME && count >= n && jump[b] != 0 {
				clocks[p] = uintptr(s.Args[1])
			}
			what, room := change(p, s)
			program := s.Nr == unix.SYS_WAITID || s.Nr == unix.SYS_WAIT4
			if s.Op == atEntry && program && (b == kill || b == term || b == none) {
				what = "while a program runs"
			}
			if what == "" {
				break
			}
			if from != "" {
				if _, err := os.Lstat(from); err != nil {
					break
				}
				from = ""
			}
			count++
			if b != none && count == n {
				hit, struckAt = what, time.Now()
			}
			switch {
			case b == none || count < n:
			case b == kill && count == n:
				_ = unix.Kill(pid, unix.SIGKILL)
				continue
			case b == term && count == n:
				_ = unix.Kill(pid, unix.SIGTERM)
			case b == eio && count == n:
				failing[p] = unix.EIO
			case b == full && room, b == lull && room && time.Since(struckAt) < 2*time.Second:
				failing[p] = unix.ENOSPC
			case b == ro:
				failing[p] = unix.EROFS
			}
			if failing[p] != 0 {
				refuse(p)
			}
		case ws.StopSignal() == unix.SIGTRAP || ws.StopSignal() == unix.SIGSTOP:
		default:
			signal = int(ws.StopSignal())
		}
		_ = unix.PtraceSyscall(p, signal)
	}
}

// atStop is the call at which a thread stands.
func atStop(p int) (s call, err error) {
	_, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(p), unsafe.Sizeof(s), uintptr(unsafe.Pointer(&s)), 0, 0)
	if e != 0 {
		return s, e
	}
	return s, nil
}

// change says what a call at its entry changes, "" for nothing on a disc, and
// whether it needs room there. What goes to a terminal, a pipe or a socket is
// no change, and what lies in /tmp is thrown away.
func change(p int, s call) (what string, room bool) {
	if s.Op != atEntry {
		return "", false
	}
	c, ok := changes[s.Nr]
	if !ok {
		return "", false
	}
	var path string
	if c.path < 0 {
		path, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", p, int(s.Args[c.fd])))
	} else {
		path = text(p, uintptr(s.Args[c.path]))
		if dir := int32(s.Args[c.path-1]); dir >= 0 && !filepath.IsAbs(path) {
			folder, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", p, dir))
			path = filepath.Join(folder, path)
		}
	}
	if s.Nr == unix.SYS_OPENAT && s.Args[2]&(unix.O_WRONLY|unix.O_RDWR|unix.O_CREAT) == 0 {
		return "", false
	}
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "/tmp/") || strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/") || strings.HasPrefix(path, "/sys/") {
		return "", false
	}
	return c.name + " " + path, c.room
}

// text is the string at an address of a thread's memory.
func text(p int, at uintptr) string {
	b := make([]byte, 512)
	n, err := unix.PtracePeekData(p, at, b)
	if err != nil && n == 0 {
		return ""
	}
	s, _, _ := bytes.Cut(b[:n], []byte{0})
	return string(s)
}

// withoutVDSO makes a program that has just been started ask the kernel for the
// time: it is not told of the page where it could read it (getauxval(3)).
func withoutVDSO(p int) error {
	const atIgnore, atSysinfoEHDR = 1, 33
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(p, &r); err != nil {
		return err
	}
	word := make([]byte, 8)
	at := uintptr(r.Rsp)
	next := func() (uint64, error) {
		_, err := unix.PtracePeekData(p, at, word)
		at += 8
		return binary.NativeEndian.Uint64(word), err
	}
	for lists := 0; lists < 2; { // arguments and environment, after their number
		w, err := next()
		if err != nil {
			return err
		}
		if w == 0 {
			lists++
		}
	}
	for {
		kind, err := next()
		if err != nil || kind == 0 {
			return err
		}
		if kind == atSysinfoEHDR {
			binary.NativeEndian.PutUint64(word, atIgnore)
			_, err := unix.PtracePokeData(p, at-8, word)
			return err
		}
		at += 8
	}
}

// shift moves the time that a thread is about to read.
func shift(p int, at uintptr, by int64) {
	word := make([]byte, 8)
	if _, err := unix.PtracePeekData(p, at, word); err == nil {
		binary.NativeEndian.PutUint64(word, binary.NativeEndian.Uint64(word)+uint64(by))
		_, _ = unix.PtracePokeData(p, at, word)
	}
}

// refuse makes the kernel skip the call; answer says what it is to return.
func refuse(p int) {
	var r unix.PtraceRegs
	if unix.PtraceGetRegs(p, &r) == nil {
		r.Orig_rax = ^uint64(0)
		_ = unix.PtraceSetRegs(p, &r)
	}
}

func answer(p int, e syscall.Errno) {
	var r unix.PtraceRegs
	if unix.PtraceGetRegs(p, &r) == nil {
		r.Rax = uint64(-int64(e))
		_ = unix.PtraceSetRegs(p, &r)
	}
}
