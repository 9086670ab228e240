package wizard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/lab"
)

// typist answers the plain wizard, which it sees as its output: whenever a
// prompt waits, it types what answer says to it.
type typist struct {
	answer func(key, prompt string) string // key is empty for what is no question
	keys   *io.PipeWriter                  // what is typed
	all    strings.Builder                 // what was printed
	from   int                             // where in all the last prompt ended
	asked  []string                        // the questions, as often as they were printed
}

func (p *typist) Write(b []byte) (int, error) {
	p.all.Write(b)
	if !strings.HasSuffix(p.all.String(), ": ") {
		return len(b), nil
	}
	text := strings.Join(strings.Fields(p.all.String()[p.from:]), " ")
	p.from = p.all.Len()
	key := ""
	for _, q := range interview.All {
		if section, title, _, _ := q.Texts(); strings.Contains(text, section) && strings.Contains(text, ". "+title+" ") {
			key = q.Name()
		}
	}
	if key != "" {
		p.asked = append(p.asked, key)
	} else if strings.HasSuffix(text, "? why, d diff, q quit:") {
		key = p.asked[len(p.asked)-1] // the same again, since the answer was refused
	}
	if strings.HasSuffix(text, "Enter to continue to the questions:") {
		_, err := io.WriteString(p.keys, "\n") // past the card
		return len(b), err
	}
	line := p.answer(key, text)
	if line == "EOF" {
		return len(b), p.keys.Close()
	}
	_, err := io.WriteString(p.keys, line+"\n")
	return len(b), err
}

// sitPlain starts the plain wizard. Its typist gives up at the end.
func sitPlain(t *testing.T, machine host.Machine, answer func(key, prompt string) string) (*plain, *typist, *guard) {
	g := &guard{m: machine, t: t}
	in, keys := io.Pipe()
	t.Cleanup(func() { _ = keys.Close() })
	p := &typist{answer: answer, keys: keys}
	return newPlain(context.Background(), Options{Machine: &host.Recorder{Machine: g}, gather: noEvidence}, in, p), p, g
}

// TestSameQuestions: whatever is answered, the plain wizard asks what the
// screen asks, in that order, and comes to the same answers.
func TestSameQuestions(t *testing.T) {
	t.Parallel()
	screen := open(t, files(t))
	paths := map[string]bool{}
	for seed := range uint64(25) {
		// The same choices for both: an option by its number, and what is
		// suggested if that one is refused.
		choice := map[string]int{}
		for _, q := range interview.All {
			choice[q.Name()] = rand.New(rand.NewPCG(seed, uint64(len(choice)))).IntN(4)
		}

		h := screen.copy()
		h.begin()
		var onScreen []string
		for n := 0; h.stage == asking && n < 40; n++ {
			key := h.question.Name()
			if again := slices.Contains(onScreen, key); again {
				suggested, _ := h.question.Proposal(h.session.Facts, h.server.answers)
				h.choose(suggested[0])
			} else {
				onScreen = append(onScreen, key)
				o := slices.DeleteFunc(slices.Clone(h.question.options), func(o ask.Option) bool { return !answers(o) })
				h.choose(o[choice[key]%len(o)].Text)
			}
			h.press("enter")
		}

		last := ""
		p, typed, _ := sitPlain(t, lab.Machine(t, "3.7.11", files(t)), nil)
		typed.answer = func(key, _ string) string {
			if again := key == last; again {
				return ""
			}
			last = key
			q, _ := interview.All.Lookup(key)
			o := slices.DeleteFunc(q.Options(p.session.Facts, p.answers), func(o ask.Option) bool { return o.Hidden != "" })
			return o[choice[key]%len(o)].Text
		}
		p.session, p.answers = screen.session.With(screen.session.Facts.Clone()), screen.server.answers.Clone()
		if err := p.interview(); err != nil {
			t.Fatal(err)
		}

		if d := cmp.Diff(onScreen, typed.asked); d != "" {
			t.Fatalf("seed %d: (-screen +plain)\n%s\n%s", seed, d, typed.all.String())
		}
		d := cmp.Diff(interview.All.Values(h.session.Facts, h.server.answers), interview.All.Values(p.session.Facts, p.answers))
		if d != "" {
			t.Fatalf("seed %d: (-screen +plain)\n%s", seed, d)
		}
		paths[fmt.Sprint(onScreen)] = true
	}
	if len(paths) < 4 {
		t.Errorf("all answers lead to the same questions: %v", slices.Collect(maps.Keys(paths)))
	}
}

