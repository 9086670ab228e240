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
		return hint.Wrap(err, "the file may be protected: "+hint.ShellLine([]string{"lsattr", path})+" shows an i; remove it with chattr -i")
	case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.EROFS):
		text := "the file or its file system is mounted in a way that prevents replacing it: " + hint.ShellLine([]string{"findmnt", "-T", path})
		if path == DefaultStateDir || strings.HasPrefix(path, DefaultStateDir+"/") {
			text += "; if that is intended, use --state-dir DIRECTORY with a directory that is writable and survives a restart"
		}
		return hint.Wrap(err, text)
	case errors.Is(err, host.ErrNotRegular), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
		if at := (*fs.PathError)(nil); errors.As(err, &at) { // a file beside it, under which it is written
			path = at.Path
		}
		return hint.Wrap(err, hint.ShellLine([]string{"ls", "-ld", path})+" shows what is in the way; move it away, and try again")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		dir := filepath.Dir(path)
		return hint.Wrap(err, "free space there, and try again: "+hint.ShellLine([]string{"df", "-h", dir})+" shows blocks, "+hint.ShellLine([]string{"df", "-i", dir})+" files")
	case errors.Is(err, fs.ErrNotExist):
		return hint.Wrap(err, "it was removed meanwhile: try again, and postseal will create it")
	case errors.Is(err, syscall.EIO):
		return hint.Wrap(err, "the disk may be failing: check dmesg, then try again")
	}
	return err
}
