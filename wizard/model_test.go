package wizard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"postseal/internal/apply"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/lab"
	"postseal/internal/session"
)

// guard is a machine that may only be asked by commands: I/O in Update or
// View would freeze the screen.
type guard struct {
	host.Machine
	t    *testing.T
	busy atomic.Bool // Update or View is running
}

func (g *guard) look(what string) {
	if g.busy.Load() {
		g.t.Helper()
		g.t.Errorf("%s while drawing or handling a key", what)
	}
}

func (g *guard) ReadFile(p string) ([]byte, error) { g.look("read " + p); return g.Machine.ReadFile(p) }
func (g *guard) Stat(p string) (host.Info, error)  { g.look("stat " + p); return g.Machine.Stat(p) }
func (g *guard) Glob(p string) ([]string, error)   { g.look("glob " + p); return g.Machine.Glob(p) }
func (g *guard) Resolve(p string) (string, error) {
	g.look("resolve " + p)
	return g.Machine.Resolve(p)
}
func (g *guard) Lock(p string) (func() error, error) { g.look("lock " + p); return g.Machine.Lock(p) }
func (g *guard) Replace(p string, b []byte, mode fs.FileMode) error {
	g.look("write " + p)
	return g.Machine.Replace(p, b, mode)
}

func (g *guard) Run(ctx context.Context, name string, args ...string) (host.Output, error) {
	g.look("run " + name)
	return g.Machine.Run(ctx, name, args...)
}

func (g *guard) LookUp(ctx context.Context, server, name string, qtype uint16) (host.Answer, error) {
	g.look("look up " + name)
	return g.Machine.LookUp(ctx, server, name, qtype)
}

func (g *guard) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	g.look("dial " + addr)
	return g.Machine.Dial(ctx, network, addr)
}

// hand is a person at the wizard.
type hand struct {
	*Model
	t       *testing.T
	machine *guard
	quit    bool
}

const oldMain = "myhostname = mx.example.org\nrelay_domains = example.org\ninet_interfaces = 127.0.0.1\nsmtpd_use_tls = yes\n" +
	"smtpd_tls_cert_file = /c/mx.pem\nsmtpd_tls_key_file = /c/mx.key\n"

// files are a server with users, and some certificates.
func files(t *testing.T) map[string]string {
	ca := lab.NewCA(t)
	mx, spare := ca.Issue(t, lab.Leaf{RSA: true}), ca.Issue(t, lab.Leaf{})
	return map[string]string{
		"main.cf":   oldMain,
		"master.cf": "smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\nsmtp unix - - y - - smtp\n",
		"/c/mx.pem": mx.Cert + ca.IntermediatePEM, "/c/mx.key": mx.Key, "/c/spare.pem": spare.Key + spare.Cert + ca.IntermediatePEM,
		"/etc/letsencrypt/live/mx/fullchain.pem": spare.Cert + ca.IntermediatePEM, "/etc/letsencrypt/live/mx/privkey.pem": spare.Key,
		"/etc/ssl/certs/ca-certificates.crt": ca.RootPEM,
	}
}

// open starts the wizard on a machine with these files, and looks.
func open(t *testing.T, files map[string]string) *hand {
	t.Helper()
	g := &guard{Machine: lab.Machine(t, "3.7.11", files), t: t}
	m := newModel(context.Background(), Options{NoColor: true, Machine: &host.Recorder{Machine: g}})
	t.Cleanup(m.cancel)
	h := &hand{Model: m, t: t, machine: g}
	h.run(m.startLooking())
	if !m.look.ready {
		t.Fatalf("looking failed: %v", m.end.err)
	}
	return h
}

// run carries a command out, and what follows from it.
func (h *hand) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
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
	h.machine.busy.Store(true)
	_, cmd := h.Update(msg)
	h.machine.busy.Store(false)
	if !h.question.typing { // the cursor blinks, and that takes its time
		h.run(cmd)
	} else if k, ok := msg.(tea.KeyMsg); ok && k.Type == tea.KeyEnter && h.question.waiting {
		h.run(cmd)
	}
}

// press presses keys by their names.
func (h *hand) press(keys ...string) {
	named := map[string]tea.KeyType{
		"enter": tea.KeyEnter, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "esc": tea.KeyEsc, "tab": tea.KeyTab, "ctrl+c": tea.KeyCtrlC, "end": tea.KeyEnd,
	}
	for _, k := range keys {
		if kind, ok := named[k]; ok {
			h.send(tea.KeyMsg{Type: kind})
			continue
		}
		h.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)})
	}
}

// see draws the screen.
func (h *hand) see() string {
	h.machine.busy.Store(true)
	defer h.machine.busy.Store(false)
	return h.View()
}

