package postfix

import (
	"fmt"
	"path/filepath"
	"strings"

	"postseal/internal/hint"
)

// CheckPath refuses a path that Postfix would not read as it is in a list of main.cf:
// blanks and commas separate, and braces group (postconf(5)). For a parameter whose value
// is one path, CheckSinglePath is enough.
func CheckPath(path string) error {
	if err := CheckSinglePath(path); err != nil {
		return err
	}
	if strings.ContainsAny(path, " ,{}") {
		return hint.New(fmt.Sprintf("%.60q: Postfix cannot read a path with a space, comma or brace", path), rename)
	}
	return nil
}

// CheckSinglePath refuses a path that Postfix would not read as it is where it is the
// whole value of a parameter: $ expands, blanks at the ends are dropped (postconf(5)),
// and a daemon looks for a relative path in its queue directory.
func CheckSinglePath(path string) error {
	switch {
	case !filepath.IsAbs(path):
		return hint.New(fmt.Sprintf("%.60q is not an absolute path", path), "use an absolute path, such as /etc/ssl/example.pem")
	case strings.ContainsFunc(path, hint.Hidden):
		return hint.New(fmt.Sprintf("%.60q: control character in a path", path), rename)
	case strings.Contains(path, "$"):
		return hint.New(fmt.Sprintf("%.60q: Postfix expands a dollar sign in a path", path), rename)
	case strings.TrimSpace(path) != path:
		return hint.New(fmt.Sprintf("%.60q: Postfix drops the space at the end of a path", path), rename)
	}
	return nil
}

const rename = "rename the file, or create a symbolic link to it"
