package mastercf

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const sample = `# comment
smtp      inet  n       -       y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o { smtpd_tls_security_level = encrypt }
#  -o smtpd_sasl_auth_enable=yes
  -v -osmtpd_tls_auth_only=yes -vo x=1
scan      unix  -       -       n       -       10      smtp -o smtp_send_xforward_command=yes
	-o smtp_tls_security_level=none
mailman   unix  -       n       n       -       -       pipe
  flags=FR user=list argv={a b} ${nexthop}
`

func TestParse(t *testing.T) {
	f := Parse(sample)
	if f.String() != sample {
		t.Fatal("printed differently")
	}
	s, ok := f.Find("submission", "inet")
	if !ok || s.Program() != "smtpd" || s.Chroot != "y" || s.Line != 3 {
		t.Fatalf("%+v, %v", s, ok)
	}
	type opt struct {
		Name, Value string
		Line        int
	}
	var got []opt
	for _, o := range s.Options {
		got = append(got, opt{o.Name, o.Value, o.Line})
	}
	want := []opt{{"syslog_name", "postfix/submission", 4}, {"smtpd_tls_security_level", "encrypt", 5}, {"smtpd_tls_auth_only", "yes", 7}, {"x", "1", 7}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	m, _ := f.Find("mailman", "unix")
	if d := cmp.Diff([]string{"flags=FR", "user=list", "argv={a b}", "${nexthop}"}, m.Args); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestBad(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"smtp inet n - y - -\n", "bad field count"},
		{"smtp tcp n - y - - smtpd\n", `invalid type field "tcp"`},
		{"smtp inet n - x - - smtpd\n", `invalid chroot field "x"`},
		{"smtp inet - - y - - smtpd\n", "inet service cannot be private"},
		{"smtp inet y - y - - smtpd\n", "inet service cannot be private"},
		{"smtp inet n - y - many smtpd\n", `invalid process_limit field "many"`},
		{"qmgr unix n - n 300? 1 qmgr\n", ""},
	} {
		if got := Parse(c.in).Services()[0].Bad; got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
	// Three words instead of one: the daemon dies, postconf -P says nothing.
	s := Parse("smtp inet n - y - - smtpd -o a = b\n").Services()[0]
	if len(s.Options) != 1 || s.Options[0].Bad == "" || len(s.Args) != 2 {
		t.Errorf("%+v", s)
	}
	if _, ok := s.Override("a"); ok {
		t.Error("a broken override counts")
	}
}

func TestSetAndUnset(t *testing.T) {
	set := func(f *File, err error) func(*testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			return f.String()
		}
	}
	f := Parse(sample)
	for _, c := range []struct {
		name     string
		got      func(*testing.T) string
		old, new string
	}{
		{"in braces", set(f.Set("submission", "inet", "smtpd_tls_security_level", "may")), "{ smtpd_tls_security_level = encrypt }", "smtpd_tls_security_level=may"},
		{"glued to -o", set(f.Set("submission", "inet", "smtpd_tls_auth_only", "no")), "-osmtpd_tls_auth_only=yes", "-osmtpd_tls_auth_only=no"},
		{"with blanks", set(f.Set("scan", "unix", "smtp_tls_security_level", "a b")), "smtp_tls_security_level=none", "{ smtp_tls_security_level = a b }"},
		{"new, indented as its neighbours", set(f.Set("scan", "unix", "p", "1")), "level=none\n", "level=none\n\t-o p=1\n"},
		{"new, first", set(f.Set("smtp", "inet", "p", "1")), "smtpd\nsubmission", "smtpd\n  -o p=1\nsubmission"},
		{"unset a line", set(f.Unset("submission", "inet", "syslog_name")), "  -o syslog_name=postfix/submission\n", ""},
		{"unset in the first line", set(f.Unset("scan", "unix", "smtp_send_xforward_command")), " -o smtp_send_xforward_command=yes", ""},
		{"unset between others", set(f.Unset("submission", "inet", "smtpd_tls_auth_only")), " -osmtpd_tls_auth_only=yes", ""},
		{"unset what is not there", set(f.Unset("smtp", "inet", "p")), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(strings.Replace(sample, c.old, c.new, 1), c.got(t)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
	if _, err := f.Unset("submission", "inet", "x"); err == nil {
		t.Error("-vo joins two options, and no error")
	}
	if _, err := f.Set("mailman", "unix", "p", "1"); err == nil {
		t.Error("an option after arguments would be an argument, and no error")
	}
	if _, err := f.Set("smtp", "inet", "p", "a\nb"); err == nil {
		t.Error("a newline in a value, and no error")
	}
}

// stray are overrides that a blank cuts in two.
const stray = `smtp inet n - y - - smtpd
  -o smtpd_tls_mandatory_protocols=!SSLv2, !SSLv3,
    !TLSv1
  -o smtpd_sasl_auth_enable=yes
submission inet n - y - - smtpd -osmtpd_tls_protocols=!SSLv2, !SSLv3
mailman unix - n n - - pipe -o pipe_command_maxtime=1 flags=FR user=list
screen inet n - y - 1 postscreen x
relay unix - - y - - smtp # the way out
last unix - - y - - smtp -o smtp_tls_protocols=!SSLv2pickup unix n - y 60 1 pickup
`

// TestStray: the words behind an override that a program dies of are known, and
// leave with it. Words of a program that takes arguments stay, and so does another
// entry.
func TestStray(t *testing.T) {
	f := Parse(stray)
	texts := func(words []Word) (out []string) {
		for _, w := range words {
			out = append(out, w.Text)
		}
		return out
	}
	for _, c := range []struct {
		name, typ       string
		service, option []string
	}{
		{"smtp", "inet", []string{"!SSLv3,", "!TLSv1"}, []string{"!SSLv3,", "!TLSv1"}},
		{"submission", "inet", []string{"!SSLv3"}, []string{"!SSLv3"}},
		{"mailman", "unix", nil, nil},
		{"screen", "inet", nil, nil},
		{"relay", "unix", []string{"#", "the", "way", "out"}, nil},
		{"last", "unix", []string{"unix", "n", "-", "y", "60", "1", "pickup"}, nil},
	} {
		s, _ := f.Find(c.name, c.typ)
		if d := cmp.Diff(c.service, texts(s.Stray)); d != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, d)
		}
		if len(s.Options) > 0 {
			if d := cmp.Diff(c.option, texts(s.Options[0].Stray)); d != "" {
				t.Errorf("%s, its override (-want +got)\n%s", c.name, d)
			}
		}
	}
	if s, _ := f.Find("smtp", "inet"); s.Stray[1].Line != 3 {
		t.Errorf("%+v", s.Stray)
	}
	for _, c := range []struct {
		name     string
		edit     func() (*File, error)
		old, new string
	}{
		{"unset", func() (*File, error) { return f.Unset("smtp", "inet", "smtpd_tls_mandatory_protocols") },
			"  -o smtpd_tls_mandatory_protocols=!SSLv2, !SSLv3,\n    !TLSv1\n", ""},
		{"set", func() (*File, error) {
			return f.Set("smtp", "inet", "smtpd_tls_mandatory_protocols", "!SSLv2, !SSLv3")
		}, "smtpd_tls_mandatory_protocols=!SSLv2, !SSLv3,\n    !TLSv1\n", "{ smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3 }\n"},
		{"unset in the first line", func() (*File, error) { return f.Unset("submission", "inet", "smtpd_tls_protocols") },
			" -osmtpd_tls_protocols=!SSLv2, !SSLv3", ""},
		{"arguments stay", func() (*File, error) { return f.Unset("mailman", "unix", "pipe_command_maxtime") }, " -o pipe_command_maxtime=1", ""},
		{"another entry stays", func() (*File, error) { return f.Unset("last", "unix", "smtp_tls_protocols") }, " -o smtp_tls_protocols=!SSLv2pickup", ""},
	} {
		g, err := c.edit()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if d := cmp.Diff(strings.Replace(stray, c.old, c.new, 1), g.String()); d != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, d)
		}
	}
	g, err := f.Unset("smtp", "inet", "smtpd_tls_mandatory_protocols")
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := g.Find("smtp", "inet"); len(s.Stray)+len(s.Args) > 0 || len(s.Options) != 1 {
		t.Errorf("%+v", s)
	}
}