// TestThereAndBack: every question can be reached, left backwards and taken
// forward again, and no answer is lost on the way.
func TestThereAndBack(t *testing.T) {
	h := open(t, files(t))
	h.press("enter")
	var asked []string
	given := map[string][]string{}
	for h.stage == asking && len(asked) < 40 {
		q := h.question
		asked = append(asked, q.Name())
		switch q.Name() {
		case "profile", "received-header", "log-level":
			h.press("down") // not what is suggested
		}
		given[q.Name()] = h.question.chosen()
		h.press("enter")
	}
	if len(asked) < 10 || h.stage != reviewing {
		t.Fatalf("asked %v, then stage %d", asked, h.stage)
	}
	h.press("left")
	var back []string
	for h.stage == asking && len(back) < 40 {
		back = append(back, h.question.Name())
		h.press("left")
	}
	slices.Reverse(back)
	if !slices.Equal(back, asked) {
		t.Errorf("there by %v\nback by %v", asked, back)
	}
	if h.stage != looking {
		t.Fatalf("back ends in stage %d", h.stage)
	}
	h.press("enter")
	for range len(asked) + 1 {
		if h.stage != asking {
			break
		}
		if got := h.question.chosen(); !slices.Equal(got, given[h.question.Name()]) {
			t.Errorf("%s: %q is chosen, %q was given", h.question.Name(), got, given[h.question.Name()])
		}
		h.press("enter")
	}
	if h.stage != reviewing {
		t.Errorf("forward again ends in stage %d", h.stage)
	}
}

// TestLate: what comes home after it no longer matters changes nothing.
func TestLate(t *testing.T) {
	h := open(t, files(t))
	h.press("enter")
	h.machine.busy.Store(true)
	_, answered := h.Update(tea.KeyMsg{Type: tea.KeyEnter})
	h.machine.busy.Store(false)
	late := answered()
	h.press("esc") // waits for files: not heard
	if h.stage != asking {
		t.Fatal("a key was heard while files are looked at")
	}
	h.gen++
	before := h.answers
	h.send(late)
	h.send(looked{gen: h.gen - 1, err: errors.New("late")})
	h.send(planned{gen: h.gen - 1, err: errors.New("late")})
	h.send(ran{gen: h.gen - 1, err: errors.New("late")})
	if h.stage != asking || h.answers != before || h.question.err != nil {
		t.Errorf("stage %d, error %v", h.stage, h.question.err)
	}
}

// sizes are windows as people have them, down to the smallest.
var sizes = [][2]int{{40, 10}, {40, 15}, {60, 12}, {75, 24}, {76, 24}, {80, 24}, {100, 30}, {120, 40}, {160, 60}, {39, 9}, {20, 5}, {1, 1}}

// fits checks the screen at every size.
func (h *hand) fits(what string) {
	h.t.Helper()
	for _, s := range sizes {
		h.send(tea.WindowSizeMsg{Width: s[0], Height: s[1]})
		lines := strings.Split(h.see(), "\n")
		if s[0] >= minWidth && s[1] >= minHeight && len(lines) > s[1] {
			h.t.Errorf("%s at %v has %d lines", what, s, len(lines))
		}
		for _, l := range lines {
			if s[0] >= minWidth && ansi.StringWidth(l) > s[0] {
				h.t.Errorf("%s at %v is too wide: %q", what, s, l)
			}
			if strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' }) {
				h.t.Errorf("%s at %v: control characters in %q", what, s, l)
			}
		}
		if s[0] >= 40 && s[1] >= 15 {
			if foot := lines[len(lines)-1]; !strings.Contains(foot, " ") || strings.TrimSpace(foot) == "" {
				h.t.Errorf("%s at %v does not say which keys work: %q", what, s, foot)
			}
			if h.stage == asking && h.help == nil && !strings.Contains(h.see(), signHere) {
				h.t.Errorf("%s at %v does not show the choice", what, s)
			}
		}
	}
	h.send(tea.WindowSizeMsg{Width: 80, Height: 24})
}

