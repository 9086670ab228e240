package rehearse

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestSweep: a folder that nobody has used for long goes, one that is new stays.
func TestSweep(t *testing.T) {
	old, remove, err := Options{}.place()
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	then := time.Now().Add(-3 * life)
	if err := os.Chtimes(old, then, then); err != nil {
		t.Fatal(err)
	}
	young, removeYoung, err := Options{}.place()
	if err != nil {
		t.Fatal(err)
	}
	defer removeYoung()
	if _, err := os.Stat(old); err == nil {
		t.Error("the old one is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error(err)
	}
}

// TestGuardFirst: the guard is there before the folder that it guards, so who is
// killed at once leaves nothing.
func TestGuardFirst(t *testing.T) {
	usual, dir := parents, t.TempDir()
	t.Cleanup(func() { parents = usual })
	parents = []string{dir + "/missing", dir}
	told := dir + "/told"
	place, remove, err := Options{Guard: []string{"sh", "-c", `echo "$0" >>` + told + `; cat`}}.place()
	if err != nil {
		t.Fatal(err)
	}
	remove()
	data, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Fields(string(data)); len(lines) != 2 || !strings.HasPrefix(lines[0], dir+"/missing/"+folderPrefix) || lines[1] != place {
		t.Errorf("%q guarded, %s made", lines, place)
	}
}

// TestGuardRefuses: the guard removes nothing but folders of ours.
func TestGuardRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{dir, "/", "postseal-rehearse-1", ""} {
		if err := Guard(d, strings.NewReader("")); err == nil {
			t.Errorf("%q was guarded", d)
		}
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}
