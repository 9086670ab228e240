package apply

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/plan"
)

// CannotReplace is the error with which a plan would be refused since one of its files is
// mounted by itself, or nil.
func CannotReplace(m host.Reader, p *plan.Plan) error { return notMounted(m, p.Files) }

// notMounted fails if a file that the plan changes is a mount of its own, as where a
// container shares a single file with its host. It can be written, but not replaced in
// one step: rename(2) fails with EBUSY, after a rehearsal and a backup for nothing.
func notMounted(m host.Reader, files []plan.File) error {
	mounts := mountPoints(m)
	for _, f := range files {
		path, err := m.Resolve(f.Path)
		if err != nil || !slices.Contains(mounts, path) {
			continue
		}
		return hint.Wrap(fmt.Errorf("%s is a mount point of its own and cannot be replaced in one step", f.Path),
			"run postseal with --config-dir where the file comes from, such as the host of this container, or mount its directory instead of the file; "+
				hint.ShellLine([]string{"findmnt", "-T", f.Path})+" shows where it comes from")
	}
	return nil
}

// mountPoints are the paths on which something is mounted (proc(5), mountinfo); none if
// that is not known.
func mountPoints(m host.Reader) (out []string) {
	data, err := m.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		if w := strings.Fields(line); len(w) > 4 {
			out = append(out, strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(w[4]))
		}
	}
	return out
}