// TestFits: every page fits every window, whatever stands in it, and what
// comes from outside reaches the screen without control characters.
func TestFits(t *testing.T) {
	ca := lab.NewCA(t)
	hostile := ca.Issue(t, lab.Leaf{Names: []string{"a\x1b[31mb.example.org", strings.Repeat("long-", 12) + "name.example.org"}})
	all := files(t)
	for name, extra := range map[string]map[string]string{
		"plain": {},
		"hostile": {
			"/c/mx.pem": hostile.Cert + ca.IntermediatePEM, "/c/mx.key": hostile.Key,
			"main.cf": oldMain + "smtpd_tls_loglevel = \x1b]0;title\a2\nsmtp_tls_note = \u202eabc\n" + strings.Repeat("x", 300) + " = y\nsmtpd_tls_CAfile = /" + strings.Repeat("very-long/", 40) + "\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			these := map[string]string{}
			for _, m := range []map[string]string{all, extra} {
				for k, v := range m {
					these[k] = v
				}
			}
			h := open(t, these)
			h.fits("looking")
			h.press("p")
			h.fits("problems")
			h.press("esc", "l")
			h.fits("what was run")
			h.press("esc", "enter")
			for n := 0; h.stage == asking && n < 40; n++ {
				h.fits(h.question.Name())
				h.press("?")
				h.fits("why " + h.question.Name())
				h.press("esc")
				if _, ok := h.question.FreeText(); ok {
					last := len(h.question.options) - 1
					for range last {
						h.press("down")
					}
					h.press("enter", "/no\x1bwhere", "enter")
					h.fits("typed " + h.question.Name())
					h.press("esc")
					h.send(tea.KeyMsg{Type: tea.KeyUp})
					for range last {
						h.press("up")
					}
				}
				before := h.question.Name()
				h.press("enter")
				if h.stage == asking && h.question.Name() == before {
					h.fits("refused " + before)
					h.press("d")
				}
			}
			h.fits("review")
			h.press("e")
			h.fits("list")
			h.press("r")
			if h.review.plan == nil {
				return // the answers cannot be used, and that fits
			}
			for range h.review.files {
				h.press("tab", "end")
				h.fits("review of a file")
			}
			h.stage, h.risk = accepting, riskState{}
			for i := range h.review.plan.Risks {
				h.risk.at = i
				h.fits("risk")
			}
			long := strings.Repeat("word \x1b[2J ", 60)
			h.stage = applying
			h.send(stepDone{Step: "reload", State: apply.Noted, Text: long})
			h.fits("applying")
			h.stage = ended
			h.end = endState{receipt: &apply.Receipt{Kind: "apply", Phase: apply.Kept, Warnings: []string{long}, Proofs: []apply.Proof{{OK: true, Addr: "127.0.0.1:25", Names: []string{long}}}}}
			h.result.Command = h.session.Command(h.review.plan)
			h.fits("sealed")
			h.end = endState{err: fmt.Errorf("%w: %s", apply.ErrRolledBack, long), steps: h.someSteps()}
			h.fits("failed")
			h.session.Pending, h.stage = &apply.Receipt{ID: "0001", Phase: apply.Written}, pending
			h.look.files = []string{"/etc/postfix/main.cf: " + long}
			h.fits("pending")
		})
	}
}

// someSteps are some steps.
func (h *hand) someSteps() []apply.Event {
	return []apply.Event{{Step: "lock", State: apply.Done}, {Step: "reload", State: apply.Failed, Text: "no"}}
}

// TestCtrlC: on every page it leaves at once as interrupted, and nothing was
// written.
func TestCtrlC(t *testing.T) {
	for name, keys := range map[string][]string{
		"looking": nil, "question": {"enter"}, "help": {"enter", "?"}, "typing": {"enter", "enter", "enter", "enter", "up", "enter"},
		"review": {"enter", "a"}, "list": {"enter", "a", "e"}, "risk": {"enter", "a", "enter"},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, files(t))
			h.press(keys...)
			h.press("ctrl+c")
			if !h.quit || !errors.Is(h.result.Err, context.Canceled) {
				t.Errorf("quit %v, result %v", h.quit, h.result.Err)
			}
			for _, l := range h.o.Machine.Lines() {
				if strings.HasPrefix(l, "wrote") {
					t.Error(l)
				}
			}
		})
	}
}

// TestStop: during a run ctrl+c asks first, and "no" goes on.
func TestStop(t *testing.T) {
	h := open(t, files(t))
	cancelled := false
	h.stage, h.Model.run = applying, runState{title: "Applying.", cancel: func() { cancelled = true }}
	h.press("ctrl+c")
	if h.quit || cancelled || !strings.Contains(h.see(), "Stop, and put everything back?") {
		t.Fatal(h.see())
	}
	h.press("n")
	if cancelled || h.Model.run.asking {
		t.Error("no was taken for yes")
	}
	h.press("ctrl+c", "y")
	if !cancelled || h.quit || !strings.Contains(h.see(), "everything is put back") {
		t.Error(h.see())
	}
}

