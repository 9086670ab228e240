package listen_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postseal/internal/lab"
)

var (
	program  = flag.String("postseal", "", "measure this program")
	rate     = flag.Int("rate", 2000, "handshakes per second")
	duration = flag.Duration("duration", 20*time.Second, "how long")
)

// replayed is one session as a sender has it: the dialogue, the hello, and then records
// that look like the rest of the handshake and a small message.
func replayed(addr string, from net.IP, hello []byte) error {
	c, err := net.DialTCP("tcp", &net.TCPAddr{IP: from}, mustAddr(addr))
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_ = c.SetLinger(0) // thousands of ports would wait otherwise
	buf := make([]byte, 512)
	parts := [][]byte{nil, []byte("EHLO client.example.org\r\n"), []byte("STARTTLS\r\n"), hello}
	for range 6 {
		parts = append(parts, append([]byte{23, 3, 3, 0, 200}, make([]byte, 200)...))
	}
	for _, p := range parts {
		if p != nil {
			if _, err := c.Write(p); err != nil {
				return err
			}
		}
		if _, err := c.Read(buf); err != nil {
			return err
		}
	}
	return nil
}

func mustAddr(addr string) *net.TCPAddr {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		panic(err)
	}
	return a
}

// answer says something to whatever comes.
func answer(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			buf := make([]byte, 4096)
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			for {
				if _, err := c.Write([]byte("220 go on\r\n")); err != nil {
					return
				}
				if _, err := c.Read(buf); err != nil {
					return
				}
			}
		}()
	}
}

// captured is what a Go client sends first.
func captured(t testing.TB) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() { _ = tls.Client(theirs, &tls.Config{ServerName: "mx.example.org"}).Handshake() }()
	buf := make([]byte, 1<<14)
	n, err := ours.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// TestLoad measures the program beside a load of handshakes on loopback (make
// bench-listen): none may be lost, and it takes at most 5 % of a core and 32 MB.
func TestLoad(t *testing.T) {
	if *program == "" {
		t.Skip("make bench-listen")
	}
	lab.NeedRoot(t)
	l := listener(t, "127.0.0.1:0")
	defer l.Close()
	go answer(l)
	addr := l.Addr().String()
	cmd := exec.Command(*program, "listen", "--for", "1h", "--port", strconv.Itoa(int(portOf(t, addr))), "--state-dir", lab.Dir(t), "--json")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second) // it starts
	idle := cpu(t, cmd.Process.Pid)
	began := time.Now()
	done, failed := generate(addr, captured(t))
	took := time.Since(began)
	used := cpu(t, cmd.Process.Pid) - idle
	memory := peak(t, cmd.Process.Pid)
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Fatal(err)
	}
	var r struct {
		Run struct {
			Packets uint64 `json:"packets"`
			Lost    uint64 `json:"lost_packets"`
			TLS     uint64 `json:"tls_connections"`
		} `json:"run"`
		Senders []any `json:"senders"`
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	share := 100 * used.Seconds() / took.Seconds()
	if reached := float64(done) / took.Seconds(); reached < 0.9*float64(*rate) {
		fmt.Printf("this machine is too busy: %.0f of %d handshakes per second; at that rate the share would be %.2f %%\n", reached, *rate, share*float64(*rate)/reached)
	}
	fmt.Printf("%d handshakes in %.1f s (%.0f/s) from %d senders, %d packets, %d failed\nread: %d, packets lost: %d\nCPU: %.2f %% of one core\nmemory: %.1f MB\n",
		done, took.Seconds(), float64(done)/took.Seconds(), len(r.Senders), r.Run.Packets, failed, r.Run.TLS, r.Run.Lost, share, float64(memory)/1024)
	if r.Run.TLS != done || r.Run.Lost > 0 || share > 5 || memory > 32<<10 {
		t.Error("that is not what is promised")
	}
}

// generate makes handshakes at the rate, from two hundred addresses.
func generate(addr string, hello []byte) (done, failed uint64) {
	var ok, bad atomic.Uint64
	var wg sync.WaitGroup
	began := time.Now()
	for n := 0; ; n++ {
		due := began.Add(time.Duration(n) * time.Second / time.Duration(*rate))
		if due.Sub(began) > *duration {
			break
		}
		time.Sleep(time.Until(due))
		wg.Go(func() {
			if err := replayed(addr, net.IPv4(127, 0, 1, byte(1+n%200)), hello); err != nil {
				bad.Add(1)
				return
			}
			ok.Add(1)
		})
	}
	wg.Wait()
	return ok.Load(), bad.Load()
}

// cpu is what a process has used, in ticks of 10 ms (proc(5), /proc/pid/stat).
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// peak is the most memory that a process has had, in KiB.
func peak(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[0] == "VmHWM:" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
