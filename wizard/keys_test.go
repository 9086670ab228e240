package wizard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/apply"
)

// TestCtrlC: on every page it leaves at once as interrupted, and nothing was
// written; a run under way is asked about, and one that has ended keeps its
// result.
func TestCtrlC(t *testing.T) {
	tour(t, machines(t)["plain"], Options{NoColor: true}, func(h *hand, page string) {
		before, asking := h.result, h.Model.run.asking
		defer func() { h.quit, h.result, h.Model.run.asking = false, before, asking }()
		if h.stage < applying && len(h.machine.changed) > 0 {
			t.Errorf("%s: before anything is applied: %q", page, h.machine.changed)
		}
		held := h.hold
		h.hold = false
		h.press("ctrl+c")
		h.hold = held
		switch {
		case h.stage == applying:
			if h.quit || !strings.Contains(h.see(), h.Model.run.stop()[1:]+"?") {
				t.Errorf("%s: quit %v, not asked\n%s", page, h.quit, h.see())
			}
		case h.stage == rehearsing && h.rehearsal.running():
			if h.quit || !h.rehearsal.leaving || !strings.Contains(h.see(), "cleaning up") {
				t.Errorf("%s: quit %v, and nobody clears up\n%s", page, h.quit, h.see())
			}
			h.rehearsal.leaving = false
		case !h.quit:
			t.Errorf("%s: does not leave", page)
		case h.stage == ended || h.stage == keeping:
			if h.result.Receipt != before.Receipt || !errors.Is(h.result.Err, before.Err) {
				t.Errorf("%s: the result of the run is lost: %v", page, h.result.Err)
			}
		case !errors.Is(h.result.Err, context.Canceled):
			t.Errorf("%s: the result is %v", page, h.result.Err)
		}
	})
}

// TestStop: during a run ctrl+c asks first, and "no" goes on.
func TestStop(t *testing.T) {
	h := open(t, files(t))
	cancelled := false
	h.stage, h.Model.run = applying, runState{title: "Applying.", cancel: func() { cancelled = true }}
	h.press("ctrl+c")
	if h.quit || cancelled || !strings.Contains(h.see(), "Stop and roll back?") {
		t.Fatal(h.see())
	}
	h.press("n")
	if cancelled || h.Model.run.asking {
		t.Error("no was taken for yes")
	}
	h.press("ctrl+c", "y")
	if !cancelled || h.quit || !strings.Contains(h.see(), "rolling back what was begun") {
		t.Error(h.see())
	}
}

// TestStopLate: a run that ends while it is asked whether to stop it does not turn the
// "y" to that into one to keep it.
func TestStopLate(t *testing.T) {
	for key, c := range map[string]struct {
		within time.Duration
		stage  stage
		page   string
	}{
		"y":    {time.Hour, applying, "Rolling back."},
		"n":    {time.Hour, keeping, "Confirm it?"},
		"yy":   {0, ended, "The run finished before it could be stopped."}, // whose page says how it is undone
		"nn":   {0, ended, "Sealed."},
		"gone": {within: time.Hour},
	} {
		h := open(t, files(t))
		h.hold = true
		h.stage, h.Model.run = applying, runState{title: "Applying.", cancel: func() {}}
		r := &apply.Receipt{ID: "1", Kind: "apply", Phase: apply.Kept}
		if c.within > 0 {
			r.ConfirmBy = time.Now().Add(c.within)
		}
		h.press("ctrl+c")
		h.send(over{h.gen, ran{gen: h.gen, receipt: r}})
		if h.stage != applying || !strings.Contains(h.see(), "Stop and roll back?") {
			t.Errorf("the question has gone:\n%s", h.see())
		}
		if key == "gone" {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			h.hold, h.ctx = false, ctx
			if h.send(gone{}); !h.quit {
				t.Error("the terminal is lost, and it stays")
			}
			continue
		}
		h.press(key[:1])
		if h.stage != c.stage || !strings.Contains(h.see(), c.page) {
			t.Errorf("%s leads to stage %d:\n%s", key, h.stage, h.see())
		}
	}
}

// TestStopTwice: what is being stopped is not asked about once more, which would hold its
// end back, also if that was told by a signal.
func TestStopTwice(t *testing.T) {
	for _, lost := range []bool{false, true} {
		h := open(t, files(t))
		h.stage, h.Model.run = applying, runState{title: "Applying.", cancel: func() {}}
		if lost {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			h.ctx = ctx
			h.send(gone{})
		} else {
			h.press("ctrl+c", "y")
		}
		h.press("ctrl+c")
		h.send(over{h.gen, ran{gen: h.gen, err: fmt.Errorf("%w: interrupted", apply.ErrRolledBack)}})
		if h.stage != ended || h.quit != lost {
			t.Errorf("with the terminal lost %v: stage %d, quit %v:\n%s", lost, h.stage, h.quit, h.see())
		}
	}
}

