package lineage_test

import (
	"errors"
	"path/filepath"
	"testing"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/lineage"
)

// TestLock: one run at a time has the lineages.
func TestLock(t *testing.T) {
	s := lineage.Store{M: host.Local{}, StateDir: filepath.Join(lab.Dir(t), "state")}
	release, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lock(); !errors.Is(err, host.ErrLocked) || hint.Of(err) == "" {
		t.Errorf("twice: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if release, err = s.Lock(); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}
