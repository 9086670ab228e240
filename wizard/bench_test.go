package wizard

import (
	"fmt"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
)

var benchSizes = [][2]int{{80, 24}, {160, 60}}

// longReview is a review with a diff of some hundred lines, in colour.
func longReview(b *testing.B) *hand {
	f := files(b)
	for i := range 300 {
		f["main.cf"] += fmt.Sprintf("# %d\nsmtpd_tls_loglevel = %d\n", i, i%3)
	}
	h := open(b, f)
	h.begin()
	h.press("a")
	if n := len(h.fileLines()); n < 300 {
		b.Fatalf("the diff has %d lines", n)
	}
	h.theme = newTheme(nil, false, true)
	h.theme.renderer.SetColorProfile(0)
	return h
}

// BenchmarkView is one frame of a review with a long diff.
func BenchmarkView(b *testing.B) {
	h := longReview(b)
	for _, s := range benchSizes {
		b.Run(fmt.Sprintf("%dx%d", s[0], s[1]), func(b *testing.B) {
			h.send(tea.WindowSizeMsg{Width: s[0], Height: s[1]})
			b.ReportAllocs()
			for b.Loop() {
				_ = h.View()
			}
		})
	}
}

// BenchmarkKey is what follows on a key: Update, and the frame after it. In
// the review it scrolls; on a question it moves, or goes back and makes the
// plan of every option.
func BenchmarkKey(b *testing.B) {
	review := longReview(b)
	question := open(b, files(b))
	question.begin()
	question.press("enter")
	for _, c := range []struct {
		name string
		h    *hand
		keys []string
	}{{"review", review, []string{"down", "up"}}, {"question", question, []string{"down", "up"}}, {"next", question, []string{"enter", "left"}}} {
		for _, s := range benchSizes {
			b.Run(fmt.Sprintf("%s/%dx%d", c.name, s[0], s[1]), func(b *testing.B) {
				c.h.send(tea.WindowSizeMsg{Width: s[0], Height: s[1]})
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					c.h.press(c.keys[i%len(c.keys)])
					if v := c.h.View(); strings.Count(v, "\n") != s[1]-1 {
						b.Fatal(v)
					}
				}
			})
		}
	}
}
