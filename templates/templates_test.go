package templates

import (
	"strings"
	"testing"

	"postseal/internal/postfix"
)

// example is a value that a pattern fits.
func example(pattern string) string { return strings.ReplaceAll(pattern, "*", "x") }

func TestCatalogue(t *testing.T) {
	for _, st := range append(blockStanzas, removedStanzas...) {
		if st.Why == "" || st.Source == "" {
			t.Errorf("%v: no reason or no source", st.lines)
		}
		for _, c := range st.comment {
			if len(c) > 80 || !strings.HasPrefix(c, "# ") {
				t.Errorf("%q: longer than a line, or no comment", c)
			}
		}
		for _, l := range st.lines {
			p, ok := postfix.Lookup(l.Name)
			if !ok && l.Name != "*" {
				t.Errorf("%s: no parameter that we know", l.Name)
			}
			if p.Obsolete != "" {
				t.Errorf("%s: obsolete, and yet in the catalogue", l.Name)
			}
		}
	}
}

// TestEveryLineCanBeChosen: no line is hidden behind an earlier one.
func TestEveryLineCanBeChosen(t *testing.T) {
	for i, st := range blockStanzas {
		for _, l := range st.lines {
			s := Setting{l.Name, example(l.Value)}
			if got, ok := find(blockStanzas, s); !ok || got != i {
				t.Errorf("%s = %s: never reached", l.Name, l.Value)
			}
			block, err := Block([]Setting{s})
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(block, "\n")
			if !strings.HasPrefix(text, Begin) || !strings.HasSuffix(text, "\n"+End) || strings.Contains(text, "##") {
				t.Errorf("%s", text)
			}
			if r := Why(s); !strings.HasPrefix(r.Source, st.Source) || r.Why != st.Why {
				t.Errorf("%+v", r)
			}
		}
	}
	for _, st := range removedStanzas {
		for _, l := range st.lines {
			if r := WhyRemoved(l.Name); r.Why != st.Why {
				t.Errorf("%s: never reached", l.Name)
			}
		}
	}
}

// TestWhyRemoved: what says something is not said to be a default.
func TestWhyRemoved(t *testing.T) {
	usual := WhyRemoved("biff").Why
	for _, name := range []string{"smtpd_tls_chain_files", "smtpd_tls_security_level", "smtp_tls_chain_files", "smtpd_tls_cert_file"} {
		if r := WhyRemoved(name); r.Why == usual || r.Why == "" {
			t.Errorf("%s: %s", name, r.Why)
		}
	}
}

func TestBlock(t *testing.T) {
	if _, err := Block([]Setting{{"relayhost", "x"}}); err == nil {
		t.Error("a line without a text")
	}
	block, err := Block([]Setting{{"smtp_tls_loglevel", "1"}, {"tls_ffdhe_auto_groups", ""}, {"smtpd_tls_loglevel", "1"}})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, l := range block {
		if !strings.HasPrefix(l, "# ") || strings.HasSuffix(l, " mail") || strings.HasSuffix(l, "ways") {
			lines = append(lines, l)
		}
	}
	want := "# Receiving mail|smtpd_tls_loglevel = 1||# Sending mail|smtp_tls_loglevel = 1||# Both ways|tls_ffdhe_auto_groups ="
	if got := strings.Join(lines, "|"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"may", "may", true}, {"may", "maybe", false}, {"*", "", true}, {"a*", "abc", true}, {"a*c", "abc", true},
		{"a*c", "ab", false}, {"a*b*c", "a1b2c", true}, {"a*b*c", "acb", false}, {"", "", true}, {"", "x", false},
	} {
		if match(c.pattern, c.value) != c.want {
			t.Errorf("%q %q", c.pattern, c.value)
		}
	}
}
