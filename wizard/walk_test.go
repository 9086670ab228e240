package wizard

import (
	"errors"
	"slices"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/google/go-cmp/cmp"

	"postseal/internal/apply"
	"postseal/internal/interview"
	"postseal/internal/lab"
	"postseal/internal/rehearse"
	"postseal/internal/session"
)

// forward answers every question with what its page shows, and returns what
// each showed. change is called before a question is answered.
func (h *hand) forward(change func(key string)) (asked []string, given map[string][]string) {
	h.t.Helper()
	given = map[string][]string{}
	for h.stage == asking {
		key := h.question.Name()
		if slices.Contains(asked, key) {
			h.t.Fatalf("%s is asked twice; refused? %v", key, h.question.err)
		}
		change(key)
		asked = append(asked, key)
		given[key] = h.question.chosen()
		h.press("enter")
	}
	return asked, given
}

// backward goes back to the start and returns the questions on the way, first
// to last.
func (h *hand) backward() (asked []string) {
	for h.stage == reviewing || h.stage == asking {
		if h.stage == asking {
			asked = append(asked, h.question.Name())
		}
		h.press("left")
	}
	slices.Reverse(asked)
	return asked
}

func unchanged(string) {}

// TestMountedByItself: a file that cannot be replaced is named on the review, before
// anything is rehearsed.
func TestMountedByItself(t *testing.T) {
	f := files(t)
	f["/proc/self/mountinfo"] = "1 1 0:1 / /etc/postfix/main.cf rw - ext4 /dev/x rw\n"
	h := open(t, f)
	h.begin()
	h.press("a")
	if h.stage != reviewing || !strings.Contains(h.see(), "a mount point of") {
		t.Fatalf("stage %d\n%s", h.stage, h.see())
	}
	if h.press("enter"); h.stage != reviewing {
		t.Errorf("it goes on to stage %d", h.stage)
	}
}

// TestListAndReview: the review leads back to the list that it was opened from.
func TestListAndReview(t *testing.T) {
	h := open(t, files(t))
	h.begin()
	h.press("a", "e")
	if h.stage != overview {
		t.Fatalf("stage %d\n%s", h.stage, h.see())
	}
	if h.press("r", "esc"); h.stage != overview {
		t.Errorf("back from the review leads to stage %d\n%s", h.stage, h.see())
	}
	if h.press("esc"); h.stage == asking {
		t.Errorf("back from the list leads to a question\n%s", h.see())
	}
}

// TestThereAndBack: every question can be left backwards and taken forward
// again, and neither an answer, chosen, ticked or typed, nor the plan is lost
// on the way.
func TestThereAndBack(t *testing.T) {
	for name, change := range map[string]func(h *hand, key string){
		"as suggested": func(*hand, string) {},
		"changed": func(h *hand, key string) {
			switch key {
			case "profile", "received-header", "log-level":
				h.press("down")
			case "cert":
				h.choose("/etc/letsencrypt/live/mx/fullchain.pem")
				h.press(" ")
			case "client-cert":
				h.choose(otherText)
				h.press("enter", "/c/client.pem")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, files(t))
			h.begin()
			asked, given := h.forward(func(key string) { change(h, key) })
			if len(asked) < 10 || h.stage != reviewing || h.review.plan == nil {
				t.Fatalf("asked %v, then stage %d, %v", asked, h.stage, h.review.err)
			}
			plan := h.review.plan
			if back := h.backward(); !slices.Equal(back, asked) || h.stage != carding {
				t.Fatalf("there by %v\nback by %v to stage %d", asked, back, h.stage)
			}
			h.press("enter")
			askedAgain, givenAgain := h.forward(unchanged)
			if d := cmp.Diff(asked, askedAgain) + cmp.Diff(given, givenAgain); d != "" {
				t.Errorf("(-first +second time)\n%s", d)
			}
			if h.review.plan == nil || h.review.plan.Empty() {
				t.Fatalf("no plan: %v", h.review.err)
			}
			if d := cmp.Diff(plan.Answers, h.review.plan.Answers); d != "" {
				t.Errorf("another plan (-first +second time)\n%s", d)
			}
			for i, f := range plan.Files {
				if again := h.review.plan.Files[i]; again.After != f.After {
					t.Errorf("another %s\n%s", f.Path, cmp.Diff(f.After, again.After))
				}
			}
		})
	}
}

// TestChangedStays: an answer that is changed on the way back is kept, and the
// answers around it too.
func TestChangedStays(t *testing.T) {
	h := open(t, files(t))
	h.begin()
	_, given := h.forward(unchanged)
	for h.stage != asking || h.question.Name() != "received-header" {
		h.press("left")
	}
	h.choose("no")
	h.press("enter", "left", "left", "enter")
	if got := h.question.chosen(); h.question.Name() != "received-header" || !slices.Equal(got, []string{"no"}) {
		t.Errorf("%s is %q", h.question.Name(), got)
	}
	h.backward()
	h.press("enter")
	_, again := h.forward(unchanged)
	given["received-header"] = []string{"no"}
	if d := cmp.Diff(given, again); d != "" {
		t.Errorf("(-given +kept)\n%s", d)
	}
}

