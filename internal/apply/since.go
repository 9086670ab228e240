package apply

import (
	"time"

	"postseal/internal/host"
)

// Edit is a file that is not as the latest run that wrote it left it.
type Edit struct {
	Path string
	// When is the modification time of the file, zero if it is not there or cannot be read.
	When time.Time
	// Gone says that it is not there, Err why it cannot be read.
	Gone bool
	Err  error
}

// Edited returns the files of runs, newest first, that somebody else has changed since.
func Edited(m host.Reader, runs []*Receipt) (out []Edit) {
	seen := map[string]bool{}
	for _, r := range runs {
		if r.Phase != Kept && r.Phase != Waits {
			continue
		}
		for _, e := range r.Entries {
			if seen[e.Path] {
				continue
			}
			seen[e.Path] = true
			now, err := digest(m, e.Path)
			if err == nil && now == e.After {
				continue
			}
			edit := Edit{Path: e.Path, Gone: err == nil && now == "", Err: err}
			if info, err := m.Stat(e.Path); err == nil {
				edit.When = info.ModTime
			}
			out = append(out, edit)
		}
	}
	return out
}
