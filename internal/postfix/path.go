package postfix

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"

	"postseal/internal/hint"
)

// CheckPath refuses a path that Postfix would not read as it is where main.cf names it,
// alone or in a list: blanks and commas separate, $ and braces expand (postconf(5)), and
// a daemon looks for a relative path in its queue directory.
func CheckPath(path string) error {
	switch {
	case !filepath.IsAbs(path):
		return hint.New(fmt.Sprintf("%.60q is not a full path", path), "use an absolute path")
	case strings.ContainsFunc(path, unicode.IsControl):
		return fmt.Errorf("%.60q: control character in a path", path)
	case strings.ContainsAny(path, " ,${}"):
		return hint.New(fmt.Sprintf("%.60q: Postfix cannot read a path with a blank, comma, dollar or brace", path), "rename the file, or make a symbolic link to it")
	}
	return nil
}
