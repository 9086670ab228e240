package acme

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"postseal/internal/hint"
)

// secretSize is more than any secret has, in bytes.
const secretSize = 64 << 10

// ReadSecret reads a file that holds a secret and nothing else. It refuses one
// that others than its owner can read, and one that is empty.
func ReadSecret(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", hint.New(path+" does not exist", "put the secret into it, and then: "+hint.ShellLine([]string{"chmod", "600", path}))
	case err != nil:
		return "", fmt.Errorf("reading a secret: %w", err)
	case !info.Mode().IsRegular():
		return "", hint.New(path+" is no file", "name the file that holds the secret")
	case info.Mode().Perm()&0o077 != 0:
		return "", hint.New(fmt.Sprintf("others can read the secret in %s (mode %04o)", path, info.Mode().Perm()), hint.ShellLine([]string{"chmod", "600", path}))
	case info.Size() > secretSize:
		return "", hint.New(path+" is too long for a secret", "name the file that holds the secret, and nothing else")
	}
	data, err := readRegular(path, secretSize)
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	if strings.TrimSpace(string(data)) == "" {
		return "", hint.New(path+" is empty", "put the secret into it")
	}
	return string(data), nil
}

// readRegular reads a file that may have been replaced since it was looked at: by
// a FIFO, which would wait for a writer, or by one without end.
func readRegular(path string, most int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, fmt.Errorf("%s is no file", path))
	}
	return io.ReadAll(io.LimitReader(f, most))
}
