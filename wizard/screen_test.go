package wizard

import (
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"postseal/internal/session"
)

// sizes are windows as people have them.
var sizes = [][2]int{{40, 10}, {40, 15}, {60, 12}, {75, 24}, {76, 19}, {80, 24}, {160, 60}}

// TestFits: every page fits every window from 40x10 on; the keys that work and
// what they work on can be seen; and what comes from outside stays on its line
// and reaches the screen without a character that a terminal obeys.
func TestFits(t *testing.T) {
	for name, machine := range machines(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{NoColor: true, Settings: session.Settings{CertsDir: "/etc/c\u202eerts"}}
			tour(t, machine, o, func(h *hand, page string) {
				for _, s := range sizes {
					h.send(tea.WindowSizeMsg{Width: s[0], Height: s[1]})
					lines := strings.Split(h.see(), "\n")
					for _, fault := range faults(h, lines) {
						t.Errorf("%s at %v %s\n%s", page, s, fault, strings.Join(lines, "\n"))
						break
					}
				}
				h.send(tea.WindowSizeMsg{Width: 80, Height: 24})
			})
		})
	}
}

// faults are what is wrong with a screen.
func faults(h *hand, lines []string) (out []string) {
	if len(lines) != h.height {
		out = append(out, "has not as many lines as the window")
	}
	for _, l := range lines {
		switch {
		case ansi.StringWidth(l) > h.width:
			out = append(out, "is too wide")
		case strings.ContainsFunc(l, func(r rune) bool {
			return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
		}):
			out = append(out, "has control characters")
		case strings.HasPrefix(strings.TrimSpace(l), "forged") && h.stage < applying && (h.order == nil || h.order.err == nil): // an error may have several lines
			out = append(out, "has a line that is not ours")
		}
	}
	keys := h.page().keys
	foot := strings.Join(lines[len(lines)-keyRows(h.width, h.height):], "\n")
	for i, k := range keys {
		if wanted := i == 0 || i == len(keys)-1 || strings.HasPrefix(k, "enter "); wanted && !strings.Contains(foot, k) {
			out = append(out, "does not say "+k)
		}
	}
	if h.height < 15 || h.help != nil {
		return out
	}
	for _, want := range focus(h) {
		seen := false
		for _, l := range lines {
			seen = seen || strings.Contains(l, want)
		}
		if !seen {
			out = append(out, "does not show "+want)
		}
	}
	return out
}

// focus is what must be seen on a page, whatever else there is no room for.
func focus(h *hand) []string {
	start := func(s string) string { return ansi.Truncate(oneLine(s), 8, "") }
	switch h.stage {
	case asking:
		q := &h.question
		if q.typing {
			return []string{signHere}
		}
		lead := signHere + " "
		if o := q.options[q.cursor]; q.Repeats() && answers(o) {
			lead += map[bool]string{true: "[x] ", false: "[ ] "}[q.checked[q.cursor]]
		}
		return []string{lead + start(q.options[q.cursor].Text)}
	case overview:
		return []string{signHere + " "}
	case reviewing:
		if h.review.plan != nil && !h.review.plan.Empty() {
			all := h.fileLines()
			return []string{all[max(0, min(h.review.at, len(all)-h.reviewRoom()))]}
		}
	case accepting:
		return []string{h.review.plan.Risks[h.risk.at].Name, "Accept this?"}
	case applying:
		if h.Model.run.asking {
			return []string{strings.ToUpper(h.Model.run.stop()[:1]) + h.Model.run.stop()[1:] + "?"}
		}
	}
	return nil
}

// TestAllCanBeRead: in the smallest window every line of a page that has no
// cursor can be scrolled to, and a key moves at once from either end.
func TestAllCanBeRead(t *testing.T) {
	t.Parallel()
	tour(t, machines(t)["hostile"], Options{NoColor: true}, func(h *hand, page string) {
		h.send(tea.WindowSizeMsg{Width: minWidth, Height: minHeight})
		defer h.send(tea.WindowSizeMsg{Width: 80, Height: 24})
		all, room := h.page().lines, h.room(h.page())
		switch {
		case h.help == nil && h.stage == reviewing && h.review.plan != nil:
			all, room = h.fileLines(), h.reviewRoom()
		case h.help == nil && (h.stage == asking || h.stage == overview || h.stage == applying):
			return
		}
		defer h.press("home")
		for _, way := range [][2]string{{"end", "up"}, {"home", "down"}} {
			h.press(way[0])
			screen := h.see()
			if h.press(way[1]); screen == h.see() && len(all) > room {
				t.Errorf("%s: after %s, %s does nothing\n%s", page, way[0], way[1], screen)
			}
		}
		h.press("home")
		seen := map[string]bool{}
		for range all {
			for _, l := range strings.Split(h.see(), "\n") {
				seen[l] = true
			}
			h.press("down")
		}
		for _, l := range all {
			if !seen[ansi.Truncate(l, minWidth, signFolded)] {
				t.Errorf("%s: scrolling never shows %q", page, l)
				break
			}
		}
	})
}

