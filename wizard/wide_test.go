package wizard

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"postseal/internal/diff"
)

// TestReasonsInAColumn: from 120 columns on all reasons begin in one column, however long the
// lines beside them are.
func TestReasonsInAColumn(t *testing.T) {
	h := open(t, files(t))
	for _, width := range []int{120, 160} {
		h.send(tea.WindowSizeMsg{Width: width, Height: 40})
		for _, text := range []string{"short = 1", strings.Repeat("very long ", 12) + "= 1"} {
			why := strings.Repeat("because ", 20)
			lines := h.diffLine(diff.Line{Op: diff.Remove, Text: text, Why: why})
			for _, l := range lines {
				i := strings.Index(l, "because")
				if i >= 0 && ansi.StringWidth(l[:i]) != width*reasonShare/100+1 {
					t.Errorf("at %d a reason begins in column %d: %q", width, ansi.StringWidth(l[:i]), l)
				}
				if ansi.StringWidth(l) > width {
					t.Errorf("at %d it is too wide: %q", width, l)
				}
			}
			if got := strings.Count(strings.Join(lines, ""), "because"); got != 20 {
				t.Errorf("%d of 20 words of the reason are shown", got)
			}
		}
	}
}

// TestStepAsNumber: a low window has no room for the names of the parts, but for a number.
func TestStepAsNumber(t *testing.T) {
	h := open(t, files(t))
	h.begin()
	h.send(tea.WindowSizeMsg{Width: 40, Height: 15})
	if first, _, _ := strings.Cut(h.see(), "\n"); !strings.HasSuffix(first, "  2/8") {
		t.Errorf("the step is not in %q", first)
	}
}
