package ask

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postseal/internal/hint"
)

// facts and the questions of these tests have nothing to do with mail: ask
// knows no domain.
type facts struct{ Big bool }

var colour = &Question[string, *facts]{
	Key: "colour", Section: "Looks", Title: "Which colour?",
	Choices: []Choice[string]{{Value: "red", Name: "red", Help: "like blood"}, {Value: "blue", Name: "blue", Help: "like the sky"}},
	Suggest: func(f *facts, _ *Answers) Suggestion[string] {
		if f.Big {
			return Suggestion[string]{"blue", "big things are blue", Detected}
		}
		return Suggestion[string]{"red", "most are", Default}
	},
}

var names = &Question[[]string, *facts]{
	Key: "name", Section: "Looks", Title: "Which names?", Many: true,
	Parse: func(texts []string) ([]string, error) {
		for _, t := range texts {
			if t == "" {
				return nil, errors.New("a name is empty")
			}
		}
		return texts, nil
	},
	Format: func(v []string) []string { return v },
	Suggest: func(*facts, *Answers) Suggestion[[]string] {
		return Suggestion[[]string]{[]string{"x"}, "short", Default}
	},
	When: func(f *facts, a *Answers) bool { return colour.Get(f, a) == "blue" },
	Check: func(v []string, f *facts, _ *Answers) error {
		if f.Big && len(v[0]) < 3 {
			return errors.New("too short for something big")
		}
		return nil
	},
	Files: func(v []string) []string { return v },
}

var all = Set[*facts]{colour, names}

