package lab

import (
	"embed"
	"os"
	"strings"
	"testing"
	"time"

	"postseal/internal/host"
)

// postconf holds what `postconf -d`, -T and -m of some releases print, cut
// down to what has to do with TLS.
//
//go:embed testdata/postconf
var postconf embed.FS

// Versions are the releases that Machine can stand for.
var Versions = []string{"3.5.25", "3.7.11", "3.10.13", "3.11.7"}

// Noon is what the clock of a Machine shows; certificates of the lab are valid then.
var Noon = time.Now().Truncate(24 * time.Hour).Add(-12 * time.Hour)

// Machine is a fake machine with a release of Postfix on it. files are the
// contents of its files; main.cf and master.cf go to /etc/postfix, and
// main.cf should set myhostname to mx.example.org. Private keys are 0600, other files 0644.
func Machine(t testing.TB, version string, files map[string]string) *host.Fake {
	t.Helper()
	f := &host.Fake{Root: t.TempDir(), Clock: Noon, Programs: map[string]host.Output{}, DNS: map[string]host.Answer{}}
	f.DNS["mx.example.org A"] = host.Answer{RCode: "NOERROR", AD: true, Records: []string{"192.0.2.25"}}
	f.DNS["mx.example.org AAAA"] = host.Answer{RCode: "NOERROR", AD: true}
	f.DNS["_25._tcp.mx.example.org TLSA"] = host.Answer{RCode: "NXDOMAIN", AD: true}
	for name, text := range files {
		if name == "main.cf" || name == "master.cf" {
			name = "/etc/postfix/" + name
		}
		mode := os.FileMode(0o644)
		if strings.Contains(text, "PRIVATE KEY") {
			mode = 0o600
		}
		Write(t, f.Root, name, text, mode)
	}
	if version == "" {
		return f
	}
	say := func(command, file string) {
		b, err := postconf.ReadFile("testdata/postconf/" + version + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		f.Programs[command] = host.Output{Stdout: string(b)}
	}
	say("postconf -c /etc/postfix -d", "defaults")
	say("postconf -c /etc/postfix -T run-version", "openssl")
	say("postconf -c /etc/postfix -m", "maps")
	f.Programs["postconf -c /etc/postfix -xh myhostname mydomain"] = host.Output{Stdout: "mx.example.org\nexample.org\n"}
	f.Programs["postconf -h config_directory"] = host.Output{Stdout: "/etc/postfix\n"}
	f.Programs["postmulti -l"] = host.Output{Stdout: "-               -               y         /etc/postfix\n"}
	return f
}
