package apply

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"postseal/internal/hint"
	"postseal/internal/host"
)

// Remedy adds what to do about the usual reasons for which writing fails, if
// nothing says so yet.
func Remedy(m host.Reader, err error) error {
	var at *fs.PathError
	var link *os.LinkError // of a rename
	switch {
	case errors.As(err, &at):
		return remedy(m, at.Path, err)
	case errors.As(err, &link):
		return remedy(m, link.New, err)
	}
	return err
}

// remedy is Remedy for a path that is known.
func remedy(m host.Reader, path string, err error) error {
	switch {
	case err == nil || hint.Of(err) != "":
		return err
	case errors.Is(err, fs.ErrPermission) && m.UID() != 0:
		return hint.Wrap(err, "run it as root: sudo postseal ...")
	case errors.Is(err, syscall.EPERM):
		return hint.Wrap(err, "the file may be protected: "+hint.ShellLine([]string{"lsattr", path})+" shows an i; chattr -i takes it away")
	case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.EROFS):
		text := "the file, or its file system, is mounted so that it cannot be replaced: " + hint.ShellLine([]string{"findmnt", "-T", path})
		if path == DefaultStateDir || strings.HasPrefix(path, DefaultStateDir+"/") {
			text += "; where that is meant, --state-dir DIRECTORY names one that can be written and outlasts a restart"
		}
		return hint.Wrap(err, text)
	case errors.Is(err, host.ErrNotRegular), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
		if at := (*fs.PathError)(nil); errors.As(err, &at) { // a file beside it, under which it is written
			path = at.Path
		}
		return hint.Wrap(err, hint.ShellLine([]string{"ls", "-ld", path})+" shows what is in the way; move it away, and run it again")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		dir := filepath.Dir(path)
		return hint.Wrap(err, "make room there, and run it again: "+hint.ShellLine([]string{"df", "-h", dir})+" shows blocks, "+hint.ShellLine([]string{"df", "-i", dir})+" files")
	case errors.Is(err, fs.ErrNotExist):
		return hint.Wrap(err, "somebody removed it meanwhile: run it again, which makes it anew")
	case errors.Is(err, syscall.EIO):
		return hint.Wrap(err, "the disc may be failing: dmesg shows what the kernel says of it; then run it again")
	}
	return err
}