func TestPrecedence(t *testing.T) {
	f := &facts{}
	var a Answers
	value := func() string {
		v, s := colour.Value(f, &a)
		return fmt.Sprintf("%s from %v", v[0], s)
	}
	step := func(text string, s Source, want string) {
		t.Helper()
		if text != "" {
			if err := colour.Set(&a, []string{text}, s); err != nil {
				t.Fatal(err)
			}
		}
		if got := value(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	step("", Unset, "red from the default")
	step("blue", Recorded, "blue from the last run")
	step("red", File, "red from the answers file")
	step("blue", Flag, "blue from a flag")
	step("red", File, "blue from a flag")
	step("red", Typed, "red from you")
	a.Forget("colour")
	f.Big = true
	step("", Unset, "blue from this server")
}

func TestSetRefuses(t *testing.T) {
	var a Answers
	for _, texts := range [][]string{{"green"}, {"red", "blue"}, {}, {"red\x1b[2J"}, {"red\n"}} {
		if err := colour.Set(&a, texts, Flag); err == nil {
			t.Errorf("%q is accepted", texts)
		} else if strings.Contains(err.Error(), "\x1b") {
			t.Errorf("the error carries the escape: %q", err)
		}
	}
	if a.Source("colour") != Unset {
		t.Error("a refused answer is kept")
	}
	err := colour.Set(&a, []string{"green"}, Flag)
	if !strings.Contains(err.Error(), "red, blue") || hint.Of(err) == "" {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

func TestVerifyOnlyWhatMatters(t *testing.T) {
	f := &facts{Big: true}
	var a Answers
	if err := names.Set(&a, []string{"ab"}, Flag); err != nil {
		t.Fatal(err)
	}
	if err := all.Verify(f, &a); err == nil || !strings.Contains(err.Error(), "name: too short") {
		t.Errorf("%v", err)
	}
	if got := all.Reads(f, &a); !cmp.Equal(got, []string{"ab"}) {
		t.Errorf("reads %q", got)
	}
	if err := colour.Set(&a, []string{"red"}, Flag); err != nil {
		t.Fatal(err)
	}
	if err := all.Verify(f, &a); err != nil {
		t.Errorf("a question that does not matter is checked: %v", err)
	}
	if got := all.Reads(f, &a); got != nil {
		t.Errorf("reads %q", got)
	}
}

func TestLoadReportsAllAtOnce(t *testing.T) {
	var a Answers
	err := all.Load([]byte("format = 1\ncolor = \"red\"\ncolour = \"green\"\nname = [1]\ncolour = \"red\"\n"), &a)
	if err == nil {
		t.Fatal("no error")
	}
	got := err.Error()
	for _, want := range []string{
		`line 2: no question is named "color"`, `line 3: colour: "green" is not one of red, blue`,
		"line 4: name: a list holds strings", "line 5: colour is already set in line 3",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if len(hint.All(err)) != 4 || a.Source("colour") != Unset {
		t.Errorf("%d errors, colour from %v", len(hint.All(err)), a.Source("colour"))
	}
}

func TestLoadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"format = 2\n":               "line 1: format 2 is newer",
		"\n\n[looks]\ncolour='red'":  "line 3: [looks]",
		"colour = \n":                "line 1:",
		"# fine\ncolour = \"red\x00": "line 2:",
		"a.b = 1":                    `no question is named "a.b"`,
		"colour = 1.5":               "colour: a value is",
	} {
		var a Answers
		if err := all.Load([]byte(text), &a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestSaveKeepsWhatIsOthers(t *testing.T) {
	f := &facts{}
	before := "# mine\ncolour = \"red\"   # because\n\nname=[ \"a\",  # first\n  \"b\" ]\n# end"
	var a Answers
	if err := all.Load([]byte(before), &a); err != nil {
		t.Fatal(err)
	}
	if err := colour.Set(&a, []string{"blue"}, Flag); err != nil {
		t.Fatal(err)
	}
	got, err := all.Save([]byte(before), f, &a)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Replace(before, `"red"`, `"blue"`, 1)+"\n", string(got)+"\n"); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	// What does not matter now stays for when it does.
	if err := colour.Set(&a, []string{"red"}, Typed); err != nil {
		t.Fatal(err)
	}
	if got, err := all.Save([]byte(before), f, &a); err != nil || string(got) != before {
		t.Errorf("%v\n%s", err, got)
	}
}

// TestTypedIsFlagIsFile: whatever can be typed can be written in the file,
// with the same result.
func TestTypedIsFlagIsFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &facts{}
		var typed, file Answers
		word := rapid.StringMatching(`[ -~äß"\\]{1,12}`)
		set := func(q Item[*facts], texts ...string) {
			if err := q.Set(&typed, texts, Typed); err != nil {
				t.Fatal(err)
			}
		}
		set(colour, rapid.SampledFrom([]string{"red", "blue"}).Draw(t, "colour"))
		set(names, rapid.SliceOfN(word, 1, 3).Draw(t, "names")...)
		data, err := all.Save(nil, f, &typed)
		if err != nil {
			t.Fatal(err)
		}
		if err := all.Load(data, &file); err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if d := cmp.Diff(all.Values(f, &typed), all.Values(f, &file)); d != "" {
			t.Fatalf("(-typed +file)\n%s\n%s", d, data)
		}
		again, err := all.Save(data, f, &file)
		if err != nil || string(again) != string(data) {
			t.Fatalf("saving twice differs: %v\n%s\n%s", err, data, again)
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("format = 1\ncolour = 'red' # x\nname = [\"a\",\n\"b\"]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a Answers
		if err := all.Load(data, &a); err != nil {
			return
		}
		if _, err := all.Save(data, &facts{}, &a); err != nil {
			t.Fatal(err)
		}
	})
}

// TestLoadManyUnknown: of many lines that cannot be read the first are named, with their
// numbers, and the others counted. A file of absurd size is not read to its end.
func TestLoadManyUnknown(t *testing.T) {
	file := func(keys int) []byte {
		var data strings.Builder
		data.WriteString("format = 1\n\n")
		for i := range keys {
			fmt.Fprintf(&data, "k%d = 1\n", i)
		}
		return []byte(data.String())
	}
	var a Answers
	err := all.Load(file(900), &a)
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 21 || !strings.HasPrefix(lines[0], "line 3: ") || !strings.HasPrefix(lines[19], "line 22: ") || lines[20] != "and 880 more lines that cannot be read" {
		t.Errorf("%d lines: %q ... %q", len(lines), lines[0], lines[len(lines)-1])
	}
	if err := all.Load(file(300_000), &a); err == nil || err.Error() != "the file has more than 1000 keys" || hint.Of(err) == "" {
		t.Errorf("%.200v", err)
	}
}
