package wizard

import (
	"context"
	"errors"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/apply"
	"postseal/internal/plan"
)

// TestLeftBy: nobody is told that nothing was changed after a certificate was made.
func TestLeftBy(t *testing.T) {
	for _, interrupted := range []bool{false, true} {
		for _, made := range []bool{false, true} {
			err := leftBy(interrupted, made).Err
			if errors.Is(err, context.Canceled) != interrupted || errors.Is(err, ErrQuit) == interrupted {
				t.Errorf("interrupted %v, made %v: %v", interrupted, made, err)
			}
			if strings.Contains(err.Error(), "nothing was changed") == made {
				t.Errorf("interrupted %v, made %v: %v", interrupted, made, err)
			}
		}
	}
	h := open(t, files(t))
	h.press("enter")
	h.press("ctrl+c")
	if h.result.Err == nil || h.result.Err.Error() != "interrupted; nothing was changed" {
		t.Error(h.result.Err)
	}
}

// TestKeyHelp: on every page ? says which keys there are, and any key closes that.
func TestKeyHelp(t *testing.T) {
	t.Parallel()
	tour(t, machines(t)["plain"], Options{NoColor: true}, func(h *hand, page string) {
		if h.help != nil || h.stage == asking || h.stage == applying && h.Model.run.asking || h.order != nil && h.order.risky {
			return
		}
		before := h.see()
		if h.press("?"); h.help == nil || !strings.Contains(h.see(), "Keys on this page") {
			t.Fatalf("%s: ? does nothing\n%s", page, h.see())
		}
		h.help = nil
		if h.see() != before {
			t.Errorf("%s: it is another page after ?", page)
		}
	})
}

// TestNotSealed: a server without a certificate is not called sealed.
func TestNotSealed(t *testing.T) {
	for _, risk := range []string{plan.RiskNoInboundTLS, plan.RiskDropTLS10} {
		h := open(t, files(t))
		h.review.plan = &plan.Plan{Risks: []plan.Risk{{Name: risk}}}
		h.stage, h.end = ended, endState{receipt: &apply.Receipt{ID: "1", Kind: "apply", Phase: apply.Kept}}
		if sealed := strings.Contains(h.see(), "Sealed"); sealed != (risk == plan.RiskDropTLS10) {
			t.Errorf("%s:\n%s", risk, h.see())
		}
	}
}

// TestReviewAt80: every key of the review is on the page, and which file of how many it is.
func TestReviewAt80(t *testing.T) {
	h := open(t, files(t))
	h.begin()
	h.press("a")
	h.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	h.review.files[0].Path = "/" + strings.Repeat("long/", 30) + "main.cf"
	seen := h.see()
	for _, want := range []string{"← back", "tab file", "s save plan", "e change", "q quit", "long/main.cf", "file 1 of"} {
		if !strings.Contains(seen, want) {
			t.Errorf("%q is missing\n%s", want, seen)
		}
	}
}

// TestOverlayHangs: the second line of what was tried stands under the first, behind its
// sign.
func TestOverlayHangs(t *testing.T) {
	h := open(t, files(t))
	h.help = newOverlay("All results", []string{"receiving", "  ✓ " + strings.Repeat("word ", 30)})
	lines := h.help.lines(h.Model)
	if len(lines) < 5 || !strings.HasPrefix(lines[3], "     ✓ word") || !strings.HasPrefix(lines[4], "       word") {
		t.Errorf("%q", lines)
	}
}