// TestTicks: where several can be chosen, enter takes what was ticked; only if
// nothing was, it takes what the cursor is on.
func TestTicks(t *testing.T) {
	const used, spare = "/c/mx.pem", "/etc/letsencrypt/live/mx/fullchain.pem"
	for name, c := range map[string]struct {
		keys []string
		want []string
	}{
		"as suggested":        {[]string{"enter"}, []string{used}},
		"moved":               {[]string{"down", "enter"}, []string{spare}},
		"ticked":              {[]string{"down", " ", "enter"}, []string{used, spare}},
		"ticked, then moved":  {[]string{"down", " ", "down", "enter"}, []string{used, spare}},
		"none stands alone":   {[]string{"down", " ", "down", " ", "enter"}, []string{"none"}},
		"nor beside others":   {[]string{"down", "down", " ", "up", " ", "enter"}, []string{spare}},
		"another is no tick":  {[]string{"down", "down", "down", " ", "up", "up", "up", "enter"}, []string{used}},
		"unticked and ticked": {[]string{" ", " ", "enter"}, []string{used}},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, files(t))
			h.begin()
			h.press("enter", "enter")
			h.press(c.keys...)
			if got := h.server.answers.Texts("cert"); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q\n%s", got, c.want, h.see())
			}
		})
	}
}

// TestListForgetsEditing: who opens a question from the list, leaves it and
// begins anew is led from question to question again.
func TestListForgetsEditing(t *testing.T) {
	h := open(t, files(t))
	h.begin()
	h.press("a", "e", "enter", "esc", "left", "left", "left", "enter", "enter")
	if h.stage != asking || h.question.Name() != "profile" {
		t.Errorf("after the first question comes stage %d\n%s", h.stage, h.see())
	}
}

// TestListCursor: if other answers have made the list shorter, its cursor is
// still on it.
func TestListCursor(t *testing.T) {
	h := open(t, files(t))
	h.begin()
	h.press("a", "e")
	for range 20 {
		h.press("down")
	}
	h.press("left", "left")
	h.choose("sender")
	h.press("enter", "a", "e")
	if !strings.Contains(h.see(), signHere+" log-level") {
		t.Errorf("no cursor\n%s", h.see())
	}
}

// TestLate: what comes home after it no longer matters changes nothing.
func TestLate(t *testing.T) {
	for name, c := range map[string]struct {
		keys []string
		hold bool // what the last key started is still under way
		late func(h *hand, gen int) tea.Msg
	}{
		"a step of looking": {nil, false, func(_ *hand, gen int) tea.Msg { return lookStep{gen: gen, step: "Postfix"} }},
		"looking":           {nil, false, func(_ *hand, gen int) tea.Msg { return looked{gen: gen, err: errors.New("late")} }},
		"an answer": {[]string{"enter", "enter", "enter"}, true, func(h *hand, gen int) tea.Msg {
			return inspected{gen: gen, facts: h.session.Facts, a: h.server.answers, err: errors.New("late")}
		}},
		"a plan": {[]string{"enter", "enter", "a"}, true, func(h *hand, gen int) tea.Msg {
			return planned{gen: gen, session: h.session, err: errors.New("late")}
		}},
		"a saved plan": {[]string{"enter", "enter", "a"}, false, func(_ *hand, gen int) tea.Msg { return savedPlan{gen, "late"} }},
		"a trial": {[]string{"enter", "enter", "a", "enter", "y", "y", "y"}, true, func(_ *hand, gen int) tea.Msg {
			return trialDone{gen, rehearse.Trial{Service: "late", Verdict: rehearse.Fine}}
		}},
		"a rehearsal":   {[]string{"enter", "enter", "a", "enter", "y", "y", "y"}, true, func(_ *hand, gen int) tea.Msg { return rehearsed{gen, nil, errors.New("late")} }},
		"a step":        {[]string{"enter", "enter", "a", "enter", "y", "y", "y", "y"}, true, func(_ *hand, gen int) tea.Msg { return stepDone{gen, apply.Event{Step: "late"}} }},
		"a run":         {[]string{"enter", "enter", "a", "enter", "y", "y", "y", "y"}, true, func(_ *hand, gen int) tea.Msg { return ran{gen: gen, err: errors.New("late")} }},
		"a step, ended": {[]string{"enter", "enter", "a", "enter", "y", "y", "y", "y"}, false, func(_ *hand, gen int) tea.Msg { return stepDone{gen, apply.Event{Step: "late"}} }},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, files(t))
			for i, k := range c.keys {
				h.hold = c.hold && i == len(c.keys)-1
				h.press(k)
			}
			before, answers, result := h.see(), h.server.answers, h.result
			h.send(c.late(h, h.gen-1))
			if h.see() != before || h.server.answers != answers || !errors.Is(h.result.Err, result.Err) {
				t.Errorf("before\n%s\nafter\n%s", before, h.see())
			}
			h.hold = true
			h.send(c.late(h, h.gen))
			if h.see() == before && name != "a step, ended" {
				t.Error("the same in time changes nothing either: this test sees nothing\n" + before)
			}
		})
	}
}