// TestPlainLeaves: q and the end of the input, at any prompt, leave without
// anything written; so does whatever is not yes, where yes is needed.
func TestPlainLeaves(t *testing.T) {
	for _, leave := range []string{"q", "EOF", "no"} {
		for at, last := 0, false; !last; at++ {
			n := -1
			p, typed, g := sitPlain(t, lab.Machine(t, "3.7.11", files(t)), func(key, prompt string) string {
				n++
				if strings.Contains(prompt, "Enter to continue,") { // what is no yes leads back to the answers
					return "q"
				}
				last = strings.Contains(prompt, "Apply this?")
				switch {
				case n >= at && (leave != "no" || key == ""):
					return leave
				case key == "":
					return "y" // a risk
				}
				return ""
			})
			r := p.run()
			if !errors.Is(r.Err, errQuit) && !errors.Is(r.Err, ErrQuit) || r.Receipt != nil || len(g.changed) > 0 || n > at && leave != "no" {
				t.Fatalf("%s at prompt %d: %v, changed %q\n%s", leave, at, r.Err, g.changed, typed.all.String())
			}
		}
	}
}

// TestPlainRerun: where all is answered before, each answer can be changed, and what is
// not agreed to leads back to them.
func TestPlainRerun(t *testing.T) {
	f := files(t)
	var toml strings.Builder
	first := open(t, f)
	for key, texts := range interview.All.Values(first.session.Facts, first.server.answers) {
		toml.WriteString(key + ` = ["` + strings.Join(texts, `", "`) + "\"]\n")
	}
	f["/etc/postseal/postseal.toml"] = toml.String()
	lines := []string{"99", "2", "modern", "", "", "q"}
	p, typed, g := sitPlain(t, lab.Machine(t, "3.7.11", f), func(key, prompt string) string {
		if strings.Contains(prompt, "? y yes") {
			return ""
		}
		l := lines[0]
		lines = lines[1:]
		return l
	})
	r := p.run()
	if !errors.Is(r.Err, errQuit) || !slices.Equal(typed.asked, []string{"profile"}) || len(g.changed) > 0 || len(lines) > 1 {
		t.Fatalf("%v, asked %q, changed %q, left %q\n%s", r.Err, typed.asked, g.changed, lines, typed.all.String())
	}
	if got := p.answers.Texts("profile"); !slices.Equal(got, []string{"modern"}) {
		t.Errorf("the profile is %q", got)
	}
	for _, want := range []string{"There are 1 to", "(from the answers file)", "Answered: intermediate", "+# BEGIN postseal"} {
		if !strings.Contains(typed.all.String(), want) {
			t.Errorf("%q is missing\n%s", want, typed.all.String())
		}
	}
}

// TestPlainBack: b goes back to the question before, from the first to itself,
// and an answer changed on the way counts.
func TestPlainBack(t *testing.T) {
	lines := []string{"b", "", "b", "sender", "", "b", "modern", "q"}
	p, typed, _ := sitPlain(t, lab.Machine(t, "3.7.11", files(t)), func(string, string) string {
		l := lines[0]
		lines = lines[1:]
		return l
	})
	p.run()
	want := []string{"role", "role", "profile", "role", "profile", "outbound-level", "profile", "outbound-level"}
	if d := cmp.Diff(want, typed.asked); d != "" {
		t.Errorf("(-want +asked)\n%s\n%s", d, typed.all.String())
	}
	got := p.answers.Texts("role")[0] + " " + p.answers.Texts("profile")[0]
	if got != "sender modern" {
		t.Errorf("answers %s", got)
	}
}

// TestPlainAsksAgain: what cannot be used is said and asked again, and why and
// the diff can be had at every question.
func TestPlainAsksAgain(t *testing.T) {
	lines := []string{"nonsense", "9", "?", "d", "2", "q"}
	p, typed, _ := sitPlain(t, lab.Machine(t, "3.7.11", files(t)), func(string, string) string {
		l := lines[0]
		lines = lines[1:]
		return l
	})
	p.run()
	for _, want := range []string{`"nonsense" is not one of`, `"9" is not one of`, "A router takes mail", "+# BEGIN postseal"} {
		if !strings.Contains(typed.all.String(), want) {
			t.Errorf("%q is missing\n%s", want, typed.all.String())
		}
	}
	if got := p.answers.Texts("role"); !slices.Equal(got, []string{"mailserver"}) {
		t.Errorf("2 is %q", got)
	}
}

