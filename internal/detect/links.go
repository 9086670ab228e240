package detect

import (
	"path/filepath"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/host"
)

// maxLinks is how many symbolic links are followed, as in the kernel
// (path_resolution(7)).
const maxLinks = 40

// over are the paths over which symbolic links lead from a path to a file, one
// for each link, whether it is the file or one of its folders.
func over(m host.Reader, path string) (out []string) {
	for len(out) < maxLinks {
		next, ok := follow(m, path)
		if !ok {
			break
		}
		path = next
		out = append(out, path)
	}
	return out
}

// follow puts what the first link in a path says in its place.
func follow(m host.Reader, path string) (string, bool) {
	for at := 0; at < len(path); {
		end := len(path)
		if i := strings.IndexByte(path[at+1:], '/'); i >= 0 {
			end = at + 1 + i
		}
		if target, err := m.Readlink(path[:end]); err == nil {
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(path[:end]), target)
			}
			return filepath.Join(target, path[end:]), true
		}
		at = end
	}
	return path, false
}

// Leads reports whether a file that was looked at lies at to, or is a symbolic link
// that leads over it: then what is put there is what is read.
func (f *Facts) Leads(path, to string) bool {
	return path == to || slices.Contains(f.PEM[path].Over, to)
}

// Renewer is the program that renews what is read at a path, also over a
// symbolic link to where that program keeps the newest; or empty.
func (f *Facts) Renewer(path string) string {
	for _, p := range append([]string{path}, f.PEM[path].Over...) {
		if who := certs.Renewer(p); who != "" {
			return who
		}
		for _, m := range f.Managers {
			if m.renews != "" && strings.HasPrefix(p, m.renews) {
				return m.Name
			}
		}
	}
	return ""
}
