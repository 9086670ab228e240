package postfix_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postseal/internal/lab"
	"postseal/internal/postfix"
	"postseal/internal/postfix/maincf"
	"postseal/internal/postfix/mastercf"
)

// oracle is the installed postconf, asked about files that we made.
type oracle struct{ dir string }

func newOracle(t *testing.T) oracle {
	lab.Need(t, "postconf")
	return oracle{t.TempDir()}
}

// ask runs postconf and splits its "name = value" lines. ok is false if it
// refuses the files.
func (o oracle) ask(main, master string, args ...string) (out map[string]string, ok bool, err error) {
	then := time.Now().Add(-time.Minute) // a fresh main.cf costs two seconds
	for name, text := range map[string]string{"main.cf": main, "master.cf": master} {
		p := filepath.Join(o.dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			return nil, false, err
		}
		if err := os.Chtimes(p, then, then); err != nil {
			return nil, false, err
		}
	}
	text, err := exec.Command("postconf", append([]string{"-c", o.dir}, args...)...).Output()
	out = map[string]string{}
	for _, l := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		name, value, _ := strings.Cut(l, " =")
		out[name] = strings.TrimPrefix(value, " ")
	}
	delete(out, "config_directory")
	delete(out, "")
	return out, err == nil, nil
}

func config(main, master string, defaults map[string]string) postfix.Config {
	return postfix.Config{Dir: "/etc/postfix", Main: maincf.Parse(main), Master: mastercf.Parse(master), Defaults: defaults}
}

// reporter is what *testing.T and *rapid.T share.
type reporter interface {
	Fatalf(string, ...any)
	Fatal(...any)
}

// TestMainAgainstPostconf: what we read in main.cf is what postconf -n and
// postconf -nx read, on files that are hard to read.
func TestMainAgainstPostconf(t *testing.T) {
	o := newOracle(t)
	defaults, ok, err := o.ask("", "", "-d")
	if !ok || err != nil {
		t.Fatal("postconf -d failed", err)
	}
	for _, f := range []string{
		"relayhost = [x]:25 # not a comment\nmynetworks = 127.0.0.0/8,\n\t10.0.0.0/8\n# c\n\n  192.0.2.0/24\n",
		"myhostname=a\r\nmydomain = b,\r\n  c\r\n",
		"myhostname = first\nmyhostname = last\nmyhostname = last",
		"mydestination = $myhostname, localhost.$mydomain\nmyhostname = mx.example.org\nmydomain = example.org\n",
		"smtpd_banner = ${mail_name?{yes}:{no}} ${my_own?x}${my_own:y} $$z\nrelayhost = $my_own\nmy_own =\n",
		"smtpd_tls_fingerprint_digest = ${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}\ncompatibility_level = 2\n",
		"   lost\n more\nmyhostname = x\n",
		"\ufeffmyhostname = x\nmydomain = y\n",
		"myhostname = a\\\nmydomain = \\\n",
		"mydomain\v=\fx\nrelayhost =\n",
		"smtp_tls_security_level = ${{$myhostname} == {a b} ? {may} : {$$ {x}}}\n",
		"relayhost = ${myhostname\n", // postconf -x dies
		"relayhost = ${no such}\n",
		"# only a comment",
		"",
	} {
		compareMain(t, o, f, defaults)
	}
	rapid.Check(t, func(t *rapid.T) { compareMain(t, o, drawMain(t), defaults) })
}

func drawMain(t *rapid.T) string {
	literal := []string{"a", "", "b, c", "x=y", "# no", "!SSLv2, !SSLv3", "{ a }"}
	reference := []string{"$mydomain", "${own_name?{x $myhostname}:{}}", "$(own_name)", "${own_name:none}", "${{$mydomain} == {a} ? {$own_name} : {$$}}"}
	// What others refer to is literal: a loop is fatal, and postconf sleeps
	// for a second before it dies.
	values := map[string][]string{
		"myhostname": literal, "mydomain": literal, "own_name": literal,
		"relayhost": append(reference, literal...), "mynetworks": append(reference, literal...),
		"smtpd_tls_security_level": append(reference, literal...), "smtpd_tls_protocols": append(reference, literal...),
	}
	names := slices.Sorted(maps.Keys(values))
	eq := rapid.SampledFrom([]string{"=", " = ", "\t=", " =  "})
	end := rapid.SampledFrom([]string{"\n", "\r\n"})
	filler := rapid.SampledFrom([]string{"", "", "# comment\n", "\n", "  \t\n", "  # indented\n", "\tmore\n", "  a,\n"})
	var b strings.Builder
	// The defaults of these two are made of each other at run time.
	b.WriteString("myhostname = h.d\nmydomain = d\n")
	for range rapid.IntRange(1, 8).Draw(t, "entries") {
		name := rapid.SampledFrom(names).Draw(t, "name")
		value := rapid.SampledFrom(values[name]).Draw(t, "value")
		b.WriteString(name + eq.Draw(t, "eq") + value + end.Draw(t, "end") + filler.Draw(t, "filler"))
	}
	if rapid.Bool().Draw(t, "no final newline") {
		return strings.TrimSuffix(b.String(), "\n")
	}
	return b.String()
}

