package session

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/publish"
)

// Published says what there is to do about TLSA records. With store, as root, it also
// stores since when the record of each next key has been published; without, it only looks.
func (s *Session) Published(ctx context.Context, store bool) ([]publish.Report, error) {
	if s.Facts.Resolver.Validates != detect.Yes {
		return nil, hint.New("which TLSA records are published cannot be verified: "+s.Facts.Resolver.Why, detect.ValidatingResolver)
	}
	k := s.Keeper()
	if _, err := k.M.Stat(filepath.Join(k.StateDir, "lineages", "any.json")); errors.Is(err, fs.ErrPermission) {
		return nil, hint.New("only root can read the certificates obtained here and their next keys", "run it as root: sudo postseal publish")
	}
	if !store {
		f := *s.Facts
		f.Root = false // whose keeper stores nothing
		k.Facts = &f
	} else if s.Facts.Root {
		release, err := k.Lock()
		if err != nil {
			return nil, err
		}
		defer func() { _ = release() }()
	}
	return k.Published(ctx)
}
