package census_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"postseal/internal/census"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/maillog"
)

func read(t *testing.T, s census.Sources) *census.Census {
	t.Helper()
	c, err := census.Read(context.Background(), &host.Fake{Root: "/", Clock: now}, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// same compares what was counted.
func same(a, b *census.Census) string {
	return cmp.Diff(a, b, cmpopts.IgnoreFields(census.Census{}, "Sources", "Troubles"))
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, now, now); err != nil {
		t.Fatal(err)
	}
}

// pack compresses text.
func pack(t *testing.T, text string, writer func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := writer(&b)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gz(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }

// TestSeries: a log and its rotated files are one, whatever they are compressed with, and
// a session may begin in one and end in the next.
func TestSeries(t *testing.T) {
	lab.Need(t, "bzip2")
	dir := t.TempDir()
	path := filepath.Join(dir, "mail.log")
	text := log(day...)
	lines := strings.SplitAfter(text, "\n")
	part := func(i int) string { return strings.Join(lines[i*len(lines)/5:(i+1)*len(lines)/5], "") }
	write(t, path, []byte(part(4)))
	write(t, path+".1", []byte(part(3)))
	write(t, path+".1.gz", []byte("just being written"))
	write(t, path+".2.gz", pack(t, part(2), gz))
	write(t, path+".3.xz", pack(t, part(1), func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }))
	write(t, path+".4.zst", pack(t, part(0), func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }))
	write(t, path+".old", []byte(text))
	write(t, filepath.Join(dir, "mail.err"), []byte(text))
	c := read(t, census.Sources{Log: maillog.Source{Path: path}})
	if d := same(of(text), c); d != "" || len(c.Troubles) > 0 || len(c.Sources) != 5 || c.Sources[0] != path+".4.zst" {
		t.Errorf("%v %v (-want +got)\n%s", c.Sources, c.Troubles, d)
	}
	if out, err := exec.Command("bzip2", path+".1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Remove(path + ".1.gz"); err != nil {
		t.Fatal(err)
	}
	// Files that are named come in any order.
	c = read(t, census.Sources{Files: []string{path, path + ".1.bz2", path + ".2.gz", path + ".3.xz", path + ".4.zst"}})
	if d := same(of(text), c); d != "" || len(c.Troubles) > 0 {
		t.Errorf("%v %v (-want +got)\n%s", c.Sources, c.Troubles, d)
	}
}

// TestDamaged: what cannot be read is named, and all else is counted.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	text := log(day...)
	// Much of it, and such that it is cut in the middle of a block.
	packed := pack(t, strings.Repeat(text, 50), gz)
	for name, x := range map[string]struct {
		data    []byte
		trouble string
		lines   int
	}{
		"cut.gz":     {packed[:len(packed)/2], "cut off", -1},
		"garbled.gz": {append([]byte("\x1f\x8b\x08\x00"), bytes.Repeat([]byte{0xff}, 100)...), "what comes before", 0},
		"cut.xz":     {[]byte("\xfd7zXZ\x00"), "", 0},
		"cut.zst":    {[]byte("\x28\xb5\x2f\xfd"), "", 0},
		"cut.bz2":    {[]byte("BZh9"), "", 0},
		"nul":        {[]byte(strings.Repeat("\x00", 100_000) + "\n" + text), "", len(day) + 1},
		"binary":     {bytes.Repeat([]byte{0, 1, 0xff, '\n'}, 1000), "", 1000},
		"no end":     {[]byte(strings.TrimSuffix(text, "\n")), "", len(day)},
		"long":       {[]byte("Nov 30 04:00:00 mx postfix/smtpd[1]: " + strings.Repeat("x", 10<<20) + "\n" + text), "", len(day) + 1},
		"empty":      {nil, "", 0},
	} {
		path := filepath.Join(dir, name)
		write(t, path, x.data)
		c := read(t, census.Sources{Files: []string{path}})
		said := strings.Join(c.Troubles, " ")
		if x.trouble != "" && !strings.Contains(said, x.trouble) || x.lines >= 0 && c.Lines != x.lines || x.lines < 0 && (c.Lines == 0 || c.Lines >= 50*len(day)) {
			t.Errorf("%s: %d lines, %q", name, c.Lines, said)
		}
		if name == "long" && c.TooLong != 1 {
			t.Errorf("%s: %d", name, c.TooLong)
		}
	}
	// A log in which nothing was written since is one without sessions.
	idle := filepath.Join(dir, "long")
	if c := read(t, census.Sources{Log: maillog.Source{Path: idle}, Since: now.Add(time.Hour)}); len(c.Sources) != 1 || c.Sources[0] != idle || !c.First.IsZero() {
		t.Errorf("%q, %v", c.Sources, c.First)
	}
	_, err := census.Read(context.Background(), host.Local{}, census.Sources{Files: []string{filepath.Join(dir, "absent"), dir}})
	if !errors.Is(err, census.ErrNoLog) {
		t.Error(err)
	}
}

