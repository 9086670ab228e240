package acme

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"postseal/internal/hint"
	"postseal/internal/host"
)

// secretSize is more than any secret has, in bytes.
const secretSize = 64 << 10

// ReadSecret reads a file that holds a secret and nothing else. It refuses one
// that others than its owner can read, and one that is empty.
func ReadSecret(path string) (string, error) {
	info, err := host.Local{}.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", hint.New(path+" does not exist", "write the secret to it, then run: "+hint.ShellLine([]string{"chmod", "600", path}))
	case err != nil:
		return "", fmt.Errorf("reading a secret: %w", err)
	case !info.Mode.IsRegular():
		return "", hint.New(path+" is not a file", "give the file that contains the secret")
	case info.Mode.Perm()&0o077 != 0:
		return "", hint.New(fmt.Sprintf("others can read the secret in %s (mode %04o)", path, info.Mode.Perm()), hint.ShellLine([]string{"chmod", "600", path}))
	case info.Size > secretSize:
		return "", hint.New(path+" is too long for a secret", "give a file that contains the secret and nothing else")
	}
	data, err := host.Local{}.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	if strings.TrimSpace(string(data)) == "" {
		return "", hint.New(path+" is empty", "write the secret to it")
	}
	return string(data), nil
}