// TestEditLaws: what is set is read back, what is unset is gone, and no other
// override changes.
func TestEditLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Parse(drawFile(t))
		value := rapid.SampledFrom([]string{"may", "a b", "", "{x}", "${y?{z}}"}).Draw(t, "value")
		g, err := f.Set("smtp", "inet", "p", value)
		if err == nil {
			s, _ := g.Find("smtp", "inet")
			if o, ok := s.Override("p"); !ok || o.Value != strings.TrimSpace(value) {
				t.Fatalf("set %q, read %q\n%q\n%q", value, o.Value, f.String(), g.String())
			}
			sameBut(t, f, g)
			h, err := g.Set("smtp", "inet", "p", value)
			if err != nil || h.String() != g.String() {
				t.Fatalf("setting twice differs: %v\n%q\n%q", err, g.String(), h.String())
			}
		}
		if g, err := f.Unset("smtp", "inet", "p"); err == nil {
			s, _ := g.Find("smtp", "inet")
			if _, ok := s.Override("p"); ok {
				t.Fatalf("still there\n%q\n%q", f.String(), g.String())
			}
			sameBut(t, f, g)
		}
	})
}

// sameBut fails if anything but the override p of smtp/inet differs.
func sameBut(t *rapid.T, f, g *File) {
	if s, _ := f.Find("smtp", "inet"); len(s.Stray) > 0 {
		return // what stood behind them were no options, and may be now
	}
	flat := func(f *File) (out []string) {
		for _, s := range f.Services() {
			out = append(out, s.ID()+" "+s.Command+" "+strings.Join(s.Args, "|"))
			for _, o := range s.Options {
				if o.Name != "p" {
					out = append(out, o.Name+"="+o.Value)
				}
			}
		}
		return out
	}
	if d := cmp.Diff(flat(f), flat(g)); d != "" {
		t.Fatalf("others changed (-before +after)\n%s\n%q\n%q", d, f.String(), g.String())
	}
}

