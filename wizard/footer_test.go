package wizard

import (
	"slices"
	"strings"
	"testing"
)

// footKeys are the keys that stand in a foot by another name than the terminal's.
var footKeys = map[string][]string{"↑↓": {"down", "up", "end", "home", "pgdown"}, "←": {"left"}, "↑": {"up"}, "space": {" "}}

// does reports whether one of some keys does something on the page: the screen, or what is
// under way, is another after it.
func (h *hand) does(keys ...string) bool {
	for _, k := range keys {
		c := h.copy()
		c.hold = true
		before := c.see()
		c.press(k)
		if c.quit || len(c.held) > 0 || c.see() != before || c.help != h.help {
			return true
		}
	}
	return false
}

// TestFooter: on every page each key of the foot does something, and each letter that does
// something is in the foot or in the help.
func TestFooter(t *testing.T) {
	t.Parallel()
	tour(t, machines(t)["plain"], Options{NoColor: true}, func(h *hand, page string) {
		if h.stage == applying || h.stage == rehearsing && h.rehearsal.running() {
			return // keys reach what is under way, which a copy shares
		}
		foot := map[string]bool{}
		for _, k := range h.page().keys {
			key, what, _ := strings.Cut(k, " ")
			foot[key] = true
			keys := footKeys[key]
			if keys == nil {
				keys = []string{key}
			}
			// An answer that is refused is refused again, and not every file of a review is long.
			excused := what == "choose" || k == "enter next" && strings.HasPrefix(page, "refused") || k == "↑↓ scroll" && h.stage == reviewing
			if !excused && !h.does(keys...) {
				t.Errorf("%s: %q does nothing\n%s", page, k, h.see())
			}
		}
		if h.help != nil || h.answering() || h.stage == accepting { // any key closes it, is typed, or is a no
			return
		}
		if h.stage == homing {
			for _, w := range h.waysOn() {
				foot[w.key] = strings.Contains(strings.Join(h.homePage().lines, "\n"), w.key+"  "+w.name)
			}
		}
		for _, k := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
			if !foot[k] && !slices.Contains([]string{"g", "j", "k", "l"}, k) && h.does(k) {
				t.Errorf("%s: %s does something, and is not in the foot\n%s", page, k, h.see())
			}
		}
	})
}

// TestEveryPageCanBeLeft: esc, a few times, and q end the wizard from every page, but for a
// run, which ctrl+c asks about.
func TestEveryPageCanBeLeft(t *testing.T) {
	t.Parallel()
	tour(t, machines(t)["plain"], Options{NoColor: true}, func(h *hand, page string) {
		if h.stage == applying || h.stage == rehearsing && h.rehearsal.running() {
			return
		}
		c := h.copy()
		for n := 0; n < 8 && !c.quit; n++ {
			c.press("esc")
		}
		if !c.quit {
			c.press("q")
		}
		if !c.quit {
			t.Errorf("%s: esc and q lead to stage %d\n%s", page, c.stage, c.see())
		}
	})
}

// TestSearch: / finds words in every long page, goes to the next line with them, and says
// so if there is none.
func TestSearch(t *testing.T) {
	h := open(t, files(t))
	h.press("?")
	h.press("/", "TLSRPT")
	if !strings.Contains(h.see(), signHere+"  TLSRPT") {
		t.Errorf("the help does not show what is searched\n%s", h.see())
	}
	h.press("zzz")
	if !strings.Contains(h.see(), "not on this page") {
		t.Errorf("it does not say that there is nothing\n%s", h.see())
	}
	h.press("esc", "esc")
	if h.seek.open || h.help != nil {
		t.Fatal("esc does not close the search and then the help")
	}
	h.begin()
	h.press("a")
	h.press("/", "smtp_tls")
	first := h.seek.hit
	if first < 0 || !strings.Contains(h.fileLines()[first], "smtp_tls") {
		t.Fatalf("line %d\n%s", first, h.see())
	}
	if h.press("enter"); h.seek.hit == first || !strings.Contains(h.fileLines()[h.seek.hit], "smtp_tls") {
		t.Errorf("enter does not go to the next one, from %d to %d", first, h.seek.hit)
	}
	if h.press("up"); h.seek.hit != first {
		t.Errorf("up does not go back to %d, but to %d", first, h.seek.hit)
	}
}

// TestGlossary: twenty terms and more, in the order of the alphabet, on every help.
func TestGlossary(t *testing.T) {
	if len(glossary) < 20 {
		t.Errorf("%d terms", len(glossary))
	}
	for i := 1; i < len(glossary); i++ {
		if strings.ToLower(glossary[i-1][0]) >= strings.ToLower(glossary[i][0]) {
			t.Errorf("%s stands before %s", glossary[i-1][0], glossary[i][0])
		}
	}
	h := open(t, files(t))
	h.begin()
	h.press("?")
	if text := strings.Join(h.help.lines(h.Model), "\n"); !strings.Contains(text, "MTA-STS") || !strings.Contains(text, "Keys on this page") {
		t.Error("the help of a question has no glossary, or no keys")
	}
}
