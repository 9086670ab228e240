package detect_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
)

const caddy = "/var/lib/caddy/.local/share/caddy/certificates/"

// crowd is a machine on which the account of Caddy has made n certificates.
func crowd(t *testing.T, n int) *host.Fake {
	leaf := lab.NewCA(t).Issue(t, lab.Leaf{})
	files := map[string]string{
		"main.cf": "myhostname = mx.example.org\n", "master.cf": "smtp inet n - n - - smtpd\n",
		"/etc/step/certs/mx.crt": leaf.Cert, "/etc/step/certs/mx.key": leaf.Key,
	}
	for i := range n {
		path := fmt.Sprintf("%sca/x%03d/x", caddy, i)
		files[path+".crt"], files[path+".key"] = leaf.Cert, leaf.Key
	}
	return lab.Machine(t, "3.7.11", files)
}

// TestTooManyCertificates: of a place that somebody has filled, a part is read, and
// that is said; other places are read all the same.
func TestTooManyCertificates(t *testing.T) {
	f, err := detect.Look(context.Background(), crowd(t, 210), "/etc/postfix", "/etc/postseal/certs", nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.Certificates); n != 201 || f.Certificates[200].Chain != "/etc/step/certs/mx.crt" {
		t.Errorf("%d certificates", n)
	}
	if !slices.ContainsFunc(f.Unseen, func(u detect.Unseen) bool {
		return strings.Contains(u.What, caddy) && strings.Contains(u.Why, "the last 10 were not read")
	}) {
		t.Errorf("%q", f.Unseen)
	}
}

// TestSlowCertificates: what one place may cost is bounded: signatures, bytes, and names,
// among them those that lead to no certificate. The rest is told of.
func TestSlowCertificates(t *testing.T) {
	leaf := lab.NewCA(t).Issue(t, lab.Leaf{})
	alike := "" // each can have issued each other, by its name
	for range 12 {
		alike += lab.NewCA(t).Issue(t, lab.Leaf{SelfSigned: true}).Cert
	}
	padding := strings.Repeat("\n", 4<<20-len(leaf.Cert))
	for name, c := range map[string]struct {
		n, most              int
		path, cert, key, why string
	}{
		"signatures":   {100, 25, "ca/x%03d/x", alike, leaf.Key, "more than 2000 signature checks"},
		"bytes":        {12, 8, "ca/x%03d/x", padding + leaf.Cert, leaf.Key, "exceed 32 MiB"},
		"without keys": {10_010, 0, "ca/x/%05d", "", "", "more than 10000 names"},
		"folders":      {10_010, 0, "%05d/x", "", "", "more than 10000 names"},
	} {
		t.Run(name, func(t *testing.T) {
			m := crowd(t, 0)
			for i := range c.n {
				path := caddy + fmt.Sprintf(c.path, i)
				if name == "folders" {
					if err := os.MkdirAll(m.Root+filepath.Dir(path), 0o755); err != nil {
						t.Fatal(err)
					}
					continue
				}
				lab.Write(t, m.Root, path+".crt", c.cert, 0o644)
				if c.key != "" {
					lab.Write(t, m.Root, path+".key", c.key, 0o600)
				}
			}
			f := look(t, m)
			if n := len(f.Certificates); n < 1 || n > c.most+1 || f.Certificates[n-1].Chain != "/etc/step/certs/mx.crt" {
				t.Errorf("%d certificates", n)
			}
			if !slices.ContainsFunc(f.Unseen, func(u detect.Unseen) bool { return strings.Contains(u.What, caddy) && strings.Contains(u.Why, c.why) }) {
				t.Errorf("%.300q", f.Unseen)
			}
		})
	}
}

// leaving is a machine on which somebody presses Ctrl-C when the first of Caddy's folders
// is listed.
type leaving struct {
	*host.Fake
	cancel func()
	listed *int
}

func (l leaving) ReadDir(path string, most int) ([]string, error) {
	if strings.HasPrefix(path+"/", caddy) {
		*l.listed++
		l.cancel()
	}
	return l.Fake.ReadDir(path, most)
}

// TestListingInterrupted: looking for certificates ends with the context.
func TestListingInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m := leaving{crowd(t, 20), cancel, new(int)}
	if _, err := detect.Look(ctx, m, "/etc/postfix", "/etc/postseal/certs", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if *m.listed != 1 {
		t.Errorf("%d folders listed", *m.listed)
	}
}

// interrupting is a machine on which somebody presses Ctrl-C when the first of Caddy's
// certificates is read.
type interrupting struct {
	*host.Fake
	cancel func()
	read   *int
}

func (i interrupting) ReadFile(path string) ([]byte, error) {
	if strings.HasPrefix(path, caddy) {
		*i.read++
		i.cancel()
	}
	return i.Fake.ReadFile(path)
}

// TestCertificatesInterrupted: reading certificates ends with the context.
func TestCertificatesInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m := interrupting{crowd(t, 20), cancel, new(int)}
	if _, err := detect.Look(ctx, m, "/etc/postfix", "/etc/postseal/certs", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if *m.read == 0 || *m.read > 2 {
		t.Errorf("%d files read", *m.read)
	}
}