// TestBackWhileWaiting: going back does not wait for files, and what was on
// its way when it was pressed is dropped.
func TestBackWhileWaiting(t *testing.T) {
	h := open(t, files(t))
	h.begin()
	h.press("enter")
	h.hold = true
	h.press("down", "enter")
	if !h.question.waiting {
		t.Fatal("no file is read")
	}
	h.press("x", "down", "enter", "left")
	if h.stage != asking || h.question.Name() != "role" {
		t.Fatalf("back is not heard\n%s", h.see())
	}
	h.release()
	if h.question.Name() != "role" || h.server.answers.Texts("profile") != nil {
		t.Errorf("a late answer counts: profile is %q\n%s", h.server.answers.Texts("profile"), h.see())
	}
}

// TestAllSteps: the last steps of a run may come after its end; the page at
// the end knows them all.
func TestAllSteps(t *testing.T) {
	h := open(t, files(t))
	h.begin()
	h.press("a", "enter", "y", "y", "y")
	h.hold = true
	h.press("y")
	for _, cmd := range h.held {
		batch, _ := cmd().(tea.BatchMsg)
		for _, c := range batch {
			h.send(c())
		}
	}
	if h.stage != ended || len(h.events) == 0 {
		t.Fatalf("stage %d, %d steps on their way", h.stage, len(h.events))
	}
	if n := len(h.end.steps); n == 0 || h.end.steps[n-1].State != apply.Failed {
		t.Errorf("the steps are %v", h.end.steps)
	}
}

// TestFlagsAreNotAsked: what the command line answers is not asked.
func TestFlagsAreNotAsked(t *testing.T) {
	flags := map[string][]string{}
	for _, q := range interview.All {
		if len(q.Named()) > 0 && !q.Repeats() {
			flags[q.Name()] = []string{q.Named()[0].Text}
		}
	}
	h := sit(t, lab.Machine(t, "3.7.11", files(t)), Options{NoColor: true, Settings: session.Settings{Flags: flags}})
	h.release()
	h.begin()
	asked, _ := h.forward(unchanged)
	for _, key := range asked {
		if flags[key] != nil {
			t.Errorf("%s is asked", key)
		}
	}
}

// TestRestAsSuggested: what the cursor was moved to is an answer, before the rest is
// as suggested, and before the diff is shown.
func TestRestAsSuggested(t *testing.T) {
	for _, key := range []string{"a", "d"} {
		h := open(t, files(t))
		h.begin()
		for n := 0; h.question.Name() != "profile" && n < 20; n++ {
			h.press("enter")
		}
		h.choose("modern")
		h.press(key)
		if h.stage != reviewing || h.review.plan == nil || !slices.Contains(h.server.answers.Texts("profile"), "modern") {
			t.Errorf("%s: stage %d, %q: %s", key, h.stage, h.server.answers.Texts("profile"), h.see())
		}
	}

	h := open(t, files(t))
	h.begin()
	for n := 0; h.question.Name() != "cert" && n < 20; n++ {
		h.press("enter")
	}
	h.choose(newText)
	h.press("a")
	if h.stage != asking || h.question.err == nil {
		t.Errorf("a new certificate is chosen, and nobody says that none is there: stage %d: %s", h.stage, h.see())
	}
	h.press("d")
	if h.stage != reviewing {
		t.Errorf("no diff without it: stage %d: %s", h.stage, h.see())
	}
}

// TestListBack: from the list of answers the way back is the one that led there.
func TestListBack(t *testing.T) {
	h := open(t, files(t))
	h.begin()
	h.press("a", "e", "left")
	if h.stage != reviewing || h.review.plan == nil {
		t.Errorf("from the list to stage %d: %s", h.stage, h.see())
	}
	h.press("e", "enter", "enter", "left")
	if h.stage != reviewing {
		t.Errorf("after another answer to stage %d: %s", h.stage, h.see())
	}
	for n := 0; h.stage != carding && n < 20; n++ {
		h.press("left")
	}
	if h.stage != carding {
		t.Errorf("no way back to the card: stage %d", h.stage)
	}
}
