package census_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"postseal/internal/census"
	"postseal/internal/host"
	"postseal/internal/lab"
)

var (
	size = flag.Int64("size", 0, "compare on a log of so many bytes")
	runs = flag.Int("runs", 5, "how often each is run")
)

// cost is what a program took.
type cost struct {
	wall, cpu time.Duration
	rss       int64 // in KiB
}

// spend runs a program. What it prints is read, since grep stops early if that goes to
// /dev/null; but for zcat, which prints the whole log.
func spend(t *testing.T, env string, words ...string) cost {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...) //nolint:gosec // the test's own words
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", env)
	if words[0] != "zcat" {
		cmd.Stdout = &bytes.Buffer{}
	}
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return cost{time.Since(begin), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), usage.Maxrss}
}

// TestMain takes the census of a file in a process of its own, to be measured.
func TestMain(m *testing.M) {
	if path := os.Getenv("CENSUS_OF"); path != "" {
		c, err := census.Read(context.Background(), host.Local{}, census.Sources{Files: []string{path}})
		if err != nil || c.Lines == 0 {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestSpeed compares the census with grep, ripgrep, pflogsumm and zcat, in turns, and
// prints the medians.
func TestSpeed(t *testing.T) {
	if *size == 0 {
		t.Skip("only with -size: make bench-census")
	}
	lab.Need(t, "grep", "rg", "pflogsumm", "zcat")
	dir := t.TempDir()
	plain, iso, packed := filepath.Join(dir, "mail.log"), filepath.Join(dir, "iso.log"), filepath.Join(dir, "mail.log.gz")
	makeLog(t, plain, false, false)
	makeLog(t, iso, true, false)
	makeLog(t, packed, false, true)
	const pattern = "TLS connection established"
	rows := []struct {
		name, env string
		words     []string
		once      bool
	}{
		{"census", "CENSUS_OF=" + plain, []string{os.Args[0]}, false},
		{"census, ISO stamps", "CENSUS_OF=" + iso, []string{os.Args[0]}, false},
		{"census, .gz", "CENSUS_OF=" + packed, []string{os.Args[0]}, false},
		{"grep -c", "", []string{"grep", "-c", pattern, plain}, false},
		{"rg -c", "", []string{"rg", "-c", pattern, plain}, false},
		{"zcat", "", []string{"zcat", packed}, false},
		{"pflogsumm", "", []string{"pflogsumm", plain}, true},
	}
	costs := make([][]cost, len(rows))
	for n := range *runs {
		for i, r := range rows {
			if !r.once || n == 0 {
				costs[i] = append(costs[i], spend(t, r.env, r.words...))
			}
		}
	}
	medians := map[string]cost{}
	for i, r := range rows {
		m := median(costs[i])
		medians[r.name] = m
		t.Logf("%-20s %9.3f s wall %9.3f s CPU %7.1f MiB", r.name, m.wall.Seconds(), m.cpu.Seconds(), float64(m.rss)/1024)
	}
	c := medians["census"]
	ratio := func(a, b time.Duration) float64 { return a.Seconds() / max(b.Seconds(), 1e-3) }
	t.Logf("wall: %.2f times grep -c (at most 1.1), %.2f times rg -c", ratio(c.wall, medians["grep -c"].wall), ratio(c.wall, medians["rg -c"].wall))
	t.Logf("CPU: 1/%.0f of pflogsumm (at least 1/60); .gz %.2f times zcat (at most 0.75)", ratio(medians["pflogsumm"].cpu, c.cpu), ratio(medians["census, .gz"].cpu, medians["zcat"].cpu))
	t.Logf("memory: %.0f MiB, and %.0f MiB for .gz (at most 64)", float64(c.rss)/1024, float64(medians["census, .gz"].rss)/1024)
}

func median(list []cost) (m cost) {
	slices.SortFunc(list, func(a, b cost) int { return int(a.wall - b.wall) })
	m = list[len(list)/2]
	slices.SortFunc(list, func(a, b cost) int { return int(a.cpu - b.cpu) })
	m.cpu = list[len(list)/2].cpu
	for _, c := range list {
		m.rss = max(m.rss, c.rss)
	}
	return m
}

// makeLog writes a generated log.
func makeLog(t *testing.T, path string, iso, zip bool) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var w io.WriteCloser = f
	if zip {
		w = gzip.NewWriter(f)
	}
	if err := generate(w, *size, iso); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestGenerated: the generator's log is read whole.
func TestGenerated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	f, err := os.Create(path)
	if err == nil {
		err = generate(f, 1<<20, true)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	c := read(t, census.Sources{Files: []string{path}})
	if c.Unreadable > 0 || c.Inbound.Messages < 100 || c.Outbound.Messages < 100 || c.Inbound.CleartextMessages.N == 0 || len(c.Inbound.Protocols) < 4 {
		t.Errorf("%+v", c.Inbound.Protocols)
	}
}