// TestNotPutBack: a run that could not be put back after all is asked about like one that
// nobody has stopped, and says why.
func TestNotPutBack(t *testing.T) {
	h := open(t, files(t))
	h.hold = true
	h.stage, h.Model.run = applying, runState{title: "Applying.", stopping: true, cancel: func() {}}
	h.send(over{h.gen, ran{gen: h.gen, receipt: &apply.Receipt{ID: "1", Kind: "apply", Phase: apply.Kept, ConfirmBy: time.Now().Add(h.o.Within)}}})
	h.send(over{h.gen, ran{gen: h.gen, err: errors.New("the disc is full")}})
	page := strings.Join(strings.Fields(h.see()), " ")
	for _, text := range []string{"Applied and verified.", "Confirm it?", "Could not be reverted, and the new settings are in effect: the disc is full"} {
		if h.stage != keeping || !strings.Contains(page, text) {
			t.Errorf("stage %d, %q is not on the page:\n%s", h.stage, text, h.see())
		}
	}
}

// TestRiskIsNo: nothing but y accepts a risk, and without it nothing is applied.
func TestRiskIsNo(t *testing.T) {
	h := open(t, files(t))
	h.begin()
	h.press("a", "enter")
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
	if h.stage != reviewing || len(h.machine.changed) > 0 {
		t.Errorf("stage %d, changed %q", h.stage, h.machine.changed)
	}
}

// TestIdle: a page on which nothing moves is not drawn again and again.
func TestIdle(t *testing.T) {
	tour(t, machines(t)["plain"], Options{NoColor: true}, func(h *hand, page string) {
		_, cmd := h.Update(tickMsg{})
		moves := strings.Contains(h.see(), "\n   "+h.spinner()+" ")
		if h.help == nil && h.stage != applying && (cmd != nil) != moves {
			t.Errorf("%s: ticks %v, moves %v", page, cmd != nil, moves)
		}
	})
}

// copy is the wizard as it is now, to go on from more than once.
func (h *hand) copy() *hand {
	m := *h.Model
	m.server.asked, m.events = maps.Clone(h.server.asked), make(chan tea.Msg, cap(h.events))
	h.machine.changed = nil
	return &hand{Model: &m, t: h.t, machine: h.machine}
}

// undone reports whether the last run was undone from home.
func (h *hand) undone() bool { return h.Model.run.title != "" }

// TestAnyKeys: whatever is typed, in whatever window, the screen is sound, and
// nothing is written before a run was started.
func TestAnyKeys(t *testing.T) {
	t.Parallel()
	keys := []string{
		"enter", "enter", "enter", "enter", "right", "left", "esc", "backspace", "up", "down", "down", "pgup", "pgdown", "home", "end", "tab",
		" ", "?", "a", "d", "e", "r", "l", "p", "n", "y", "f", "u", "g", "G", "x", "c", "h", "s", "t", "o", "/", "/c/client.pem", "\u202e", "ctrl+c",
	}
	m, _ := hardened(t)
	rerun := sit(t, m, Options{NoColor: true})
	rerun.release()
	starts := []*hand{open(t, files(t)), rerun}
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 0))
		h := starts[seed%2].copy()
		var typed []string
		for len(typed) < 60 && !h.quit && !t.Failed() {
			for range 3 { // a storm
				h.send(tea.WindowSizeMsg{Width: r.IntN(200), Height: r.IntN(60)})
				_ = h.see()
			}
			size := sizes[r.IntN(len(sizes))]
			h.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			typed = append(typed, fmt.Sprint(size), keys[r.IntN(len(keys))])
			h.press(typed[len(typed)-1])
			lines := strings.Split(h.see(), "\n")
			for _, fault := range faults(h, lines) {
				t.Errorf("seed %d: after %q the screen %s\n%s", seed, typed, fault, strings.Join(lines, "\n"))
			}
			if h.stage < applying && !h.undone() && h.result.Receipt == nil && h.end.err == nil && len(h.machine.changed) > 0 {
				t.Errorf("seed %d: after %q: %q", seed, typed, h.machine.changed)
			}
		}
	}
}
