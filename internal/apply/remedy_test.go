package apply

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"postseal/internal/hint"
	"postseal/internal/host"
)

// TestRemedyQuotes: the commands are about the file, whatever its name is.
func TestRemedyQuotes(t *testing.T) {
	for _, why := range []error{syscall.EPERM, syscall.EBUSY, syscall.EISDIR, syscall.ENOSPC} {
		err := Remedy(host.Local{}, &fs.PathError{Op: "rename", Path: "/x;touch y\x1b[2J/z;touch y", Err: why})
		text := hint.Of(err)
		if strings.ContainsRune(text, '\x1b') || !strings.Contains(text, `"$(printf -- '/x;touch y\033[2J`) {
			t.Errorf("%v: %s", why, text)
		}
	}
}