// TestRiskIsNo: nothing but y accepts a risk, and without it nothing is applied.
func TestRiskIsNo(t *testing.T) {
	h := open(t, files(t))
	h.press("enter", "a", "enter")
	if h.stage != accepting {
		t.Fatalf("stage %d, risks %v", h.stage, h.review.plan.Risks)
	}
	for _, k := range []string{"enter", "Y", "x", " ", "right"} {
		h.press(k)
		if h.stage != accepting || len(h.risk.accepted) != 0 {
			t.Fatalf("%q accepted it", k)
		}
	}
	h.press("n")
	if h.stage != reviewing {
		t.Errorf("stage %d", h.stage)
	}
}

// TestSameQuestions: the plain mode asks what the screen asks, in that order.
func TestSameQuestions(t *testing.T) {
	h := open(t, files(t))
	h.press("enter")
	var screen []string
	for n := 0; h.stage == asking && n < 40; n++ {
		screen = append(screen, h.question.title)
		h.press("enter")
	}
	var out strings.Builder
	lines := strings.Repeat("\n", len(screen)) + "q\n"
	r := runPlain(context.Background(), Options{Machine: &host.Recorder{Machine: lab.Machine(t, "3.7.11", files(t))}}, strings.NewReader(lines), &out)
	if !errors.Is(r.Err, ErrQuit) {
		t.Errorf("result %v", r.Err)
	}
	at, text := 0, strings.Join(strings.Fields(out.String()), " ")
	for _, title := range screen {
		i := strings.Index(text[at:], title)
		if i < 0 {
			t.Fatalf("%q is not asked after what comes before it on the screen\n%s", title, out.String())
		}
		at += i + len(title)
	}
	if n := strings.Count(out.String(), "? why, d diff, q quit:"); n != len(screen) {
		t.Errorf("%d questions line by line, %d on the screen", n, len(screen))
	}
}

// TestPlain: b goes back, a wrong answer is asked again, and the end of the
// input leaves without writing.
func TestPlain(t *testing.T) {
	machine := &host.Recorder{Machine: lab.Machine(t, "3.7.11", files(t))}
	var out strings.Builder
	r := runPlain(context.Background(), Options{Machine: machine}, strings.NewReader("\nb\nsender\nnonsense\n?\nd\n"), &out)
	if !errors.Is(r.Err, ErrQuit) {
		t.Errorf("result %v", r.Err)
	}
	if n := strings.Count(out.String(), ". What kind of mail server is this?"); n != 2 {
		t.Errorf("the first question was asked %d times\n%s", n, out.String())
	}
	for _, want := range []string{`"nonsense" is not one of`, "+# BEGIN postseal"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing\n%s", want, out.String())
		}
	}
	for _, l := range machine.Lines() {
		if strings.HasPrefix(l, "wrote") {
			t.Error(l)
		}
	}
}

// TestColour: without colour there are no escape codes at all; with it, light
// and dark differ in nothing else.
func TestColour(t *testing.T) {
	h := open(t, files(t))
	h.press("enter")
	if s := h.see(); strings.Contains(s, "\x1b") {
		t.Errorf("escape codes: %q", s)
	}
	dark, light := newTheme(h.o.output(), true), newTheme(h.o.output(), false)
	for _, th := range []*theme{&dark, &light} {
		th.renderer.SetColorProfile(2) // 256 colours
	}
	h.theme = dark
	a := h.see()
	h.theme = light
	b := h.see()
	if a == b || ansi.Strip(a) != ansi.Strip(b) {
		t.Error("light and dark differ in more than colour, or not at all")
	}
}

// TestFlagsAreNotAsked: what the command line answers is not asked.
func TestFlagsAreNotAsked(t *testing.T) {
	g := &guard{Machine: lab.Machine(t, "3.7.11", files(t)), t: t}
	flags := map[string][]string{}
	for _, q := range interview.All {
		if len(q.Named()) > 0 && !q.Repeats() {
			flags[q.Name()] = []string{q.Named()[0].Text}
		}
	}
	m := newModel(context.Background(), Options{NoColor: true, Machine: &host.Recorder{Machine: g}, Settings: session.Settings{Flags: flags}})
	defer m.cancel()
	h := &hand{Model: m, t: t, machine: g}
	h.run(m.startLooking())
	h.press("enter")
	for n := 0; h.stage == asking && n < 40; n++ {
		if _, given := flags[h.question.Name()]; given {
			t.Errorf("%s is asked", h.question.Name())
		}
		h.press("enter")
	}
}

// BenchmarkView is one frame of the review.
func BenchmarkView(b *testing.B) {
	m := newModel(context.Background(), Options{NoColor: true})
	defer m.cancel()
	var lines []string
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("   line %d of a long page, with some text in it", i))
	}
	m.stage, m.help = looking, newOverlay("A page", lines)
	for b.Loop() {
		_ = m.View()
	}
}
