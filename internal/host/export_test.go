package host

import (
	"os"
	"testing"
)

// SearchPath makes folders those of the system's programs during a test.
func SearchPath(t *testing.T, dirs ...string) {
	old := searchPath
	searchPath = dirs
	t.Cleanup(func() { searchPath = old })
}

// ExposedIn is Local.Exposed in a user namespace with these maps.
func ExposedIn(uidMap, overflow, path string) ([]Exposure, error) {
	o := nobodyElse()
	o.unmapped = unmapped(uidMap, overflow)
	return o.exposed(path)
}

// HoldsLock reports whether an open file at a path would be taken for an editor's lock.
func HoldsLock(path string, f *os.File) (bool, error) {
	p, err := nobodyElse().find(path, nil)
	if err != nil {
		return false, err
	}
	defer p.Close()
	return p.stillHolds(f)
}