// colour is a colour sequence (ECMA-48, SGR 30 to 49 and 90 to 107).
var colour = regexp.MustCompile(`\x1b\[(\d+[;:])*(3\d|4\d|9[0-7]|10[0-7])([;:]\d+)*m`)

// TestKeysInRows: in a small window the keys that a page cannot do without are
// on it.
func TestKeysInRows(t *testing.T) {
	for _, c := range []struct {
		page          string
		width, height int
		keys          []string
		want          string
	}{
		{"keep", 40, 15, keepKeys, " y confirm  n undo  t what to test| l log  q decide later"},
		{"certificate", 40, 15, []string{"↑↓ choose", "space tick", "enter next", "← back", "? why", "a accept the rest", "d diff", "q quit"}, " ↑↓ choose  space tick  enter next| ← back  ? why  q quit"},
		{"no room for rows", 40, 14, keepKeys, " y confirm  n undo  q decide later"},
		{"wide", 80, 24, keepKeys, " y confirm  n undo  t what to test  l log  q decide later"},
	} {
		lines := theme{}.keyLines(c.keys, c.width, c.height)
		if got := strings.Join(lines[1:], "|"); got != c.want {
			t.Errorf("%s: %q, want %q", c.page, got, c.want)
		}
	}
}

// TestNoColour: nothing that the environment or a library thinks of the
// terminal brings colours back that were declined.
func TestNoColour(t *testing.T) {
	// What is not drawn with styles of our own would be in these colours.
	was := lipgloss.ColorProfile()
	lipgloss.SetColorProfile(0)
	t.Cleanup(func() { lipgloss.SetColorProfile(was) })
	for name, c := range map[string]struct {
		env     []string
		noColor bool
		want    bool
	}{
		"flag":                {nil, true, false},
		"flag against force":  {[]string{"CLICOLOR_FORCE"}, true, false},
		"variable":            {[]string{"NO_COLOR", "CLICOLOR_FORCE"}, false, false},
		"no terminal":         {nil, false, false},
		"colours, to compare": {[]string{"CLICOLOR_FORCE"}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NO_COLOR", "")
			t.Setenv("CLICOLOR_FORCE", "")
			for _, v := range c.env {
				t.Setenv(v, "1")
			}
			tour(t, machines(t)["plain"], Options{Out: io.Discard, NoColor: c.noColor}, func(h *hand, page string) {
				if found := colour.FindAllString(h.see(), 3); (found != nil) != c.want {
					t.Errorf("%s: colours %q", page, found)
				}
			})
		})
	}
}

// TestASCII: where the locale has no UTF-8, no page has a sign that needs it, and every
// page still fits. A terminal without a size counts as 80x24.
func TestASCII(t *testing.T) {
	t.Parallel()
	tour(t, machines(t)["plain"], Options{NoColor: true, ASCII: true}, func(h *hand, page string) {
		h.send(tea.WindowSizeMsg{})
		lines := strings.Split(h.see(), "\n")
		if len(lines) != 24 {
			t.Errorf("%s: %d lines", page, len(lines))
		}
		for _, l := range lines {
			if strings.ContainsAny(l, signGood+signBad+signHere+signBrand+signLater+signFolded+"←→↑↓└─−␊") || ansi.StringWidth(l) > 80 {
				t.Errorf("%s: %q", page, l)
			}
		}
	})
}

// TestLightAndDark: the background changes colours and nothing else.
func TestLightAndDark(t *testing.T) {
	t.Parallel()
	tour(t, machines(t)["plain"], Options{}, func(h *hand, page string) {
		draw := func(dark bool) string {
			h.theme = newTheme(nil, false, dark)
			h.theme.renderer.SetColorProfile(0)
			return h.see()
		}
		light, dark := draw(false), draw(true)
		if light == dark || ansi.Strip(light) != ansi.Strip(dark) {
			t.Errorf("%s: light and dark are equal, or differ in more than colour\n%s\n%s", page, light, dark)
		}
		h.theme = newTheme(nil, true, true)
		if plain := h.see(); plain != ansi.Strip(dark) {
			t.Errorf("%s: without colour it is\n%s\nwith colour\n%s", page, plain, dark)
		}
	})
}