// oneBlank folds white space as postconf does when it prints main.cf.
func oneBlank(s string) string { return strings.Join(strings.Fields(s), " ") }

func compareMain(t reporter, o oracle, text string, defaults map[string]string) {
	c := config(text, "", defaults)
	died := ""
	for _, e := range c.Main.Entries() {
		if v := c.Value(nil, e.Name); v.Err != nil {
			died = e.Name
		}
	}
	raw, ok, err := o.ask(text, "", "-n")
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		if died == "" {
			t.Fatalf("postconf -n refuses %q", text)
		}
		return
	}
	for name, want := range raw {
		if got := c.Value(nil, name); oneBlank(got.Raw) != want || !got.Set {
			t.Fatalf("%s = %q, postconf -n says %q, in %q", name, got.Raw, want, text)
		}
	}
	expanded, ok, err := o.ask(text, "", "-nx")
	if err != nil {
		t.Fatal(err)
	}
	// A parameter that postconf does not know and nothing refers to is not expanded.
	if _, listed := raw[died]; ok != (died == "" || !listed) {
		t.Fatalf("postconf -nx accepts: %v, we stumble over %q: %q", ok, died, text)
	}
	for name, want := range expanded {
		if v := c.Value(nil, name); v.Err == nil && oneBlank(v.Text) != oneBlank(want) {
			t.Fatalf("%s = %q, postconf -nx says %q, in %q", name, v.Text, want, text)
		}
	}
}

