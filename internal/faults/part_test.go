//go:build linux && amd64

package faults

import (
	"flag"
	"fmt"
	"sync"
	"testing"
)

var part = flag.String("part", "", "with -all: of N parts, only the Kth, given as K/N")

// unit is work that is not divided: one part has all of it. cost is about how many
// seconds it takes alone.
type unit struct {
	name string
	cost int
}

// units are all the work there is, in the order of the parts.
func units() (out []unit) {
	for _, place := range places {
		out = append(out, unit{"obstacles at " + place, 9 * len(obstacles) * len(runs)})
	}
	for _, x := range troubles {
		out = append(out, unit{x.unit(), 12})
	}
	out = append(out, unit{"timer", 30}, unit{"renewal cut", 60}, unit{"clock " + string(back), 180}, unit{"clock " + string(on), 180})
	for _, s := range sweeps() {
		for c := range s.chunks() {
			out = append(out, unit{s.unit(c), 12 + 6*min(chunk, s.strikes()-c*chunk)})
		}
	}
	for _, umask := range umasks {
		out = append(out, unit{umaskUnit(umask), 400})
	}
	return out
}

// divide returns the part of n, from 1, in which each unit lies.
func divide(n int) map[string]int {
	total, before, out := 0, 0, map[string]int{}
	for _, u := range units() {
		total += u.cost
	}
	for _, u := range units() {
		out[u.name] = 1 + (2*before+u.cost)*n/(2*total) // by its middle
		before += u.cost
	}
	return out
}

var wanted = sync.OnceValues(func() (k int, parts map[string]int) {
	var n int
	if _, err := fmt.Sscanf(*part, "%d/%d", &k, &n); err != nil || k < 1 || k > n {
		panic(fmt.Sprintf("-part %s: want K/N", *part))
	}
	return k, divide(n)
})

// mine reports whether a unit lies in the part that was asked for.
func mine(name string) bool {
	if *part == "" {
		return true
	}
	k, parts := wanted()
	if parts[name] == 0 {
		panic("no such unit: " + name)
	}
	return parts[name] == k
}

// skipOthers skips a test whose unit lies in another part.
func skipOthers(t *testing.T, name string) {
	t.Helper()
	if !mine(name) {
		t.Skip("in another part")
	}
}

// TestDivide: each unit has a name of its own, and lies in one of the parts.
func TestDivide(t *testing.T) {
	all := units()
	for n := 1; n <= 40; n++ {
		parts := divide(n)
		if len(parts) != len(all) {
			t.Fatalf("%d names for %d units", len(parts), len(all))
		}
		last := 1
		for _, u := range all {
			if p := parts[u.name]; p < last || p > n {
				t.Errorf("%s lies in part %d of %d, after one in %d", u.name, p, n, last)
			} else {
				last = p
			}
		}
	}
}
