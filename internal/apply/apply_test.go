package apply_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/probe"
	"postseal/internal/session"
)

// bed is a real Postfix with an ageing configuration, and postseal beside it.
type bed struct {
	*lab.Server
	dir      string
	settings session.Settings
	ca       *lab.CA
}

const smtpd = "%s inet n - y - - smtpd"

func newBed(t *testing.T, services ...string) *bed {
	t.Helper()
	if len(services) == 0 {
		services = []string{smtpd}
	}
	dir := lab.Dir(t)
	b := &bed{dir: dir, ca: lab.NewCA(t)}
	leaf := b.ca.Issue(t, lab.Leaf{RSA: true})
	lab.Write(t, dir, "ssl/mx.pem", leaf.Cert+b.ca.IntermediatePEM, 0o644)
	lab.Write(t, dir, "ssl/mx.key", leaf.Key, 0o600)
	ec := b.ca.Issue(t, lab.Leaf{})
	lab.Write(t, dir, "ssl/ec.pem", ec.Cert+ec.Key+b.ca.IntermediatePEM, 0o600)
	b.Server = lab.Postfix(t, fmt.Sprintf("\nmyhostname = mx.example.org\nrelay_domains = example.org\nsmtpd_use_tls = yes\nsmtpd_tls_cert_file = %s/ssl/mx.pem\nsmtpd_tls_key_file = %[1]s/ssl/mx.key\nservice_throttle_time = 3s\n", dir), services...)
	// The delivery agents' resolver is this machine: nobody outside is asked.
	lab.Write(t, b.Dir, "queue/etc/resolv.conf", "nameserver 127.0.0.1\n", 0o644)
	b.settings = session.Settings{ConfigDir: b.Config(), StateDir: filepath.Join(dir, "state"), CertsDir: filepath.Join(dir, "etc", "certs")}
	return b
}

