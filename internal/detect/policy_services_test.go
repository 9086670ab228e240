package detect_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// serve answers every connection to a socket with the same words, or, with none, never.
func serve(t *testing.T, network, addr, words string) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			if words == "" {
				continue
			}
			go func() {
				question := make([]byte, 1000)
				for {
					if _, err := c.Read(question); err != nil {
						return
					}
					if _, err := c.Write([]byte(words)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// TestPolicyServices: a policy table that is a service is asked once, as Postfix would
// ask it, and not for long.
func TestPolicyServices(t *testing.T) {
	lab.Need(t, "postmap")
	lab.NeedRoot(t)
	dir := lab.Dir(t)
	queue := filepath.Join(dir, "queue")
	lab.Write(t, queue, "private/x", "", 0o644)
	const none = "9:NOTFOUND ,"
	tcp := func(words string) string { return serve(t, "tcp", "127.0.0.1:0", words) }
	serve(t, "unix", filepath.Join(queue, "private", "policy"), none)
	closed := lab.Addr(t)
	for _, x := range []struct {
		name, table, chroot, text string
	}{
		{"it answers", "socketmap:inet:" + tcp(none) + ":postfix", "n", ""},
		{"it answers, in the queue directory", "socketmap:unix:private/policy:postfix", "n", ""},
		{"it answers, in the chroot", "socketmap:unix:/private/policy:postfix", "y", ""},
		{"it answers by another protocol", "tcp:" + tcp("500 no\n"), "n", ""},
		{"it is outside of the chroot", "socketmap:unix:" + filepath.Join(queue, "private", "policy") + ":postfix", "y", "does not answer: No such file or directory"},
		{"nothing listens", "socketmap:inet:" + closed + ":postfix", "n", "does not answer: Connection refused"},
		{"nothing listens, by another protocol", "tcp:" + closed, "n", "does not answer: TCP map " + closed + ": Connection refused"},
		{"it cannot", "socketmap:inet:" + tcp("12:TEMP not now,") + ":postfix", "n", "temporary error: not now"},
		{"it hangs", "socketmap:inet:" + tcp("") + ":postfix", "n", "does not answer within 4s"},
		{"it is no service", "inline:{a=may}", "n", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			conf := lab.Dir(t)
			lab.Write(t, conf, "main.cf", "compatibility_level = 3.6\nmyhostname = mx.example.org\nqueue_directory = "+queue+"\nsmtp_tls_policy_maps = "+x.table+"\n", 0o644)
			lab.Write(t, conf, "master.cf", "smtp unix - - "+x.chroot+" - - smtp\n", 0o644)
			f, err := detect.Look(context.Background(), host.ReadOnly{Reader: host.Local{}}, conf, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, p := range f.Problems {
				if p.Kind == detect.NoAnswer {
					text += p.Text
				}
			}
			if (text == "") != (x.text == "") || !strings.Contains(text, x.text) {
				t.Errorf("%q", text)
			}
		})
	}
}