// TestInflated: a compressed log counts as its text does, wherever a block of it ends, and
// with lines that are longer than a block.
func TestInflated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	long := "Nov 30 04:00:00 mx postfix/smtpd[1]: " + strings.Repeat("x", 300<<10) + "\n"
	for i, text := range []string{
		strings.Repeat(log(day...), 100), long + log(day...), log(day...) + long + log(day...) + long[:200<<10], strings.TrimSuffix(strings.Repeat(log(day...), 40), "\n"), long[:100<<10] + "\n" + log(day...),
	} {
		write(t, path, []byte(text))
		want := read(t, census.Sources{Files: []string{path}})
		write(t, path, pack(t, text, gz))
		if d := same(want, read(t, census.Sources{Files: []string{path}})); d != "" || want.Lines == 0 {
			t.Errorf("%d: (-text +compressed)\n%s", i, d)
		}
	}
}

// TestStretches: a large file is read in parts, and counts as one.
func TestStretches(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	var b strings.Builder
	for n := 0; b.Len() < 18<<20; n++ {
		for i, l := range day {
			stamp := now.Add(-2*24*time.Hour + time.Duration(n*len(day)+i)*10*time.Millisecond).Format("2006-01-02T15:04:05.000000Z07:00")
			fmt.Fprintf(&b, "%s mx postfix/%s\n", stamp, l)
		}
	}
	write(t, path, []byte(b.String()))
	var last int64
	c := read(t, census.Sources{Files: []string{path}, Progress: func(read, _ int64) { last = max(last, read) }})
	if d := same(of(b.String()), c); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	since := now.Add(-2*24*time.Hour + time.Minute)
	c = read(t, census.Sources{Files: []string{path}, Since: since})
	if !c.First.Equal(since) || c.Inbound.Messages == 0 {
		t.Errorf("%v, %d messages", c.First, c.Inbound.Messages)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := census.Read(ctx, host.Local{}, census.Sources{Files: []string{path}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestImplicit: where a service without a label begins with TLS, a session without a sign
// of TLS may be one of it.
func TestImplicit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	write(t, path, []byte(log(day[7], day[8], day[10])))
	for implicit, want := range map[bool]census.Count{false: {N: 1, Known: true}, true: {}} {
		if c := read(t, census.Sources{Files: []string{path}, Implicit: implicit}); c.Inbound.CleartextMessages != want {
			t.Errorf("%v: %+v", implicit, c.Inbound.CleartextMessages)
		}
	}
}

// TestJournal: entries count in the order in which they were written, and none can pass
// for another program's or for two.
func TestJournal(t *testing.T) {
	entry := func(us int, tag, message string) string {
		return fmt.Sprintf(`{"__CURSOR":"c","__REALTIME_TIMESTAMP":"%d","_SOURCE_REALTIME_TIMESTAMP":"%d","SYSLOG_IDENTIFIER":%q,"_PID":"7","MESSAGE":%q}`+"\n", 1790000000000000, 1790000000000000+us, tag, message)
	}
	text := entry(2, "postfix/smtpd", "4ABCDE12345: client=a.example[192.0.2.1]") +
		entry(1, "postfix/smtpd", "Anonymous TLS connection established from a.example[192.0.2.1]: "+tls13) +
		entry(0, "postfix/smtpd", "connect from a.example[192.0.2.1]") +
		entry(3, "postfix/smtpd", "x\nNov 30 04:00:00 mx postfix/smtpd[1]: connect from evil.example[192.0.2.9]") +
		entry(4, "x mx postfix/smtpd", "connect from evil.example[192.0.2.9]") + "garbage\n"
	log := maillog.Source{Journal: true, Accounts: []int{0}}
	const call = "journalctl --no-pager --quiet --all --output=json --output-fields=MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_SOURCE_REALTIME_TIMESTAMP --since=@0 SYSLOG_FACILITY=2 _UID=0"
	m := &host.Fake{Root: "/", Clock: now, Programs: map[string]host.Output{call: {Stdout: text}}}
	c, err := census.Read(context.Background(), m, census.Sources{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"a.example[192.0.2.1]": "1/1 clear 0/0 TLSv1.3 1/1"}, peers(c)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
