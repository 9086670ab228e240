package apply

import (
	"context"
	"path/filepath"

	"postseal/internal/host"
)

// Graded records the grades that a server had after a run, in the record of that run, so
// that a later look can say what has changed.
func Graded(ctx context.Context, m host.Machine, stateDir, run string, grades map[string]string) (err error) {
	defer func() { err = Remedy(m, err) }()
	s := store{m, stateDir}
	release, err := lockSoon(ctx, m, filepath.Join(stateDir, "lock"))
	if err != nil {
		return err
	}
	defer func() { _ = release() }()
	r, err := s.get(s.receipt(filepath.Base(run)))
	if err != nil {
		return err
	}
	r.Grades = grades
	return s.put(s.receipt(r.ID), r)
}
