package host

import "testing"

// SearchPath makes folders those of the system's programs during a test.
func SearchPath(t *testing.T, dirs ...string) {
	old := searchPath
	searchPath = dirs
	t.Cleanup(func() { searchPath = old })
}