func drawFile(t *rapid.T) string {
	option := rapid.SampledFrom([]string{"-o p=1", "-o q=2", "-o { p = x y }", "-op=3", "-v", "-o {q = $p}", "\n  -o p=4", "\n# c\n\t-o q=5", "\n\n  -o\n   p=6", "-o r=a,b", "-o s=a, b", "-op=a, b,\n  c"})
	var b strings.Builder
	for _, service := range []string{"smtp inet n - y - - smtpd", "relay unix - - - - - smtp"} {
		b.WriteString(service)
		for range rapid.IntRange(0, 5).Draw(t, "options") {
			b.WriteString(" " + option.Draw(t, "option"))
		}
		b.WriteString(rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end"))
	}
	return b.String()
}

func FuzzIdentity(f *testing.F) {
	f.Add(sample)
	if b, err := os.ReadFile("/etc/postfix/master.cf"); err == nil {
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, s string) {
		g := Parse(s)
		if g.String() != s {
			t.Fatalf("%q printed as %q", s, g.String())
		}
		for _, s := range g.Services()[:min(3, len(g.Services()))] {
			for _, o := range s.Options[:min(3, len(s.Options))] {
				h, err := g.Unset(s.Name, s.Type, o.Name)
				if err != nil || o.Bad != "" {
					continue // what Postfix refuses is not an override
				}
				if after, ok := h.Find(s.Name, s.Type); !ok || len(after.Options) >= len(s.Options) {
					t.Fatalf("without %s %q is %q", o.Name, g.String(), h.String())
				}
			}
		}
	})
}