func (b *bed) open(t *testing.T, flags ...string) *session.Session {
	t.Helper()
	s := b.settings
	s.Flags = map[string][]string{}
	for _, f := range flags {
		k, v, _ := strings.Cut(f, "=")
		s.Flags[k] = append(s.Flags[k], v)
	}
	out, err := session.Open(context.Background(), host.Local{}, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (b *bed) plan(t *testing.T, flags ...string) (*session.Session, *plan.Plan) {
	t.Helper()
	s := b.open(t, flags...)
	p, err := s.Plan(s.Answers)
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

// options are those of an apply that is not rehearsed.
func options(s *session.Session, p *plan.Plan) apply.Options {
	o := s.ApplyOptions()
	o.Rehearse = nil // which takes longer than all else
	for _, r := range p.Risks {
		o.Accept = append(o.Accept, r.Name)
	}
	return o
}

func (b *bed) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(b.Config(), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// served is what a client of today sees on listener i.
func (b *bed) served(t *testing.T, i int, o probe.Options) (probe.Result, error) {
	t.Helper()
	return probe.Handshake(context.Background(), probe.Target{Addr: b.Addrs[i]}, o)
}

func TestApplyAndUndo(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	if err := os.Chmod(filepath.Join(b.Config(), "main.cf"), 0o640); err != nil {
		t.Fatal(err)
	}
	old, err := b.served(t, 0, probe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, p := b.plan(t, "cert="+b.dir+"/ssl/ec.pem", "cert="+b.dir+"/ssl/mx.pem", "key="+b.dir+"/ssl/mx.key")
	var steps []string
	o := options(s, p)
	o.Rehearse = s.Rehearse(nil)
	o.Events = func(e apply.Event) {
		if e.State != apply.Running {
			steps = append(steps, e.Step)
		}
	}
	r, err := apply.Run(context.Background(), host.Local{}, p, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Phase != apply.Kept || len(r.Proofs) != 1 || !r.Proofs[0].OK || r.Proofs[0].Refused != "TLS 1.1" || len(r.Proofs[0].Serves) != 2 {
		t.Errorf("%+v", r)
	}
	if got := strings.Join(steps, ", "); !strings.Contains(got, "let postconf read a copy, back up, write, reload, shake hands with every listener") {
		t.Errorf("steps: %s", got)
	}
	for _, kind := range []string{"RSA", "ECDSA"} {
		if r, err := b.served(t, 0, probe.Options{Algorithm: kind}); err != nil || len(r.Certs) != 2 {
			t.Errorf("%s: %v, %d certificates", kind, err, len(r.Certs))
		}
	}
	for _, name := range []string{"ecdsa.pem", "rsa.pem"} {
		files, _ := filepath.Glob(filepath.Join(b.settings.CertsDir, "*", name))
		if len(files) != 1 {
			t.Fatalf("%s: %v", name, files)
		}
		st, err := os.Stat(files[0])
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", files[0], st.Mode(), err)
		}
	}
	if st, err := os.Stat(filepath.Join(b.Config(), "main.cf")); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("mode of main.cf: %v, %v", st.Mode(), err)
	}
	if _, again := b.plan(t); !again.Empty() {
		t.Errorf("a second run would change %d files", len(again.Files))
	}
	left, _ := filepath.Glob(filepath.Join(b.Config(), "*.tmp"))
	hidden, _ := filepath.Glob(filepath.Join(b.Config(), ".*"))
	if len(left)+len(hidden) > 0 {
		t.Errorf("left behind: %v %v", left, hidden)
	}
	// Nothing of the state holds a private key, but the backups, and those
	// are root's alone.
	receipt, err := os.ReadFile(filepath.Join(b.settings.StateDir, "receipts", r.ID+".json"))
	if err != nil || strings.Contains(string(receipt), "PRIVATE") {
		t.Errorf("the receipt: %v", err)
	}

	u, err := apply.Undo(context.Background(), host.Local{}, s.ConfigDir, "", options(s, p))
	if err != nil {
		t.Fatal(err)
	}
	if u.Kind != "undo" || u.Phase != apply.Kept || u.Undoes != r.ID {
		t.Errorf("%+v", u)
	}
	if d := cmp.Diff(before, b.read(t, "main.cf")); d != "" {
		t.Errorf("undo is not the identity\n%s", d)
	}
	if _, err := os.Stat(filepath.Dir(b.settings.CertsDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of certificates is still there: %v", err)
	}
	if now, err := b.served(t, 0, probe.Options{}); err != nil || now.Fingerprint() != old.Fingerprint() {
		t.Errorf("after undo: %v", err)
	}
	if _, err := apply.Undo(context.Background(), host.Local{}, s.ConfigDir, "", options(s, p)); !errors.Is(err, apply.ErrNothing) {
		t.Errorf("undo of nothing: %v", err)
	}
	all, err := apply.History(host.Local{}, b.settings.StateDir, "")
	if err != nil || len(all) != 2 || all[1].Phase != apply.Undone {
		t.Errorf("history: %v, %v", all, err)
	}
}

// spoil puts lines into the planned main.cf, in the place of those of the same
// parameters, that postconf takes without a word.
func spoil(p *plan.Plan, lines string) {
	for i, f := range p.Files {
		if f.Kind != plan.MainCF {
			continue
		}
		for line := range strings.Lines(lines) {
			name, _, _ := strings.Cut(line, "=")
			f.After = regexp.MustCompile(`(?m)^`+name+`=.*\n(?:[ \t].*\n)*`).ReplaceAllString(f.After, "")
		}
		p.Files[i].After = f.After + lines + "\n"
	}
}

// TestRollBack: settings that `postfix check` and postconf let pass, but that
// stop TLS or mail, are found in the rehearsal, and nothing is written; without
// one they are found by a handshake, and everything is put back.
func TestRollBack(t *testing.T) {
	for _, c := range []struct{ name, line, why string }{
		{"CA file missing", "smtpd_tls_CAfile = /nonexistent/ca.pem", "454"},
		{"misspelt level", "smtpd_tls_security_level = maye", "greeting"},
		{"unknown grade", "smtpd_tls_ciphers = strong", "TLS handshake"},
		{"floor too low", "smtpd_tls_protocols = >=TLSv1\nsmtpd_tls_exclude_ciphers =", "still accepts TLS 1.1"},
		{"another certificate", "smtpd_tls_chain_files = DIR/ssl/ec.pem", "454"},
		{"TLS off", "smtpd_tls_security_level = none", "not offered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			before := b.read(t, "main.cf")
			s, p := b.plan(t)
			spoil(p, strings.ReplaceAll(c.line, "DIR", b.dir))
			p.Block = nil // the copy that postconf reads differs from the block now
			o := options(s, p)
			o.ProveTime = 3 * time.Second
			o.Rehearse = s.Rehearse(nil)
			if _, err := apply.Run(context.Background(), host.Local{}, p, o); !errors.Is(err, apply.ErrRisk) || !strings.Contains(err.Error(), plan.RiskFailedRehearsal) {
				t.Errorf("rehearsed: %v", err)
			}
			if b.read(t, "main.cf") != before {
				t.Fatal("written though the rehearsal failed")
			}
			o.Rehearse = nil
			r, err := apply.Run(context.Background(), host.Local{}, p, o)
			if !errors.Is(err, apply.ErrRolledBack) || !strings.Contains(err.Error(), c.why) {
				t.Fatalf("%v, want %s", err, c.why)
			}
			if r.Phase != apply.RolledBack || r.Failure == "" {
				t.Errorf("%+v", r)
			}
			if d := cmp.Diff(before, b.read(t, "main.cf")); d != "" {
				t.Errorf("not put back\n%s", d)
			}
			if _, err := os.Stat(b.settings.CertsDir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder of certificates is still there: %v", err)
			}
			if r, err := b.served(t, 0, probe.Options{}); err != nil || r.Version == "" {
				t.Errorf("after the rollback: %v", err)
			}
			if pending, err := apply.Pending(host.Local{}, b.settings.StateDir); pending != nil || err != nil {
				t.Errorf("a journal is left: %v, %v", pending, err)
			}
		})
	}
}

// failing is a machine on which one thing goes wrong that cannot be provoked.
type failing struct {
	host.Machine
	reload  int  // the reload, from 1, that fails
	after   bool // and so do those after it
	replace string
	count   int
}

func (f *failing) Act(ctx context.Context, name string, args ...string) (host.Output, error) {
	if f.count++; f.count == f.reload || f.after && f.count > f.reload {
		return host.Output{Code: 1}, nil
	}
	return f.Machine.Act(ctx, name, args...)
}

func (f *failing) Replace(path string, data []byte, mode os.FileMode) error {
	if f.replace != "" && strings.HasSuffix(path, f.replace) {
		return fmt.Errorf("replacing %s: no space left on device", path)
	}
	return f.Machine.Replace(path, data, mode)
}

func TestReloadFails(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	s, p := b.plan(t)
	_, err := apply.Run(context.Background(), &failing{Machine: host.Local{}, reload: 1}, p, options(s, p))
	if !errors.Is(err, apply.ErrRolledBack) || !strings.Contains(err.Error(), "reload ended with 1") {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, b.read(t, "main.cf")); d != "" {
		t.Errorf("not put back\n%s", d)
	}
}

// TestReloadGone: where the files are back and Postfix cannot be told, that is
// what is said, and recorded; and undo brings it to its end.
func TestReloadGone(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	s, p := b.plan(t)
	r, err := apply.Run(context.Background(), &failing{Machine: host.Local{}, reload: 1, after: true}, p, options(s, p))
	if !errors.Is(err, apply.ErrNotRolledBack) || !strings.HasPrefix(hint.Of(err), "every file is as it was") {
		t.Fatalf("%v: %s", err, hint.Of(err))
	}
	if !r.Restored || b.read(t, "main.cf") != before {
		t.Errorf("the files are back, but the receipt says %+v", r)
	}
	all, err := apply.Standing(host.Local{}, b.settings.StateDir, "")
	if err != nil || len(all) != 1 || all[0].ID != r.ID || !all[0].Restored || !strings.Contains(all[0].Stands, "postseal undo") {
		t.Errorf("%v %+v", err, all)
	}
	if r, err = apply.Undo(context.Background(), host.Local{}, b.settings.ConfigDir, "", apply.Options{StateDir: b.settings.StateDir}); err != nil || !r.OnRequest() {
		t.Errorf("%v %+v", err, r)
	}
	if all, err = apply.Standing(host.Local{}, b.settings.StateDir, ""); err != nil || len(all) != 1 || all[0].Phase != apply.RolledBack || all[0].Stands != "" {
		t.Errorf("%v %+v", err, all)
	}
}

// closed is a state folder of root's, as another user meets it.
type closed struct{ host.Local }

func (closed) UID() int { return 65534 }

func (closed) Stat(path string) (host.Info, error) {
	return host.Info{}, &os.PathError{Op: "stat", Path: path, Err: os.ErrPermission}
}

func (closed) Glob(string) ([]string, error) { return nil, nil } // which says nothing of folders that it may not read

// TestHistoryClosed: whoever may not read what was recorded is not told that
// nothing was.
func TestHistoryClosed(t *testing.T) {
	for name, list := range map[string]func(host.Reader, string, string) ([]*apply.Receipt, error){"History": apply.History, "Standing": apply.Standing} {
		if all, err := list(closed{}, "/var/lib/postseal", ""); !errors.Is(err, os.ErrPermission) || !strings.Contains(hint.Of(err), "as root") {
			t.Errorf("%s: %v %v", name, all, err)
		}
	}
}

func TestWritingFails(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"conf/main.cf", "new-1", "old-1", "journal.json"} {
		b := newBed(t)
		before := b.read(t, "main.cf")
		s, p := b.plan(t)
		_, err := apply.Run(context.Background(), &failing{Machine: host.Local{}, replace: name}, p, options(s, p))
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Fatalf("%s: %v", name, err)
		}
		if rolled := errors.Is(err, apply.ErrRolledBack); rolled != (name == "conf/main.cf") {
			t.Errorf("%s: rolled back %v: %v", name, rolled, err)
		}
		if d := cmp.Diff(before, b.read(t, "main.cf")); d != "" {
			t.Errorf("%s: not put back\n%s", name, d)
		}
		if _, again := b.plan(t); again.Empty() {
			t.Errorf("%s: the plan is empty, though nothing was done", name)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	s, p := b.plan(t)
	run := func(o apply.Options) error {
		_, err := apply.Run(context.Background(), host.Local{}, p, o)
		return err
	}
	o := options(s, p)
	o.Accept = nil
	if err := run(o); !errors.Is(err, apply.ErrRisk) || !strings.Contains(hint.Of(err), "drop-tls10") {
		t.Errorf("risk: %v", err)
	}
	if out, err := exec.Command("postconf", "-c", b.Config(), "-e", "smtpd_banner=changed").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	if err := run(options(s, p)); !errors.Is(err, apply.ErrChanged) || !strings.Contains(err.Error(), "main.cf") {
		t.Errorf("changed under our feet: %v", err)
	}
	if got := b.read(t, "main.cf"); !strings.Contains(got, "smtpd_banner = changed") || strings.Contains(got, "BEGIN postseal") {
		t.Errorf("the other edit is lost, or ours was made:\n%s", got)
	}
	release, err := host.Local{}.Lock(filepath.Join(b.settings.StateDir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := run(options(s, p)); err == nil || !strings.Contains(err.Error(), "another postseal") {
		t.Errorf("two at once: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	// The source of a certificate changes between plan and apply.
	_, p = b.plan(t)
	other := b.ca.Issue(t, lab.Leaf{RSA: true})
	lab.Write(t, b.dir, "ssl/mx.pem", other.Cert, 0o644)
	if err := run(options(s, p)); !errors.Is(err, apply.ErrChanged) || !strings.Contains(err.Error(), "mx.pem") {
		t.Errorf("certificate changed: %v", err)
	}
	b.Stop()
	lab.Write(t, b.dir, "ssl/mx.pem", issuedCert(t, b), 0o644)
	_, p = b.plan(t)
	if err := run(options(s, p)); err == nil || !strings.Contains(err.Error(), "not running") {
		t.Errorf("Postfix stopped: %v", err)
	}
	o = options(s, p)
	o.FilesOnly = true
	if r, err := apply.Run(context.Background(), host.Local{}, p, o); err != nil || !r.FilesOnly {
		t.Errorf("files only: %v", err)
	}
}

// issuedCert puts a matching pair in place again and returns the certificate.
func issuedCert(t *testing.T, b *bed) string {
	leaf := b.ca.Issue(t, lab.Leaf{RSA: true})
	lab.Write(t, b.dir, "ssl/mx.key", leaf.Key, 0o600)
	return leaf.Cert + b.ca.IntermediatePEM
}

// TestListeners: every kind of listener is proved in its own way.
func TestListeners(t *testing.T) {
	t.Parallel()
	b := newBed(t,
		"%s inet n - y - - smtpd",
		"%s inet n - n - - smtpd -o smtpd_tls_wrappermode=yes",
		"%s inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy",
		"%s inet n - n - - smtpd -o content_filter= -o smtpd_tls_security_level=none",
		"%s inet n - n - - smtpd -o smtpd_tls_cert_file=DIR/ssl/ec.pem -o smtpd_tls_key_file=DIR/ssl/ec.pem",
		"%s inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd",
	)
	main := b.read(t, "master.cf")
	if err := os.WriteFile(filepath.Join(b.Config(), "master.cf"), []byte(strings.ReplaceAll(main, "DIR", b.dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("postfix", "-c", b.Config(), "reload").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s, p := b.plan(t)
	r, err := apply.Run(context.Background(), host.Local{}, p, options(s, p))
	if err != nil {
		log, _ := os.ReadFile(b.LogPath())
		t.Fatalf("%v\n%s", err, log)
	}
	var got []string
	for _, x := range r.Proofs {
		kinds := ""
		for k := range x.Serves {
			kinds += k
		}
		got = append(got, fmt.Sprintf("%s %v %s %s", x.Mode, x.OK, kinds, x.Refused))
	}
	want := []string{
		"STARTTLS true RSA TLS 1.1", "TLS from the first byte true RSA TLS 1.1", "STARTTLS true RSA TLS 1.1", "greeting true  ",
		"STARTTLS true ECDSA TLS 1.1", "STARTTLS true RSA TLS 1.1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestHandEdit: a line of the block that was edited becomes the answer; one
// that no question is about is a risk.
func TestHandEdit(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	s, p := b.plan(t)
	if _, err := apply.Run(context.Background(), host.Local{}, p, options(s, p)); err != nil {
		t.Fatal(err)
	}
	edit := func(from, to string) {
		text := strings.Replace(b.read(t, "main.cf"), from, to, 1)
		if err := os.WriteFile(filepath.Join(b.Config(), "main.cf"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	edit("smtpd_tls_received_header = yes", "smtpd_tls_received_header = no")
	s = b.open(t)
	if got := s.Answers.Source("received-header"); got != ask.Edited {
		t.Errorf("the edit is taken for %v", got)
	}
	p, err := s.Plan(s.Answers)
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := p.File(plan.MainCF); ok && strings.Contains(f.After, "received_header = yes") {
		t.Error("the edit would be undone unasked")
	}
	edit("smtp_tls_loglevel = 1", "smtp_tls_loglevel = 1\nsmtp_tls_note_starttls_offer = yes")
	_, p = b.plan(t)
	if len(p.Risks) != 1 || p.Risks[0].Name != plan.RiskReplaceHandEdits || !strings.Contains(p.Risks[0].Text, "smtp_tls_note_starttls_offer") {
		t.Errorf("%+v", p.Risks)
	}
}

// TestCancel: a run that is cancelled while it proves puts everything back.
func TestCancel(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.read(t, "main.cf")
	s, p := b.plan(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	o := options(s, p)
	o.Events = func(e apply.Event) {
		if e.Step == "reload" && e.State == apply.Done {
			cancel(errors.New("hangup signal received"))
		}
	}
	r, err := apply.Run(ctx, host.Local{}, p, o)
	if !errors.Is(err, apply.ErrRolledBack) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if r.Failure != "interrupted: hangup signal received" {
		t.Errorf("the receipt says %q", r.Failure)
	}
	if d := cmp.Diff(before, b.read(t, "main.cf")); d != "" {
		t.Errorf("not put back\n%s", d)
	}
}

// TestCancelLook: who stops it before it has written anything is told that, and not that
// Postfix does not answer; and nothing is written.
func TestCancelLook(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at              string
		undo, filesOnly bool
	}{{at: "status"}, {at: "greeting"}, {at: "-n"}, {at: "-n", filesOnly: true}, {at: "status", undo: true}, {at: "greeting", undo: true}} {
		b := newBed(t)
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		m := stopping{at: c.at, stop: func() { cancel(errors.New("hangup signal received")) }}
		s, p := b.plan(t)
		o := options(s, p)
		o.FilesOnly = c.filesOnly
		act := func() (*apply.Receipt, error) { return apply.Run(ctx, m, p, o) }
		if c.undo {
			x := b.applied(t, time.Hour)
			act = func() (*apply.Receipt, error) { return apply.Undo(ctx, m, b.Config(), x.ID, o) }
		}
		written := false
		o.Events = func(e apply.Event) { written = written || e.Step == "write" }
		before := b.read(t, "main.cf")
		_, err := act()
		if !errors.Is(err, context.Canceled) || err.Error() != "interrupted: hangup signal received" {
			t.Errorf("%+v: %v", c, err)
		}
		if written || b.read(t, "main.cf") != before {
			t.Errorf("%+v: main.cf was written", c)
		}
	}
}

// stopping is a machine on which somebody stops the run at that look.
type stopping struct {
	host.Local
	at   string
	stop func()
}

func (s stopping) Run(ctx context.Context, name string, args ...string) (host.Output, error) {
	if args[len(args)-1] == s.at {
		s.stop()
	}
	return s.Local.Run(ctx, name, args...)
}

func (s stopping) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if s.at == "greeting" {
		s.stop()
	}
	return s.Local.Dial(ctx, network, addr)
}

// TestDeadBefore: a service that served no one before is not held against the
// change, nor is what the log said of it then; both are told.
func TestDeadBefore(t *testing.T) {
	t.Parallel()
	b := newBed(t, smtpd, smtpd+" -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=private/nowhere")
	if _, err := b.served(t, 1, probe.Options{}); err == nil {
		t.Skip("this Postfix serves without SASL")
	}
	s, p := b.plan(t)
	r, err := apply.Run(context.Background(), host.Local{}, p, options(s, p))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Proofs[0].OK || r.Proofs[1].OK {
		t.Errorf("%+v", r.Proofs)
	}
	if !strings.Contains(strings.Join(r.Warnings, "\n"), "as before the change: fatal: no SASL") {
		t.Errorf("warnings %q", r.Warnings)
	}
}
