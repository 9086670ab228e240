package wizard

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/apply"
	"postseal/internal/audit"
	"postseal/internal/host"
	"postseal/internal/lab"
	"postseal/internal/plan"
	"postseal/internal/rehearse"
	"postseal/internal/session"
)

func init() { tickTime = 0 }

// guard is a machine that only commands may ask: whatever Update or View asks
// would freeze the screen. It embeds nothing, so that a method that the
// interface gains is not let through unwatched.
type guard struct {
	m    host.Machine
	t    testing.TB
	busy bool // Update or View is running
	// changed is what was done to the machine.
	changed []string
}

func (g *guard) ask(what ...string) host.Machine {
	if g.busy {
		g.t.Helper()
		g.t.Errorf("%s while drawing or handling a message", strings.Join(what, " "))
	}
	return g.m
}

func (g *guard) change(what ...string) host.Machine {
	g.changed = append(g.changed, strings.Join(what, " "))
	return g.ask(what...)
}

func (g *guard) Detach(n string, a ...string) error  { return g.change("start", n).Detach(n, a...) }
func (g *guard) ReadFile(p string) ([]byte, error)   { return g.ask("read", p).ReadFile(p) }
func (g *guard) Open(path string) (host.File, error) { return g.ask("open", path).Open(path) }

func (g *guard) Stream(ctx context.Context, take func(io.Reader) error, name string, args ...string) error {
	return g.ask(append([]string{name}, args...)...).Stream(ctx, take, name, args...)
}

func (g *guard) ReadTail(p string, n int64) ([]byte, error) { return g.ask("read", p).ReadTail(p, n) }
func (g *guard) ReadOwn(p string) ([]byte, error)           { return g.ask("read", p).ReadOwn(p) }
func (g *guard) Exposed(p string) ([]host.Exposure, error)  { return g.ask("stat", p).Exposed(p) }
func (g *guard) Stat(p string) (host.Info, error)           { return g.ask("stat", p).Stat(p) }
func (g *guard) Resolve(p string) (string, error)           { return g.ask("resolve", p).Resolve(p) }
func (g *guard) Readlink(p string) (string, error)          { return g.ask("resolve", p).Readlink(p) }
func (g *guard) ReadDir(p string, n int) ([]string, error)  { return g.ask("glob", p).ReadDir(p, n) }
func (g *guard) Glob(p string) ([]string, error)            { return g.ask("glob", p).Glob(p) }
func (g *guard) UID() int                                   { return g.ask("look at the user").UID() }
func (g *guard) Now() time.Time                             { return g.ask("look at the clock").Now() }

func (g *guard) Run(ctx context.Context, name string, args ...string) (host.Output, error) {
	return g.ask("run", name).Run(ctx, name, args...)
}

func (g *guard) LookUp(ctx context.Context, server, name string, qtype uint16) (host.Answer, error) {
	return g.ask("look up", name).LookUp(ctx, server, name, qtype)
}

func (g *guard) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return g.ask("dial", addr).Dial(ctx, network, addr)
}

func (g *guard) Save(p string, b []byte, m fs.FileMode) error {
	return g.change("write", p).Save(p, b, m)
}

func (g *guard) Remove(p string) error               { return g.change("remove", p).Remove(p) }
func (g *guard) Lock(p string) (func() error, error) { return g.change("lock", p).Lock(p) }
func (g *guard) ReplaceSecret(p string, b []byte) error {
	return g.change("write", p).ReplaceSecret(p, b)
}

func (g *guard) LockEdit(ctx context.Context, p string) (func() error, error) {
	return g.change("lock", p).LockEdit(ctx, p)
}

func (g *guard) Replace(p string, b []byte, mode fs.FileMode) error {
	return g.change("write", p).Replace(p, b, mode)
}

func (g *guard) MkdirAll(p string, mode fs.FileMode) ([]string, error) {
	return g.change("mkdir", p).MkdirAll(p, mode)
}

func (g *guard) Act(ctx context.Context, name string, args ...string) (host.Output, error) {
	return g.change("act", name).Act(ctx, name, args...)
}

const oldMain = "myhostname = mx.example.org\nrelay_domains = example.org\ninet_interfaces = 127.0.0.1\nsmtpd_use_tls = yes\n" +
	"smtpd_tls_cert_file = /c/mx.pem\nsmtpd_tls_key_file = /c/mx.key\n"

var someFiles struct {
	sync.Once
	byPath map[string]string
}