// TestMasterAgainstPostconf: the same overrides as postconf -P, unexpanded
// and expanded.
func TestMasterAgainstPostconf(t *testing.T) {
	o := newOracle(t)
	defaults, _, err := o.ask("", "", "-d")
	if err != nil {
		t.Fatal(err)
	}
	const main = "mydomain = example.org\nown = $mydomain\n"
	for _, f := range []string{
		"smtp inet n - y - - smtpd\n  -o { smtpd_tls_security_level = may }\n# c\n  -o smtpd_tls_protocols={ >=TLSv1.2 }\n",
		// No name with an o is glued to -o here: postconf cuts -oown=x into
		// -o and -own=x, while the daemons, by getopt(3), read own=x.
		"smtp inet n - y - - smtpd -osmtpd_tls_security_level=may -vo relayhost=$own -v\n",
		"smtp inet n - y - - smtpd -o relayhost = x -o smtpd_tls_auth_only=yes\n",
		"a unix - - n - - smtp -o own=here -o relayhost=$own,$service_name,$process_name\n",
		"m unix - n n - - pipe flags=F user=x argv={a -o relayhost=b} -o relayhost=c\n",
	} {
		compareMaster(t, o, main, f, defaults)
	}
	rapid.Check(t, func(t *rapid.T) {
		option := rapid.SampledFrom([]string{"-o relayhost=x", "-o { relayhost = $own }", "-osmtpd_tls_security_level=z", "-v", "-o {own = a b}", "\n  -o myhostname=$relayhost", "\n# c\n\t-o relayhost=", "\n\n  -o\n   own=c", "--", "word"})
		var b strings.Builder
		for _, s := range []string{"smtp inet n - y - - smtpd", "two unix - - - - - smtp"} {
			b.WriteString(s)
			for range rapid.IntRange(0, 5).Draw(t, "options") {
				b.WriteString(" " + option.Draw(t, "option"))
			}
			b.WriteString(rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end"))
		}
		compareMaster(t, o, main, b.String(), defaults)
	})
}

func compareMaster(t reporter, o oracle, main, master string, defaults map[string]string) {
	c := config(main, master, defaults)
	plain, expanded := map[string]string{}, map[string]string{}
	for _, s := range c.Master.Services() {
		for _, opt := range s.Options {
			if _, ok := s.Override(opt.Name); ok {
				v := c.Value(&s, opt.Name)
				plain[s.ID()+"/"+opt.Name], expanded[s.ID()+"/"+opt.Name] = v.Raw, v.Text
			}
		}
	}
	for flag, got := range map[string]map[string]string{"-P": plain, "-Px": expanded} {
		want, ok, err := o.ask(main, master, flag)
		if err != nil || !ok {
			t.Fatalf("postconf %s: ok=%v %v on %q", flag, ok, err, master)
		}
		// postconf does not list user-defined names that nothing refers to.
		for name := range got {
			if _, listed := want[name]; !listed && strings.HasSuffix(name, "/own") {
				delete(got, name)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("postconf %s (-want +got)\n%s\non %q", flag, d, master)
		}
	}
}

// TestParameterTable: the installed release has exactly the parameters that
// our table says it has, with the defaults that it says.
func TestParameterTable(t *testing.T) {
	o := newOracle(t)
	defaults, _, err := o.ask("", "", "-d")
	if err != nil {
		t.Fatal(err)
	}
	v, err := postfix.ParseVersion(defaults["mail_version"])
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range postfix.Parameters() {
		got, has := defaults[p.Name]
		if has != p.KnownIn(v) {
			t.Errorf("%s in %s: postconf %v, our table %v", p.Name, v, has, p.KnownIn(v))
		}
		if want := p.DefaultIn(v); has && want != "" && want != got && p.Name != "smtp_tls_dane_insecure_mx_policy" {
			t.Errorf("%s: default %q, our table says %q", p.Name, got, want)
		}
	}
	for name := range defaults {
		if _, ok := postfix.Lookup(name); !ok && isTLS(name) {
			t.Errorf("%s is missing in our table", name)
		}
	}
}

func isTLS(name string) bool {
	if strings.HasPrefix(name, "tls_random") || strings.HasPrefix(name, "tlsproxy") || strings.HasPrefix(name, "lmtp_") {
		return false // not settings of a server's TLS policy, or twins of smtp_
	}
	return strings.HasPrefix(name, "tls_") || strings.Contains(name, "_tls_") || strings.HasSuffix(name, "_use_tls") || strings.HasSuffix(name, "_enforce_tls")
}

func TestKnownIn(t *testing.T) {
	for _, c := range []struct {
		name, version string
		want          bool
	}{
		{"tls_config_file", "3.4.29", false},
		{"tls_config_file", "3.5.19", false},
		{"tls_config_file", "3.5.20", true},
		{"tls_config_file", "3.6.9", false},
		{"tls_config_file", "3.7.11", true},
		{"tls_config_file", "3.12-20260821", true},
		{"smtp_tls_enforce_sts_mx_patterns", "3.10.4", false},
		{"smtp_tls_enforce_sts_mx_patterns", "3.10.5", true},
		{"tls_legacy_public_key_fingerprints", "3.10.13", true},
		{"tls_legacy_public_key_fingerprints", "3.11.0", false},
		{"tls_trust_server_ccerts", "3.11.6", false},
		{"smtpd_tls_chain_files", "3.4.0", true},
	} {
		v, err := postfix.ParseVersion(c.version)
		if err != nil {
			t.Fatal(err)
		}
		p, ok := postfix.Lookup(c.name)
		if !ok || p.KnownIn(v) != c.want {
			t.Errorf("%s known in %s: %v, want %v", c.name, v, p.KnownIn(v), c.want)
		}
	}
	var unknown postfix.Version
	for _, p := range postfix.Parameters() {
		if p.KnownIn(unknown) && (len(p.Since) > 0 || p.Gone.Known()) {
			t.Errorf("%s would be written for an unknown release", p.Name)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for in, want := range map[string]string{"3.7.11": "3.7.11", "3.12-20260821": "3.12-20260821", "3.4.0\n": "3.4.0"} {
		if v, err := postfix.ParseVersion(in); err != nil || v.String() != want {
			t.Errorf("%q: %v, %v", in, v, err)
		}
	}
	for _, in := range []string{"", "x", "3", "3.x", "1.2.3.4", "3.-1"} {
		if v, err := postfix.ParseVersion(in); err == nil {
			t.Errorf("%q: %v and no error", in, v)
		}
	}
	if s := fmt.Sprint(postfix.Version{}); s != "unknown" {
		t.Error(s)
	}
}
