package probe_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/probe"
)

var peers = flag.Bool("peers", false, "race the scanners of others: needs sslscan, nmap and testssl")

// usage is what a program needed.
type usage struct {
	wall, cpu time.Duration
	rss       int64 // KiB
}

func spend(t *testing.T, name string, args ...string) usage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "TERM=dumb")
	began := time.Now()
	_ = cmd.Run() // the exit code tells of findings
	u := usage{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.rss = r.Maxrss
	}
	return u
}

// TestPeers is the race of README: the same server, the same truth (110 pairs
// of version and suite, the groups, both certificates), in turns in one run.
// The figures are medians, and ratios to ours.
func TestPeers(t *testing.T) {
	if !*peers {
		t.Skip("make bench-probe runs it")
	}
	lab.Need(t, "sslscan", "nmap", "testssl")
	ca := lab.NewCA(t)
	dir := lab.Dir(t)
	chain := func(name string, l lab.Leaf) string {
		i := ca.Issue(t, l)
		return lab.Write(t, dir, name, i.Key+i.Cert+ca.IntermediatePEM, 0o600)
	}
	files := chain("ec.pem", lab.Leaf{}) + "," + chain("rsa.pem", lab.Leaf{RSA: true})
	server := lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_peername_lookup = no\n", "%s inet n - n - - smtpd -o smtpd_tls_chain_files="+files)
	addr := server.Addrs[0]
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	ours := filepath.Join(dir, "postseal")
	build := exec.Command("go", "build", "-o", ours, "postseal/cmd/postseal")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	programs := []struct {
		name string
		runs int
		argv []string
	}{
		{"postseal probe", 9, []string{ours, "probe", addr, "--json"}},
		{"sslscan", 9, []string{"sslscan", "--show-cipher-ids", "--starttls-smtp", addr}},
		{"nmap ssl-enum-ciphers", 9, []string{"nmap", "-Pn", "-n", "-sV", "-p", port, "--script", "ssl-enum-ciphers", "127.0.0.1"}},
		{"testssl -p -E", 1, []string{"testssl", "--warnings", "off", "--quiet", "-n", "none", "-t", "smtp", "-p", "-E", addr}},
	}
	all := make([][]usage, len(programs))
	for round := range 9 {
		for i, p := range programs {
			if round < p.runs {
				all[i] = append(all[i], spend(t, p.argv[0], p.argv[1:]...))
			}
		}
	}
	median := func(list []usage, of func(usage) time.Duration) time.Duration {
		var d []time.Duration
		for _, u := range list {
			d = append(d, of(u))
		}
		slices.Sort(d)
		return d[len(d)/2]
	}
	wall := func(u usage) time.Duration { return u.wall }
	cpu := func(u usage) time.Duration { return u.cpu }
	fmt.Printf("%-24s %10s %8s %10s %8s %8s\n", "", "wall", "ratio", "CPU", "ratio", "MiB")
	for i, p := range programs {
		fmt.Printf("%-24s %10s %8.1f %10s %8.1f %8.1f\n", p.name, median(all[i], wall).Round(time.Millisecond), float64(median(all[i], wall))/float64(median(all[0], wall)),
			median(all[i], cpu).Round(time.Millisecond), float64(median(all[i], cpu))/float64(median(all[0], cpu)), float64(all[i][0].rss)/1024)
	}
	limit(t, addr)
}

// limit sets the enumeration against what the server can do at best: as many
// handshakes at its saturated rate.
func limit(t *testing.T, addr string) {
	t.Helper()
	var ours, bound []time.Duration
	for range 9 {
		e, err := probe.Enumerate(context.Background(), probe.Target{Addr: addr}, probe.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ours = append(ours, e.Took)
		began := time.Now()
		done := make(chan bool)
		for w := range 4 {
			go func() {
				defer func() { done <- true }()
				for i := w; i < e.Handshakes; i += 4 {
					_, _ = probe.Anonymous(context.Background(), probe.Target{Addr: addr}, probe.Options{})
				}
			}()
		}
		for range 4 {
			<-done
		}
		bound = append(bound, time.Since(began))
	}
	slices.Sort(ours)
	slices.Sort(bound)
	fmt.Printf("in one process: %s, %.2f times the limit of this server (%s for as many handshakes)\n", ours[4].Round(time.Millisecond), float64(ours[4])/float64(bound[4]), bound[4].Round(time.Millisecond))
}
