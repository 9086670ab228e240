package wizard

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/audit"
)

// TestLongLists: the title of a page and what stands beside its list stay where they are
// when the list is scrolled.
func TestLongLists(t *testing.T) {
	h := open(t, files(t))
	h.press("enter")
	h.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	for n := range 40 {
		h.card.card.Findings = append(h.card.card.Findings, audit.Finding{Rule: audit.Rule{Title: fmt.Sprint("finding ", n)}})
	}
	if h.press("end"); !strings.Contains(h.see(), "finding 39") || !strings.Contains(h.see(), "of 100") {
		t.Errorf("the grades are gone:\n%s", h.see())
	}
	h.press("home", "enter")
	for h.question.Name() != certKey {
		h.press("enter")
	}
	for n := range 40 {
		o := h.question.options[0]
		o.Text = fmt.Sprintf("%s.%d", o.Text, n)
		h.question.options = slices.Insert(h.question.options, 1, o)
	}
	for range 20 {
		h.press("down")
	}
	if seen := h.see(); !strings.Contains(seen, h.question.title) || !strings.Contains(seen, "main.cf\n") || !strings.Contains(seen, "↑ more") {
		t.Errorf("the question, or what stands beside it, is gone:\n%s", seen)
	}
}
