package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// Confine prepares this process for holding private keys. As root it never dumps core,
// whatever limits and core_pattern say (PR_SET_DUMPABLE in prctl(2); the programs that
// it runs still can). What it and those programs make is writable by no other account
// (umask 022), and no more open than the caller wants. Files that others are meant to read
// do not depend on the umask: each gets its mode. main calls it first.
func Confine() error {
	unix.Umask(unix.Umask(0o077) | 0o022)
	if os.Geteuid() != 0 {
		return nil // its /proc/self would belong to root then
	}
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}
