package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/audit"
	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/probe"
	"postseal/internal/rehearse"
	"postseal/internal/report"
	"postseal/internal/session"
)

//go:embed demo
var demoFiles embed.FS

// demoLife is how long the demo's Postfix lives at most, whatever happens to
// this program.
const demoLife = 2 * time.Hour

func (a *app) demoCmd() *cobra.Command {
	var byFlags, keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try postseal on a private Postfix with an ageing configuration",
		Long: `demo creates a Postfix in a temporary directory, on a port of 127.0.0.1, with a main.cf that has grown over the years,
and starts the wizard on it. Without a terminal it does the same by flags. The mail of this machine is not touched, and
everything is removed at the end. A private Postfix needs root and an installed Postfix; without them, the demo works
on files only, and says so.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.runDemo(byFlags, keep)
		},
	}
	cmd.Flags().BoolVar(&byFlags, "by-flags", false, "use flags instead of the wizard, even on a terminal")
	cmd.Flags().BoolVar(&a.plain, "plain", false, "ask line by line, without a full-screen display")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the directory and its Postfix when done")
	return cmd
}

// demo is the place where a demo happens.
type demo struct {
	dir       string
	port      *rehearse.Port
	postfix   *rehearse.Instance // nil: files only
	filesOnly bool
}

func (a *app) runDemo(byFlags, keep bool) error {
	d, why, err := newDemo(a.Ctx)
	if err != nil {
		return err
	}
	if keep {
		defer fmt.Fprintln(a.Out, d.stays())
	} else {
		defer d.remove()
	}
	if why != "" {
		fmt.Fprintf(a.Out, "%s: the demo works on files only.\n\n", why)
	}
	a.settings = session.Settings{
		ConfigDir: filepath.Join(d.dir, "conf"), StateDir: filepath.Join(d.dir, "state"),
		CertsDir: filepath.Join(d.dir, "etc", "certs"),
	}
	if (a.OnTerminal() || a.plain) && !byFlags {
		err := a.wizard(d.filesOnly, keep)
		if !keep {
			fmt.Fprintln(a.Out, "The demo is over: its directory was removed and its Postfix stopped.")
		}
		return err
	}
	return a.demoByFlags(d, keep)
}

// newDemo lays the demo out. why says what is missing for a real Postfix.
func newDemo(ctx context.Context) (d *demo, why string, err error) {
	dir, err := demoDir()
	if err != nil {
		return nil, "", err
	}
	d = &demo{dir: dir}
	made := d // a return makes d nil
	defer func() {
		if err != nil {
			made.remove()
		}
	}()
	if d.port, err = rehearse.Reserve(); err != nil {
		return nil, "", err
	}
	if err := d.certificate(); err != nil {
		return nil, "", err
	}
	main, err := d.render("main.cf")
	if err != nil {
		return nil, "", err
	}
	master, err := d.render("master.cf")
	if err != nil {
		return nil, "", err
	}
	_, missing := exec.LookPath("postconf")
	switch {
	case missing != nil:
		why = "Postfix is not installed"
	case os.Geteuid() != 0:
		why = "a private Postfix needs root"
	}
	if why != "" {
		d.filesOnly = true
		return d, why, d.files(main, master)
	}
	d.postfix, err = rehearse.Create(dir, "# This is the private Postfix of a demo, in "+dir+".\n"+rehearse.Base(dir, "3.6")+"\n"+main, master+rehearse.BaseServices)
	if err != nil {
		return nil, "", err
	}
	// The delivery agents of the demo run in a chroot with a resolver of
	// their own, so that the demo asks no one outside.
	if err := writeFile(filepath.Join(dir, "queue", "etc", "resolv.conf"), "nameserver 127.0.0.1\n", 0o644); err != nil {
		return nil, "", err
	}
	if err := d.postfix.Start(ctx, demoLife); err != nil {
		return nil, "", err
	}
	return d, "", d.postfix.WaitFor(ctx, d.port.Addr)
}

// demoDir makes a new folder with a short name, since it stands in every path that the
// demo shows; if that is taken, one with a random name, which nobody can take before.
func demoDir() (string, error) {
	dir := filepath.Join(os.TempDir(), "postseal-demo")
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		if dir, err = os.MkdirTemp("", "postseal-demo-"); err == nil {
			err = os.Chmod(dir, 0o755) // the private Postfix has users of its own
		}
	}
	return dir, err
}

// files lays out what there is without a Postfix.
func (d *demo) files(main, master string) error {
	return errors.Join(
		writeFile(filepath.Join(d.dir, "conf", "main.cf"), main, 0o644),
		writeFile(filepath.Join(d.dir, "conf", "master.cf"), master, 0o644))
}

// stays says what a demo that is kept leaves, and how it ends.
func (d *demo) stays() string {
	work := "\nTo work on it: " + hint.ShellLine([]string{"postseal", "--config-dir", filepath.Join(d.dir, "conf"), "--state-dir", filepath.Join(d.dir, "state"), "--certs-dir", filepath.Join(d.dir, "etc", "certs")})
	if d.filesOnly {
		return "\nThe demo is kept in " + d.dir + ". To remove it: " + hint.ShellLine([]string{"rm", "-r", d.dir}) + work
	}
	return fmt.Sprintf("\nThe demo is kept in %s, its Postfix for %d hours. To remove it: %s; %s", d.dir, int(demoLife.Hours()),
		hint.ShellLine([]string{"postfix", "-c", filepath.Join(d.dir, "conf"), "stop"}), hint.ShellLine([]string{"rm", "-r", d.dir})) + work
}

func (d *demo) remove() {
	if d.postfix != nil {
		d.postfix.Stop()
	}
	if d.port != nil {
		d.port.Close()
	}
	_ = os.RemoveAll(d.dir)
}

func (d *demo) render(name string) (string, error) {
	t, err := template.ParseFS(demoFiles, "demo/"+name)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct{ Dir, Addr string }{d.dir, d.port.Addr})
	return b.String(), err
}

// certificate makes a self-signed one, such as an installer leaves behind.
func (d *demo) certificate() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().Unix()), Subject: pkix.Name{CommonName: "mx.example.org"}, DNSNames: []string{"mx.example.org"},
		NotBefore: time.Now().AddDate(-3, 0, 0), NotAfter: time.Now().AddDate(7, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return errors.Join(
		writeFile(filepath.Join(d.dir, "ssl", "mx.pem"), encode("CERTIFICATE", der), 0o644),
		writeFile(filepath.Join(d.dir, "ssl", "mx.key"), encode("PRIVATE KEY", keyDER), 0o600))
}

func writeFile(path, text string, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), mode)
}

// demoCard shows the report card. Without a Postfix nobody can be asked.
func (a *app) demoCard(s *session.Session, d *demo, title func(string)) error {
	title("The report card (postseal audit)")
	e, err := s.Evidence(a.Ctx, session.Gather{Live: !d.filesOnly, Send: !d.filesOnly})
	if err != nil {
		return err
	}
	a.Printer(a.Out).Card(audit.Audit(e), false)
	return nil
}

// demoByFlags shows what the wizard shows, without questions.
func (a *app) demoByFlags(d *demo, keep bool) error {
	p := a.Printer(a.Out)
	title := func(s string) { fmt.Fprintf(a.Out, "\n== %s\n\n", s) }
	title("The server as it is")
	s, err := a.open()
	if err != nil {
		return err
	}
	p.Facts(s.Facts)
	if err := a.demoCard(s, d, title); err != nil {
		return err
	}
	title("What would be written (postseal plan)")
	pl, err := s.Plan(s.Answers)
	if err != nil {
		return err
	}
	if err := p.Plan(pl, "postseal undo", d.filesOnly); err != nil {
		return err
	}
	if !d.filesOnly {
		title("A handshake before")
		a.demoHandshake(d.port.Addr)
	}
	o := s.ApplyOptions()
	o.FilesOnly, o.Events = d.filesOnly, p.Step
	for _, r := range pl.Risks {
		o.Accept = append(o.Accept, r.Name)
	}
	title("Applying (postseal apply --yes --accept-risk " + riskList(pl.Risks) + ")")
	r, err := apply.Run(a.Ctx, a.Machine, pl, o)
	if err != nil {
		return err
	}
	undo := ""
	if keep {
		undo = hint.ShellLine(s.UndoCommand())
	}
	p.Receipt(r, undo)
	if !d.filesOnly {
		title("A handshake after")
		a.demoHandshake(d.port.Addr)
	}
	title("Run it again: nothing to do")
	if s, err = a.open(); err != nil {
		return err
	}
	if pl, err = s.Plan(s.Answers); err != nil {
		return err
	}
	if err := p.Plan(pl, "postseal undo", d.filesOnly); err != nil {
		return err
	}
	if !pl.Empty() {
		return errors.New("a second run would change something")
	}
	return nil
}

func riskList(risks []plan.Risk) string {
	out := ""
	for i, r := range risks {
		if i > 0 {
			out += ","
		}
		out += r.Name
	}
	return out
}

// demoHandshake shows what a client of today and one of 2010 get.
func (a *app) demoHandshake(addr string) {
	for _, c := range []struct {
		who string
		max uint16
	}{{"a client of today", 0}, {"at most TLS 1.1", 0x0302}} {
		r, err := probe.Handshake(a.Ctx, probe.Target{Addr: addr}, probe.Options{MaxVersion: c.max})
		if err != nil {
			fmt.Fprintf(a.Out, "%-18s %s\n", c.who, report.Clean(err.Error()))
			continue
		}
		fmt.Fprintf(a.Out, "%-18s %s %s %s\n", c.who, r.Version, r.Group, r.Suite)
	}
}