// files are a server with users, and some certificates.
func files(t testing.TB) map[string]string {
	someFiles.Do(func() {
		ca := lab.NewCA(t)
		mx, spare, client := ca.Issue(t, lab.Leaf{RSA: true}), ca.Issue(t, lab.Leaf{}), ca.Issue(t, lab.Leaf{NoUsages: true})
		someFiles.byPath = map[string]string{
			"main.cf":   oldMain,
			"master.cf": "smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\nsmtp unix - - y - - smtp\n",
			"/c/mx.pem": mx.Cert + ca.IntermediatePEM, "/c/mx.key": mx.Key, "/c/client.pem": client.Key + client.Cert + ca.IntermediatePEM,
			"/etc/letsencrypt/live/mx/fullchain.pem": spare.Cert + ca.IntermediatePEM, "/etc/letsencrypt/live/mx/privkey.pem": spare.Key,
			"/etc/ssl/certs/ca-certificates.crt": ca.RootPEM,
			// CAs that nobody answers for: no test asks one of the world's.
			"/etc/postseal/cas.json": `{"as_of": "2026-11-23", "cas": [
				{"name": "here", "title": "Here", "directory": "https://127.0.0.1:1/dir", "staging": "https://127.0.0.1:1/staging", "uses": "server", "note": "free", "source": "a test"},
				{"name": "bound", "title": "Bound", "directory": "https://127.0.0.1:1/bound", "eab": true, "uses": "both", "note": "paid", "source": "a test"}]}`,
		}
	})
	return maps.Clone(someFiles.byPath)
}

// hand is a person at the wizard. Commands are carried out at once, unless
// they are held back.
type hand struct {
	*Model
	t       testing.TB
	machine *guard
	hold    bool
	held    []tea.Cmd
	quit    bool
}

// noPostfix is a rehearsal where there is no Postfix.
func noPostfix(*session.Session, func(rehearse.Trial)) apply.Rehearse {
	return func(context.Context, *plan.Plan, map[string][]byte) (*rehearse.Report, error) {
		return nil, errors.New("there is no Postfix in a test")
	}
}

// sit starts the wizard on a machine, and holds back the looking.
func sit(t testing.TB, machine host.Machine, o Options) *hand {
	t.Helper()
	g := &guard{m: machine, t: t}
	o.Machine = &host.Recorder{Machine: g}
	o.rehearse = noPostfix
	o.gather = noEvidence
	m := newModel(context.Background(), o)
	t.Cleanup(m.cancel)
	h := &hand{Model: m, t: t, machine: g, hold: true}
	h.run(m.startLooking())
	return h
}

// noEvidence is what there is beside the files where there is no Postfix.
func noEvidence(_ context.Context, s *session.Session) (*audit.Evidence, error) {
	return &audit.Evidence{Facts: s.Facts, NotLive: "this is a test", NotSent: "this is a test"}, nil
}

// open starts the wizard on a machine with these files, and looks.
func open(t testing.TB, files map[string]string) *hand {
	t.Helper()
	h := sit(t, lab.Machine(t, "3.7.11", files), Options{NoColor: true})
	h.release()
	if !h.look.ready {
		t.Fatalf("looking failed: %v", h.end.err)
	}
	return h
}

// begin goes past what is there and the card, to the first question.
func (h *hand) begin() { h.press("enter", "enter") }

// release carries out what was held back.
func (h *hand) release() {
	held := h.held
	h.hold, h.held = false, nil
	for _, cmd := range held {
		h.run(cmd)
	}
}

// run carries a command out, and what follows from it.
func (h *hand) run(cmd tea.Cmd) {
	switch {
	case cmd == nil:
		return
	case h.hold:
		h.held = append(h.held, cmd)
		return
	}
	msg := cmd()
	for len(h.events) > 0 {
		h.send(<-h.events)
	}
	switch msg := msg.(type) {
	case nil, tickMsg:
	case tea.BatchMsg:
		for _, c := range msg {
			h.run(c)
		}
	case tea.QuitMsg:
		h.quit = true
	default:
		h.send(msg)
	}
}

// send gives the model a message.
func (h *hand) send(msg tea.Msg) {
	h.machine.busy = true
	_, cmd := h.Update(msg)
	h.machine.busy = false
	h.run(cmd)
}

// press presses keys by their names.
func (h *hand) press(keys ...string) {
	for _, k := range keys {
		h.send(keyOf(k))
	}
}

func keyOf(name string) tea.KeyMsg {
	named := map[string]tea.KeyType{
		"enter": tea.KeyEnter, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight, "esc": tea.KeyEsc,
		"tab": tea.KeyTab, "ctrl+c": tea.KeyCtrlC, "home": tea.KeyHome, "end": tea.KeyEnd, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown,
		"backspace": tea.KeyBackspace,
	}
	if kind, ok := named[name]; ok {
		return tea.KeyMsg{Type: kind}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(name)}
}

// see draws the screen.
func (h *hand) see() string {
	h.machine.busy = true
	defer func() { h.machine.busy = false }()
	return h.View()
}

// choose moves to an option by its name.
func (h *hand) choose(text string) {
	h.t.Helper()
	for range h.question.options {
		h.press("up")
	}
	for h.question.options[h.question.cursor].Text != text {
		at := h.question.cursor
		if h.press("down"); h.question.cursor == at {
			h.t.Fatalf("%s has no option %q", h.question.Name(), text)
		}
	}
}
