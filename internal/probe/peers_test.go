package probe_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postseal/internal/lab"
	"postseal/internal/probe"
)

var peers = flag.Bool("peers", false, "race the scanners of others: needs sslscan, nmap and testssl")

// usage is what a program needed.
type usage struct {
	wall, cpu time.Duration
	said      string
}

func spend(t *testing.T, argv ...string) usage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "TERM=dumb")
	began := time.Now()
	said, _ := cmd.Output() // the exit code tells of findings
	return usage{said: string(said), wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
}

// memory is how much of it a program needed at most, in KiB. It is started by one
// that is small itself: what getrusage(2) says of a child is never less than what
// its parent had when it was started.
func memory(t *testing.T, argv ...string) int64 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "memory")
	spend(t, append([]string{"time", "--quiet", "-f", "%M", "-o", file}, argv...)...)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	kib, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// TestPeers is the race of README: the same server, the same truth (110 pairs
// of version and suite, the groups, both certificates), in turns in one run. The
// figures are medians, and ratios to ours. Where a peer says what it found, that
// is compared too.
func TestPeers(t *testing.T) {
	if !*peers {
		t.Skip("make bench-probe runs it")
	}
	lab.Need(t, "sslscan", "nmap", "testssl", "time")
	ec, rs := pair(t)
	files, dir := ec+","+rs, lab.Dir(t)
	server := lab.Postfix(t, "smtpd_tls_security_level = may\nsmtpd_peername_lookup = no\n", "%s inet n - n - - smtpd -o smtpd_tls_chain_files="+files)
	addr := server.Addrs[0]
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	build := exec.Command("go", "build", "-trimpath", "-o", dir, "postseal/cmd/postseal", "postseal/cmd/postseal-probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	ours, whole := filepath.Join(dir, "postseal-probe"), filepath.Join(dir, "postseal")
	programs := []struct {
		name string
		runs int
		argv []string
		// pair finds each pair of version and suite in what it prints.
		pair string
	}{
		{"postseal-probe --quick", 9, []string{ours, "--quick", addr}, `(?m)^  [A-Z0-9_-]+(?: {2,}|$)`},
		{"sslscan", 9, []string{"sslscan", "--no-colour", "--show-cipher-ids", "--starttls-smtp", addr}, `(?m)^(?:Accepted|Preferred)`},
		{"nmap ssl-enum-ciphers", 9, []string{"nmap", "-Pn", "-n", "-sV", "-p", port, "--script", "ssl-enum-ciphers", "127.0.0.1"}, `(?m)^\|       TLS_\w+ `},
		{"testssl -p -E", 3, []string{"testssl", "--warnings", "off", "--quiet", "--color", "0", "-n", "none", "-t", "smtp", "-p", "-E", addr}, `(?m)^ x[0-9a-f]{2,4} .*`},
		{"postseal-probe", 9, []string{ours, addr}, `(?m)^  [A-Z0-9_-]+(?: {2,}|$)`},
		{"postseal probe --quick", 9, []string{whole, "probe", "--quick", addr}, `(?m)^  [A-Z0-9_-]+(?: {2,}|$)`},
	}
	all := make([][]usage, len(programs))
	for round := range 9 {
		for i, p := range programs {
			if round < p.runs {
				all[i] = append(all[i], spend(t, p.argv...))
			}
		}
	}
	ratios := map[string][2]float64{}
	fmt.Printf("%-24s %5s %10s %10s %8s %10s %8s %8s %6s\n", "", "runs", "wall", "least", "ratio", "CPU", "ratio", "MiB", "pairs")
	for i, p := range programs {
		wall, cpu := of(all[i], func(u usage) time.Duration { return u.wall }), of(all[i], func(u usage) time.Duration { return u.cpu })
		first, firstCPU := of(all[0], func(u usage) time.Duration { return u.wall }), of(all[0], func(u usage) time.Duration { return u.cpu })
		found := len(regexp.MustCompile(p.pair).FindAllString(all[i][0].said, -1))
		ratios[p.name] = [2]float64{float64(median(wall)) / float64(median(first)), float64(median(cpu)) / float64(median(firstCPU))}
		fmt.Printf("%-24s %5d %10s %10s %8.1f %10s %8.1f %8.1f %6d\n", p.name, len(wall), median(wall).Round(time.Millisecond), wall[0].Round(time.Millisecond), ratios[p.name][0],
			median(cpu).Round(time.Millisecond), ratios[p.name][1], float64(memory(t, p.argv...))/1024, found)
		if found != 110 {
			t.Errorf("%s found %d of 110 pairs:\n%s", p.name, found, all[i][0].said)
		}
	}
	var wall, limit []time.Duration
	handshakes := 0
	for range 9 {
		o, l, n, err := probe.Limit(context.Background(), probe.Target{Addr: addr}, probe.Options{Quick: true})
		if err != nil {
			t.Fatal(err)
		}
		wall, limit, handshakes = append(wall, o), append(limit, l), n
	}
	slices.Sort(wall)
	slices.Sort(limit)
	fmt.Printf("in one process: %s, %.2f times the limit of this server (%s for the same %d handshakes, four always under way)\n", median(wall).Round(time.Millisecond),
		float64(median(wall))/float64(median(limit)), median(limit).Round(time.Millisecond), handshakes)
}

// of are the figures of a kind, the least first.
func of(list []usage, kind func(usage) time.Duration) (out []time.Duration) {
	for _, u := range list {
		out = append(out, kind(u))
	}
	slices.Sort(out)
	return out
}

func median(sorted []time.Duration) time.Duration { return sorted[len(sorted)/2] }