// TestPlainIsClean: what comes from outside reaches the terminal without a
// character that it obeys, and draws no line of its own.
func TestPlainIsClean(t *testing.T) {
	p, typed, _ := sitPlain(t, machines(t)["hostile"](t), func(key, _ string) string {
		if key == "" {
			return "q"
		}
		return ""
	})
	p.run()
	for _, l := range strings.Split(typed.all.String(), "\n") {
		if strings.ContainsFunc(l, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) }) {
			t.Errorf("control characters in %q", l)
		}
		if strings.HasPrefix(strings.TrimSpace(l), "forged") {
			t.Errorf("a line that is not ours: %q\n%s", l, typed.all.String())
		}
	}
}

// TestPlainNarrow: on a narrow terminal the lines are broken between words.
func TestPlainNarrow(t *testing.T) {
	const width, word = 40, 20
	g := &guard{m: lab.Machine(t, "3.7.11", files(t)), t: t}
	in, keys := io.Pipe()
	t.Cleanup(func() { _ = keys.Close() })
	typed := &typist{keys: keys, answer: func(key, _ string) string {
		if key == "log-level" {
			return "q"
		}
		return ""
	}}
	newPlain(context.Background(), Options{Machine: &host.Recorder{Machine: g}, gather: noEvidence, Width: width}, in, typed).run()
	if !slices.Contains(typed.asked, "log-level") {
		t.Fatalf("asked %q only\n%s", typed.asked, typed.all.String())
	}
	for _, l := range strings.Split(typed.all.String(), "\n") {
		last := l[strings.LastIndexByte(l, ' ')+1:]
		if utf8.RuneCountInString(l) > width && utf8.RuneCountInString(last) <= word {
			t.Errorf("%d columns: %s", utf8.RuneCountInString(l), l)
		}
	}
}

// TestTellsReverted: the wizard says first that the last run was reverted.
func TestTellsReverted(t *testing.T) {
	f := files(t)
	for id, text := range map[string]string{
		"0002-20261130-120000": `{"id": "0002-20261130-120000", "kind": "apply", "phase": "undone", "config_dir": "/etc/postfix"}`,
		"0003-20261130-121000": `{"id": "0003-20261130-121000", "kind": "undo", "undoes": "0002-20261130-120000", "why": "nobody confirmed it", "phase": "kept", "config_dir": "/etc/postfix"}`,
	} {
		f["/var/lib/postseal/receipts/"+id+".json"] = text
	}
	const want = "Run 0002-20261130-120000 was reverted at "
	if h := open(t, f); !strings.Contains(h.see(), want) {
		t.Error(h.see())
	}
	p, typed, _ := sitPlain(t, lab.Machine(t, "3.7.11", f), func(string, string) string { return "q" })
	if p.run(); !strings.Contains(typed.all.String(), want) {
		t.Error(typed.all.String())
	}
}

// TestPlainLate: who answers after the run has gone back takes no earlier run
// back by that.
func TestPlainLate(t *testing.T) {
	t.Parallel()
	f := files(t)
	for id, text := range map[string]string{
		"0001": `{"id": "0001", "kind": "apply", "phase": "kept", "config_dir": "/etc/postfix"}`,
		"0002": `{"id": "0002", "kind": "apply", "phase": "undone", "config_dir": "/etc/postfix"}`,
		"0003": `{"id": "0003", "kind": "undo", "undoes": "0002", "why": "nobody confirmed it", "phase": "kept", "config_dir": "/etc/postfix"}`,
	} {
		f["/var/lib/postseal/receipts/"+id+".json"] = text
	}
	p, typed, g := sitPlain(t, lab.Machine(t, "3.7.11", f), func(string, string) string { return "n" })
	var err error
	if p.session, err = p.o.open(p.ctx, nil); err != nil {
		t.Fatal(err)
	}
	r := p.keep(Result{Receipt: &apply.Receipt{ID: "0002"}}, "Applied.")
	if !errors.Is(r.Err, apply.ErrRolledBack) || !strings.Contains(r.Err.Error(), "nobody confirmed it") || len(g.changed) > 0 {
		t.Errorf("%v, and changed is %q\n%s", r.Err, g.changed, typed.all.String())
	}
}
