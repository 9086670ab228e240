package detect_test

import (
	"context"
	"errors"
	"fmt"
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
