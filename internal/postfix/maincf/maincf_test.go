package maincf

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	type kv struct {
		Name, Value, Bad string
		Line             int
	}
	for _, c := range []struct {
		name, text string
		want       []kv
	}{
		{"blanks around =", "a=1\nb = 2\nc\t=\t 3 \t\nd =\n", []kv{{"a", "1", "", 1}, {"b", "2", "", 2}, {"c", "3", "", 3}, {"d", "", "", 4}}},
		{"value keeps =", "a = b=c = d\n", []kv{{"a", "b=c = d", "", 1}}},
		{"continuation keeps its white space", "a = /x,\n\t/y\n", []kv{{"a", "/x,\t/y", "", 1}}},
		{"comments and blank lines do not end it", "a = 1\n# c\n\n  \n#d\n  2\nb = 3\n", []kv{{"a", "1  2", "", 1}, {"b", "3", "", 7}}},
		{"indented comment", "a = 1\n   # not text\n   2\n", []kv{{"a", "1   2", "", 1}}},
		{"comment after text is text", "a = 1 # c\n", []kv{{"a", "1 # c", "", 1}}},
		{"CRLF", "a = 1\r\n\r\nb = 2,\r\n  3\r\n", []kv{{"a", "1", "", 1}, {"b", "2,\r  3", "", 3}}},
		{"no final newline", "a = 1\nb = 2", []kv{{"a", "1", "", 1}, {"b", "2", "", 2}}},
		{"backslash is nothing", "a = 1\\\nb = 2\n", []kv{{"a", "1\\", "", 1}, {"b", "2", "", 2}}},
		{"orphan", "  lost\n more\na = 1\n", []kv{{"a", "1", "", 3}}},
		{"no =", "a b\n", []kv{{"a", "", "missing '=' after attribute name", 1}}},
		{"no = at all", "abc\n", []kv{{"abc", "", "missing '=' after attribute name", 1}}},
		{"no name", "= 1\n", []kv{{"", "", "missing attribute name", 1}}},
		{"byte order mark", "\ufeffa = 1\n", []kv{{"\ufeffa", "1", "", 1}}},
		{"vertical tab and form feed are blanks", "a\v=\f1\v\n\f2\n", []kv{{"a", "1\v\f2", "", 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []kv
			for _, e := range Parse(c.text).Entries() {
				got = append(got, kv{e.Name, e.Value, e.Bad, e.Line})
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestLastOneWins(t *testing.T) {
	f := Parse("a = 1\na = 2\nb = 3\na =\n")
	if e, ok := f.Get("a"); !ok || e.Value != "" || e.Line != 4 {
		t.Errorf("Get(a) = %+v, %v", e, ok)
	}
	if _, ok := f.Get("c"); ok {
		t.Error("c is set nowhere")
	}
}

func TestProblems(t *testing.T) {
	f := Parse("\ufeff lost\nx\x00 = 1\na = 1\na = 2\na = 2\nbad\n")
	var got []string
	for _, p := range f.Problems() {
		got = append(got, p.Text)
	}
	want := []string{
		"a byte order mark at the start hides the first parameter",
		"text after a NUL byte may be ignored",
		"missing '=' after attribute name",
		"overrides a of line 3",
		"missing '=' after attribute name",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestExpand(t *testing.T) {
	vars := map[string]string{"x": "1", "empty": "", "deep": "<$x>", "level": "3.6", "loop": "$loop", "n": "10", "m": "9"}
	lookup := func(n string) (string, bool) { v, ok := vars[n]; return v, ok }
	for _, c := range []struct{ in, want, err string }{
		{"plain", "plain", ""},
		{"$x ${x} $(x) $x.y", "1 1 1 1.y", ""},
		{"$$x $deep", "$x <1>", ""},
		{"[$undefined]", "[]", ""},
		{"${x?yes}${x:no}${empty?yes}${empty:no}", "yesno", ""},
		{"${x?{yes}:{no}} ${empty ? {yes} : {no}}", "yes no", ""},
		{"${x?a:b}", "a:b", ""}, // text without braces runs to the end
		{"${{$x} == {1} ? {eq} : {ne}}", "eq", ""},
		{"${{$n} > {$m} ? {num} : {text}}", "num", ""},
		{"${{$n} < {b}}|${{a} == {b}}", "true|", ""},
		{"${{$level} <level {3.11} ? {old} : {new}}", "old", ""},
		{"${{$level} >=level {3.6}}", "true", ""},
		{"${stress?{10}:{300}}s", "300s", ""},
		{"${domain_to_ascii{ $n }}=x", "10=x", ""},
		{"${other{a}}", "", "unknown function"},
		{"${domain_to_ascii{a} b}", "", "unexpected input"},
		{"${x", "", "truncated macro reference"},
		{"$", "", "empty macro name"},
		{"${}", "", "empty macro name"},
		{"$loop", "", "unreasonable macro call nesting"},
		{"${x-y}", "", "attribute name syntax error"},
		{"${{a} ~ {b}}", "", "relational operator expected"},
		{"${{a} == b}", "", `"{expression}" expected`},
		{"${x?{a}b}", "", `":" expected`},
		{"${{x} <level {3.6} ? {a} : {b}}", "", "malformed compatibility level"},
	} {
		got, err := Expand(c.in, lookup)
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", c.in, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: error %v, want %q", c.in, err, c.err)
		case c.err == "" && got != c.want:
			t.Errorf("%s = %q, want %q", c.in, got, c.want)
		}
	}
}

var marks = Markers{"# BEGIN x", "# END x"}

func TestApply(t *testing.T) {
	block := []string{"# BEGIN x", "p = new", "# END x"}
	dropP := func(e Entry) bool { return e.Name == "p" }
	for _, c := range []struct{ name, in, want string }{
		{"appended", "a = 1\n", "a = 1\n\n# BEGIN x\np = new\n# END x\n"},
		{"into an empty file", "", "# BEGIN x\np = new\n# END x\n"},
		{"no final newline", "a = 1", "a = 1\n\n# BEGIN x\np = new\n# END x\n"},
		{"CRLF", "a = 1\r\n", "a = 1\r\n\r\n# BEGIN x\r\np = new\r\n# END x\r\n"},
		{"in the place of the first that goes", "a = 1\n# why p\np = 1,\n# note\n  2\nb = 2\np = 3\n", "a = 1\n# why p\n# BEGIN x\np = new\n# END x\n\n# note\nb = 2\n"},
		{"over an old block", "a = 1\n# BEGIN x\nq = 7\n# END x\nb = 2\n", "a = 1\n# BEGIN x\np = new\n# END x\nb = 2\n"},
		{"an old block and a later assignment", "# BEGIN x\nq = 7\n# END x\np = 2\n", "# BEGIN x\np = new\n# END x\n"},
		{"continuation after the end marker", "# BEGIN x\nq = 7\n# END x\n  8\nb = 2\n", "# BEGIN x\np = new\n# END x\nb = 2\n"},
		{"continuation of a line before the block", "a = 1\n# BEGIN x\n  2\nq = 7\n# END x\n", "a = 1\n  2\n# BEGIN x\np = new\n# END x\n"},
		{"block of comments inside a continuation", "a = 1\n# BEGIN x\n# END x\n  2\nb = 3\n", "a = 1\n  2\n# BEGIN x\np = new\n# END x\nb = 3\n"},
		{"orphans stay first", "  lost\np = 1\n", "  lost\n\n# BEGIN x\np = new\n# END x\n"},
		{"orphans after a block that set nothing", "# BEGIN x\n# END x\n  lost\n", "  lost\n# BEGIN x\np = new\n# END x\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse(c.in).Apply(Edit{marks, dropP, block})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, f.String()); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// TestApplyAboveText: the block does not come between a text and the next one, as if it
// were what the first is about, and stays below a heading.
func TestApplyAboveText(t *testing.T) {
	drop := func(e Entry) bool { return strings.HasPrefix(e.Name, "smtpd_tls") }
	for _, x := range []struct{ before, after string }{
		{"# TLS\n\n# The file with the certificate\n# in PEM format.\n#\nsmtpd_tls_cert_file = /c\n\n# The key.\n# Not encrypted.\nsmtpd_tls_key_file = /k\n", "# TLS\n\nB\nx = 1\nE\n\n# The file with the certificate\n# in PEM format.\n#\n\n# The key.\n# Not encrypted.\n"},
		{"a = b\n# TLS parameters\nsmtpd_tls_cert_file = /c\n\nc = d\n", "a = b\n# TLS parameters\nB\nx = 1\nE\n\nc = d\n"},
		{"# -- TLS for incoming connections\n##########\nsmtpd_tls_use = yes\n\nc = d\n", "# -- TLS for incoming connections\n##########\nB\nx = 1\nE\n\nc = d\n"},
		{"#\n# TLS parameters\n#\nsmtpd_tls_cert_file = /c\nsmtpd_tls_key_file = /k\n", "#\n# TLS parameters\n#\nB\nx = 1\nE\n"},
	} {
		f, err := Parse(x.before).Apply(Edit{Markers: Markers{Begin: "B", End: "E"}, Drop: drop, Block: []string{"B", "x = 1", "E"}})
		if err != nil {
			t.Fatal(err)
		}
		if f.String() != x.after {
			t.Errorf("%q\nbecame %q\nnot    %q", x.before, f.String(), x.after)
		}
	}
}

func TestDamagedMarkers(t *testing.T) {
	for _, in := range []string{"# BEGIN x\na = 1\n", "# END x\n", "# BEGIN x\n# BEGIN x\n# END x\n", "# BEGIN x\n# END x\n# END x\n"} {
		if _, err := Parse(in).Apply(Edit{Markers: marks}); err == nil {
			t.Errorf("%q: no error", in)
		}
	}
}

// TestApplyLaws: editing twice is editing once, the block's values count
// afterwards, and no other parameter changes its value.
func TestApplyLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Parse(drawFile(t))
		e := Edit{marks, func(e Entry) bool { return e.Name == "p" }, []string{"# BEGIN x", "# why", "p = new", "# END x"}}
		g, err := f.Apply(e)
		if err != nil {
			t.Skip("markers drawn at random do not pair")
		}
		h, err := g.Apply(e)
		if err != nil {
			t.Fatal(err)
		}
		if g.String() != h.String() {
			t.Fatalf("not idempotent:\n%q\n%q", g.String(), h.String())
		}
		if p, ok := g.Get("p"); !ok || p.Value != "new" {
			t.Fatalf("p = %q in %q", p.Value, g.String())
		}
		old, had, _ := f.Block(marks)
		for _, name := range []string{"a", "b"} {
			if had && slicesContain(f, old, name) {
				continue
			}
			before, bok := f.Get(name)
			after, aok := g.Get(name)
			if bok != aok || before.Value != after.Value {
				t.Fatalf("%s was %q, is %q\nbefore %q\nafter  %q", name, before.Value, after.Value, f.String(), g.String())
			}
		}
	})
}

func slicesContain(f *File, b Block, name string) bool {
	for _, e := range f.Entries() {
		if e.Name == name && b.In(e) {
			return true
		}
	}
	return false
}

// drawFile makes files of the pieces that are hard to read.
func drawFile(t *rapid.T) string {
	piece := rapid.SampledFrom([]string{
		"a = 1", "b = 2,", "p = 3", "p=", "a =  x = y ", "  cont", "\tcont, ", "# comment", "  # indented", "", "   ", "# BEGIN x", "# END x",
	})
	end := rapid.SampledFrom([]string{"\n", "\n", "\n", "\r\n"})
	var b strings.Builder
	for range rapid.IntRange(0, 14).Draw(t, "lines") {
		b.WriteString(piece.Draw(t, "piece") + end.Draw(t, "end"))
	}
	s := b.String()
	if rapid.Bool().Draw(t, "cut") {
		s = strings.TrimSuffix(s, "\n")
	}
	return s
}

func FuzzIdentity(f *testing.F) {
	for _, s := range []string{"", "a = 1\n", "a = 1\r\n\r\n  2", "\ufeffa\x00b = 1\n\n # c\n", "  x\n=\n"} {
		f.Add(s)
	}
	if b, err := os.ReadFile("/etc/postfix/main.cf"); err == nil {
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, s string) {
		g := Parse(s)
		if g.String() != s {
			t.Fatalf("%q printed as %q", s, g.String())
		}
		g.Problems()
		if h, err := g.Apply(Edit{Markers: marks}); err == nil {
			if _, had, _ := g.Block(marks); !had && h.String() != s {
				t.Fatalf("an empty edit changed %q to %q", s, h.String())
			}
		}
	})
}

func FuzzExpand(f *testing.F) {
	f.Add("${{$a} <level {3.6} ? {x} : {$b}}")
	f.Add("${a?{b}:{c}}$(d)$$")
	f.Fuzz(func(t *testing.T, s string) {
		out, err := Expand(s, func(string) (string, bool) { return "v", true })
		if err == nil && !strings.Contains(s, "$") && out != s {
			t.Fatalf("%q became %q", s, out)
		}
	})
}
