//go:build linux && amd64

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postseal/internal/lab"
)

// What the neighbour and root have on the machine. Everything below /srv is laid out
// anew before each visit.
const (
	theirs   = "/srv/www"    // the neighbour's, and a webroot
	sticky   = "/srv/tmp"    // as /tmp
	ours     = "/srv/own"    // root's
	conf     = "/srv/conf"   // a configuration on which nothing runs
	state    = "/srv/state"  // and what postseal keeps of it
	victim   = "/srv/victim" // where the neighbour's links lead
	shadow   = victim + "/shadow"
	cronJob  = "/etc/cron.d/neighbour"
	mailLog  = "/var/log/mail.log"
	escape   = "\x1b]0;owned\x07"
	strayTCP = "127.0.0.1:2526" // the neighbour listens there
)

// umasks are those of the callers of postseal.
var umasks = []int{0, 0o022, 0o027, 0o077}

func umaskUnit(umask int) string { return fmt.Sprintf("neighbour, umask %03o", umask) }

// visit is one run of postseal where the neighbour has been.
type visit struct {
	name string
	verb string // as --help has it
	args []string
	// plant is what the neighbour does before.
	plant func(*yard)
	// refused: the run must fail, and change no configuration.
	refused bool
	// done: the run must not fail.
	done bool
	// made are the files that the run makes if it ends well, with their modes. A
	// pattern stands for all files that it fits, of which there must be one.
	made map[string]fs.FileMode
	// until is the text after which a run that does not end alone is stopped.
	until string
	stdin string
	dir   string   // working directory
	env   []string // further variables
	// live: on /etc/postfix, where a Postfix runs, and with the default directories.
	live bool
	// web: the neighbour's web server shows the webroot.
	web bool
}

// yard is the machine that postseal and the neighbour share.
type yard struct {
	*bed
	*lab.Neighbour
	t        *testing.T
	config   *lab.Neighbour // tripwires around the configuration alone
	leaf     lab.Issued
	named    lab.Issued // its names have escape sequences
	codes    []int      // the documented exit codes
	setUp    string     // the state of a genuine run, kept
	findings map[string][]string
	runs     int
}

func (y *yard) own(args ...string) []string {
	return append(args, "--config-dir", conf, "--state-dir", state, "--certs-dir", ours+"/certs")
}

// stated leaves the state of a genuine run that wrote files.
func stated(y *yard) {
	if y.setUp == "" {
		y.setUp = "/keep/stated"
		y.must(y.t, append([]string{program}, y.own("apply", "--files-only", "--yes", "--accept-risk", filesRisks)...)...)
		y.must(y.t, "sh", "-c", "mkdir -p "+y.setUp+"; cp -a /srv/state /srv/own /srv/conf "+y.setUp)
		return
	}
	y.must(y.t, "sh", "-c", "rm -rf /srv/state /srv/own /srv/conf; cp -a "+y.setUp+"/. /srv")
}

// forged changes the receipts in a state directory to what the neighbour would have.
func forged(y *yard, dir string) {
	receipts, err := filepath.Glob(y.Path(dir + "/receipts/*.json"))
	if err != nil || len(receipts) == 0 {
		y.t.Fatal("no receipt to forge", err)
	}
	for _, p := range receipts {
		b, err := os.ReadFile(p)
		if err != nil {
			y.t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), conf+"/main.cf", cronJob)
		text = strings.Replace(text, "{", `{"warnings":["\u001b]0;owned\u0007"],`, 1)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			y.t.Fatal(err)
		}
	}
}

const filesRisks = "drop-tls10,drop-old-ciphers,drop-rsa,self-signed-certificate,incomplete-chain"

func link(to, at string) func(*yard) { return func(y *yard) { y.Link(to, at) } }
func pipe(at string) func(*yard)     { return func(y *yard) { y.Pipe(at) } }
func endless(at string) func(*yard)  { return func(y *yard) { y.Endless(at) } }

// savedPlan leaves a genuine plan at a path.
func savedPlan(at string) func(*yard) {
	return func(y *yard) {
		_, _ = y.do(append([]string{program}, y.own("plan", "--out", at)...)...)
		if !y.exists(at) {
			y.t.Fatal("no plan was saved")
		}
	}
}

func also(plants ...func(*yard)) func(*yard) {
	return func(y *yard) {
		for _, p := range plants {
			p(y)
		}
	}
}

// shared makes the configuration one that the neighbour's group may write to.
func shared(y *yard) {
	y.must(y.t, "chown", "root:www-data", conf)
	y.must(y.t, "chmod", "0775", conf)
}

// visits lists what is run. A verb without any makes TestNeighbour fail.
func (y *yard) visits() (out []visit) {
	add := func(v visit, args ...string) {
		v.args = append(v.args, args...)
		out = append(out, v)
	}
	plain := func(verb, name string, v visit, args ...string) {
		v.verb, v.name = verb, name
		v.args = append(strings.Fields(verb), args...)
		if !v.live {
			v.args = y.own(v.args...)
		}
		out = append(out, v)
	}
	path := []string{"PATH=" + theirs + "/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	postconf := func(y *yard) {
		y.Program(theirs+"/bin/postconf", cronJob, "/usr/sbin/postconf")
		y.Program(theirs+"/bin/postfix", cronJob, "/usr/sbin/postfix")
		y.Program(theirs+"/bin/systemctl", cronJob, "/bin/true")
	}
	const plan = theirs + "/plan.json"

	// What reads or writes little.
	add(visit{verb: "version", name: "his programs in PATH", plant: postconf, env: path, done: true}, "version")
	add(visit{verb: "help", name: "his programs in PATH", plant: postconf, env: path, done: true}, "help")
	add(visit{verb: "questions", name: "his programs in PATH", plant: postconf, env: path, done: true}, "questions")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		add(visit{verb: "completion " + shell, name: "his programs in PATH", plant: postconf, env: path, done: true}, "completion", shell)
	}
	plain("man", "into a directory of root's", visit{done: true, made: map[string]fs.FileMode{ours + "/*.1": 0o644}}, ours)
	plain("man", "a link at a page", visit{plant: link(shadow, theirs+"/postseal.1")}, theirs)
	plain("man", "a dangling link at a page", visit{plant: link(cronJob, sticky+"/postseal-undo.1")}, sticky)
	plain("man", "a named pipe at a page", visit{plant: pipe(theirs + "/postseal-plan.1")}, theirs)
	plain("probe", "his server sends escape sequences", visit{}, "--quick", "--timeout", "10s", strayTCP)
	plain("sink", "a link at --write-ca", visit{plant: link(shadow, theirs+"/ca.pem"), until: "Ctrl-C"}, "--listen", "127.0.0.1:2527", "--write-ca", theirs+"/ca.pem")
	plain("sink", "a dangling link at --write-ca", visit{plant: link(cronJob, sticky+"/ca.pem"), until: "Ctrl-C"}, "--listen", "127.0.0.1:2527", "--write-ca", sticky+"/ca.pem")
	plain("sink", "a named pipe at --write-ca", visit{plant: pipe(theirs + "/ca.pem"), until: "Ctrl-C"}, "--listen", "127.0.0.1:2527", "--write-ca", theirs+"/ca.pem")
	plain("sink", "--write-ca in a directory of root's", visit{until: "Ctrl-C", made: map[string]fs.FileMode{ours + "/ca.pem": 0o644}}, "--listen", "127.0.0.1:2527", "--write-ca", ours+"/ca.pem")
	plain("publish", "his programs in PATH", visit{plant: postconf, env: path})
	plain("watch", "he listens where Postfix should", visit{})
	hear := []string{"--for", "200ms", "--port", "2526"}
	plain("listen", "the directory is root's", visit{done: true, made: map[string]fs.FileMode{state + "/listen.json": 0o600}}, hear...)
	plain("listen", "a store of his", visit{plant: func(y *yard) {
		y.Folder(state)
		y.File(state+"/listen.json", `{"version":1}`, 0o600)
		y.Take(state)
	}, refused: true}, hear...)
	plain("listen", "a link at the lock", visit{plant: func(y *yard) {
		y.Folder(state)
		y.Link(shadow, state+"/listen.lock")
	}, refused: true}, hear...)
	plain("listen", "a link at the store", visit{plant: func(y *yard) {
		y.Folder(state)
		y.Link(shadow, state+"/listen.json")
	}, refused: true}, hear...)
	plain("census", "a named pipe as the log", visit{plant: pipe(theirs + "/mail.log")}, theirs+"/mail.log")
	plain("census", "a link as the log", visit{plant: link(shadow, theirs+"/mail.log")}, theirs+"/mail.log")
	plain("history", "a forged receipt in a state directory of his", visit{plant: also(stated, func(y *yard) {
		forged(y, state)
		y.Take(state)
	})})
	plain("history", "his programs in PATH", visit{plant: also(stated, postconf), env: path, done: true})

	// Policies.
	kept := map[string]fs.FileMode{state: 0o700, state + "/policy*.json": 0o600, ours + "/tls_policy*": 0o644}
	stranger := func(y *yard) {
		y.Folder(state)
		y.File(state+"/policy.json", "null", 0o600)
		y.Take(state)
	}
	plain("policy suggest", "his programs in PATH", visit{plant: postconf, env: path}, "--no-handshakes", "example.org")
	plain("policy suggest", "a named pipe at --from", visit{plant: pipe(theirs + "/list"), refused: true}, "--no-handshakes", "--from", theirs+"/list")
	plain("policy sync", "all is root's", visit{done: true, made: kept}, "--no-handshakes", "--time-limit", "5s", "example.org")
	plain("policy sync", "a state directory of his", visit{plant: stranger, refused: true}, "--no-handshakes", "example.org")
	plain("policy sync", "an endless file at --from", visit{plant: endless(theirs + "/list"), refused: true}, "--no-handshakes", "--from", theirs+"/list")
	plain("policy list", "a state directory of his", visit{plant: stranger, refused: true})
	plain("policy drill", "a state directory of his", visit{plant: stranger, refused: true}, "example.org")
	plain("policy pin", "all is root's", visit{done: true, made: kept}, "example.org", "encrypt")
	plain("policy pin", "a state directory of his", visit{plant: stranger, refused: true}, "example.org", "encrypt")
	plain("policy except", "all is root's", visit{done: true, made: kept}, "example.org", "--until", "2099-01-01", "--reason", "a test")
	plain("policy undo", "a state directory of his", visit{plant: stranger, refused: true})
	plain("why", "his programs in PATH", visit{plant: postconf, env: path}, "--no-handshakes", "example.org")

	// Certificates.
	caddy := func(y *yard) { y.Caddy(y.leaf) }
	plain("cert list", "lines of main.cf in the name of Caddy's directory", visit{plant: caddy})
	plain("cert list", "a named pipe where Caddy keeps a certificate", visit{plant: pipe("/var/lib/caddy/.local/share/caddy/certificates/a/b/b.crt")})
	plain("cert list", "an endless file where Caddy keeps a certificate", visit{plant: endless("/var/lib/caddy/.local/share/caddy/certificates/a/b/b.crt")})
	plain("cert inspect", "a named pipe", visit{plant: pipe(theirs + "/mx.pem"), refused: true}, theirs+"/mx.pem")
	plain("cert inspect", "an endless file", visit{plant: endless(theirs + "/mx.pem"), refused: true}, theirs+"/mx.pem")
	plain("cert inspect", "a link to a secret", visit{plant: link(shadow, theirs+"/mx.pem"), refused: true}, theirs+"/mx.pem")
	plain("cert inspect", "escape sequences in names", visit{plant: func(y *yard) { y.File(theirs+"/mx.pem", y.named.Cert, 0o644) }}, theirs+"/mx.pem")
	plain("cert inspect", "his server sends escape sequences", visit{}, strayTCP)
	plain("cert obtain", "a link at .well-known, and a CA that is not there", visit{plant: link("/etc/cron.d", theirs+"/.well-known"), refused: true},
		"--server", "https://127.0.0.1:1/", "--accept-terms", "--challenge", "webroot", "--webroot", theirs)
	plain("cert renew", "nothing was ordered", visit{done: true})
	plain("cert renew", "a state directory of his", visit{plant: func(y *yard) {
		y.Folder(state)
		y.File(state+"/lineages/mx.example.org.json", "null", 0o600)
		y.Take(state)
	}})
	plain("cert self-signed", "the directory is root's", visit{done: true, made: map[string]fs.FileMode{ours + "/certs/mx.example.org/*.pem": 0o600}})
	add(visit{verb: "cert self-signed", name: "a link in a certificate directory of his", plant: link(victim, theirs+"/certs/mx.example.org")},
		"cert", "self-signed", "--config-dir", conf, "--state-dir", state, "--certs-dir", theirs+"/certs")
	plain("cert client new", "the directory is root's", visit{done: true, made: map[string]fs.FileMode{ours + "/certs/client/*.pem": 0o600}})
	add(visit{verb: "cert client new", name: "a link in a certificate directory of his", plant: link(victim, theirs+"/certs/client")},
		"cert", "client", "new", "--config-dir", conf, "--state-dir", state, "--certs-dir", theirs+"/certs")
	plain("cert hook", "his programs in PATH", visit{plant: postconf, env: path, done: true}, "certbot")
	plain("cert rollover", "a state directory of his", visit{plant: func(y *yard) { y.Folder(state) }}, "mx.example.org")
	plain("cert providers", "his programs in PATH", visit{plant: postconf, env: path, done: true})

	// The card.
	still := []string{"--no-live", "--no-rehearsal"}
	plain("audit", "lines of main.cf in the name of Caddy's directory, as JSON", visit{plant: caddy}, append(still, "--json")...)
	plain("audit", "--html in a directory of root's", visit{made: map[string]fs.FileMode{ours + "/card.html": 0o600}}, append(still, "--html", ours+"/card.html")...)
	plain("audit", "a link at --html", visit{plant: link(shadow, theirs+"/card.html")}, append(still, "--html", theirs+"/card.html")...)
	plain("audit", "a dangling link at --html", visit{plant: link(cronJob, sticky+"/card.html")}, append(still, "--html", sticky+"/card.html")...)
	plain("audit", "a named pipe at --html", visit{plant: pipe(theirs + "/card.html")}, append(still, "--html", theirs+"/card.html")...)
	plain("audit", "a named pipe at --compare", visit{plant: pipe(theirs + "/old.json"), refused: true}, append(still, "--compare", theirs+"/old.json")...)
	plain("audit", "an endless file at --compare", visit{plant: endless(theirs + "/old.json"), refused: true}, append(still, "--compare", theirs+"/old.json")...)
	plain("audit", "his server sends escape sequences", visit{}, "--no-rehearsal")

	// Plans.
	plain("plan", "his programs in PATH", visit{plant: postconf, env: path})
	plain("plan", "lines of main.cf in the name of Caddy's directory", visit{plant: also(caddy, func(y *yard) {
		y.must(y.t, "sed", "-i", "/^smtpd_tls_/d", conf+"/main.cf")
	})})
	plain("plan", "--out in a directory of root's", visit{made: map[string]fs.FileMode{ours + "/plan.json": 0o600}}, "--out", ours+"/plan.json")
	plain("plan", "a link at --out", visit{plant: link(shadow, plan)}, "--out", plan)
	plain("plan", "a dangling link at --out", visit{plant: link(cronJob, sticky+"/plan.json")}, "--out", sticky+"/plan.json")
	plain("plan", "a named pipe at --out", visit{plant: pipe(plan)}, "--out", plan)
	plain("plan", "a file of his at --out", visit{plant: func(y *yard) { y.File(sticky+"/plan.json", "{}", 0o666) }, made: map[string]fs.FileMode{sticky + "/plan.json": 0o600}}, "--out", sticky+"/plan.json")
	plain("plan", "a link to a directory on the way of --out", visit{plant: link("/etc/cron.d", theirs+"/dir")}, "--out", theirs+"/dir/neighbour")
	for _, what := range []struct {
		name  string
		plant func(string) func(*yard)
	}{{"a named pipe", pipe}, {"an endless file", endless}, {"a link to a secret", func(at string) func(*yard) { return link(shadow, at) }}} {
		name, plant, at := what.name, what.plant, theirs+"/input"
		plain("plan", name+" at --answers", visit{plant: plant(at), refused: true}, "--answers", at)
		plain("plan", name+" at --cert", visit{plant: plant(at), refused: true}, "--cert", at)
		plain("plan", name+" at --key", visit{plant: plant(at), refused: true}, "--cert", "/etc/ssl/mail/mx.pem", "--key", at)
		plain("plan", name+" at --ca-file", visit{plant: plant(at), refused: true}, "--ca-file", at)
		plain("apply", name+" at --plan", visit{plant: plant(at), refused: true}, "--yes", "--files-only", "--plan", at)
		plain("apply", name+" at --answers", visit{plant: plant(at), refused: true}, "--yes", "--files-only", "--answers", at)
	}
	plain("plan", "a file of his at --answers", visit{plant: func(y *yard) { y.File(theirs+"/a.toml", "log-level = \"2\"\n", 0o644) }, refused: true}, "--answers", theirs+"/a.toml")

	// Changes of files.
	write := []string{"--yes", "--files-only", "--accept-risk", filesRisks}
	plain("apply", "all is root's", visit{done: true, made: map[string]fs.FileMode{
		state: 0o700, state + "/receipts/*.json": 0o600, ours + "/conf-*.toml": 0o644, conf + "/main.cf": 0o644,
	}}, write...)
	for _, what := range [][2]string{{"the temporary file", "/.main.cf.postseal"}, {"the lock", "/main.cf.tmp"}} {
		name, at := what[0], what[1]
		plain("apply", "a link at "+name+" in a shared configuration", visit{plant: also(shared, link(shadow, conf+at))}, write...)
		plain("apply", "a dangling link at "+name+" in a shared configuration", visit{plant: also(shared, link(cronJob, conf+at))}, write...)
		plain("apply", "a named pipe at "+name+" in a shared configuration", visit{plant: also(shared, pipe(conf+at))}, write...)
	}
	plain("apply", "lines of main.cf in the name of Caddy's directory", visit{plant: also(caddy, func(y *yard) {
		y.must(y.t, "sed", "-i", "/^smtpd_tls_/d", conf+"/main.cf")
	})}, write...)
	plain("apply", "a plan of root's", visit{plant: savedPlan(ours + "/plan.json"), done: true}, append(write, "--plan", ours+"/plan.json")...)
	plain("apply", "a plan of his", visit{plant: also(savedPlan(plan), func(y *yard) { y.Take(plan) }), refused: true}, append(write, "--plan", plan)...)
	plain("apply", "a plan that he may write to", visit{plant: also(savedPlan(ours+"/plan.json"), func(y *yard) { y.must(y.t, "chmod", "666", ours+"/plan.json") }), refused: true}, append(write, "--plan", ours+"/plan.json")...)
	plain("apply", "a plan that writes elsewhere", visit{plant: also(savedPlan(ours+"/plan.json"), func(y *yard) {
		y.must(y.t, "sed", "-i", "s,"+conf+"/main.cf,"+cronJob+",", ours+"/plan.json")
	}), refused: true}, append(write, "--plan", ours+"/plan.json")...)
	plain("apply", "a state directory of his", visit{plant: func(y *yard) { y.Folder(state) }, refused: true}, write...)
	add(visit{verb: "apply", name: "a link at the state directory", plant: link(victim, theirs+"/state"), refused: true},
		append([]string{"apply", "--config-dir", conf, "--state-dir", theirs + "/state", "--certs-dir", ours + "/certs"}, write...)...)
	plain("apply", "a journal of his", visit{plant: also(stated, func(y *yard) {
		y.must(y.t, "sh", "-c", "cp "+state+"/receipts/*.json "+state+"/journal.json")
		forged(y, state)
		y.Take(state)
	}), refused: true}, "--finish")
	plain("confirm", "a state directory of his", visit{plant: also(stated, func(y *yard) { y.Take(state) }), refused: true})
	plain("undo", "all is root's", visit{plant: stated, done: true}, "--yes", "--files-only")
	plain("undo", "a state directory of his", visit{plant: also(stated, func(y *yard) { y.Take(state) }), refused: true}, "--yes", "--files-only")
	plain("undo", "a forged receipt of his", visit{plant: also(stated, func(y *yard) {
		forged(y, state)
		y.Take(state)
	}), refused: true}, "--yes", "--files-only")
	plain("undo", "a link at the lock in a shared configuration", visit{plant: also(stated, shared, link(shadow, conf+"/main.cf.tmp"))}, "--yes", "--files-only")
	plain("", "line by line, with his programs in PATH", visit{plant: also(postconf, caddy), env: path, stdin: strings.Repeat("\n", 30)}, "--plain")

	// With a Postfix that runs, and a mail log that he writes to.
	const risks = "drop-tls10,drop-old-ciphers,incomplete-chain,drop-rsa,no-tls-log"
	order := []string{"--server", y.must(y.t, "cat", "/tmp/ca/url"), "--acme-ca-file", "/tmp/ca/ca.pem", "--key-type", "P256", "--accept-terms", "--challenge", "webroot", "--webroot", theirs, "--name", "mx.example.org"}
	plain("apply", "forged lines in the log", visit{live: true, done: true}, "--yes", "--no-rehearsal", "--log-level", "0", "--accept-risk", risks)
	plain("apply", "forged lines in the log, to be confirmed", visit{live: true, done: true}, "--yes", "--no-rehearsal", "--log-level", "0", "--confirm-within", "1h", "--accept-risk", risks)
	waiting := func(y *yard) {
		y.must(y.t, program, "apply", "--yes", "--no-rehearsal", "--log-level", "0", "--confirm-within", "1h", "--accept-risk", risks)
	}
	plain("confirm", "forged lines in the log", visit{live: true, plant: waiting, done: true})
	plain("undo", "forged lines in the log, before it is confirmed", visit{live: true, plant: waiting, done: true}, "--yes")
	plain("undo", "forged lines in the log", visit{live: true, done: true}, "--yes")
	plain("rehearse", "forged lines in the log", visit{live: true}, "--current")
	plain("rehearse", "his programs in PATH", visit{live: true, plant: postconf, env: path})
	plain("watch", "forged lines in the log", visit{live: true, done: true})
	plain("census", "forged lines in the log", visit{live: true, done: true}, "--floor", "TLSv1.2")
	plain("audit", "forged lines in the log", visit{live: true}, "--no-rehearsal")
	plain("cert renew", "forged lines in the log", visit{live: true, done: true}, "--force")
	plain("cert obtain", "his webroot", visit{live: true, web: true, done: true}, order...)
	plain("cert obtain", "a link at .well-known", visit{live: true, web: true, plant: link("/etc/cron.d", theirs+"/.well-known"), refused: true}, order...)
	plain("cert obtain", "a link at acme-challenge", visit{live: true, web: true, plant: link(victim, theirs+"/.well-known/acme-challenge"), refused: true}, order...)
	plain("demo", "a link at its directory in /tmp", visit{live: true, plant: link(victim, "/tmp/postseal-demo")}, "--by-flags")
	return out
}

// verbs lists what --help tells of, to the leaves.
func (y *yard) verbs(path ...string) (out []string) {
	if len(path) > 3 {
		y.t.Fatalf("this is no verb: %v", path)
	}
	text := y.must(y.t, append(append([]string{program}, path...), "--help")...)
	if !strings.Contains(text, "\n  "+strings.Join(append([]string{"postseal"}, path...), " ")) {
		return nil // it is a word of a text that wraps, for which the help of the verb above is printed
	}
	_, list, has := strings.Cut(text, "Available Commands:\n")
	if !has {
		return []string{strings.Join(path, " ")}
	}
	if len(path) == 0 {
		out = append(out, "")
	}
	for line := range strings.Lines(list) {
		words := strings.Fields(line)
		if len(words) == 0 {
			break
		}
		if words[0] == "help" {
			out = append(out, "help")
			continue
		}
		if strings.Trim(words[0], "abcdefghijklmnopqrstuvwxyz-") != "" || strings.HasPrefix(words[0], "-") {
			continue
		}
		out = append(out, y.verbs(append(slices.Clone(path), words[0])...)...)
	}
	return out
}

// lay lays out everything that a visit starts with.
func (y *yard) lay(live bool) {
	y.t.Helper()
	y.must(y.t, "sh", "-c", `rm -rf /srv/www /srv/tmp /srv/own /srv/conf /srv/state /srv/victim /var/lib/caddy /tmp/postseal-* `+cronJob+`
mkdir -p -m 755 /srv/own /srv/conf /etc/cron.d /etc/sudoers.d; mkdir -m 700 /srv/victim`)
	y.put(y.t, shadow, "root:secret\n", 0o600)
	y.put(y.t, conf+"/main.cf", mainCF, 0o644)
	y.put(y.t, conf+"/master.cf", masterCF+"2526 inet n - n - - smtpd\nsmtp unix - - n - - smtp\n", 0o644)
	y.Folder(theirs)
	y.Sticky(sticky)
	if live {
		y.back(y.t, "start")
	}
}

// script runs postseal under a umask, for at most 30 s. A run that does not end alone is
// stopped once it has printed the text to wait for.
const script = `umask "$1"; cd "$2"; until=$3; shift 3
if [ -z "$until" ]; then exec timeout -s KILL 30 "$@"; fi
out=$(mktemp); timeout -s KILL 30 "$@" >"$out" 2>&1 & p=$!
while ! grep -q "$until" "$out" && kill -0 $p 2>/dev/null; do sleep 0.05; done
kill -TERM $p 2>/dev/null; wait $p; code=$?; cat "$out"; rm "$out"; exit $code`

// run makes one visit, and returns what was wrong with it.
func (y *yard) run(v visit, umask int) (bad []string, out string) {
	y.lay(v.live)
	if v.plant != nil {
		v.plant(y)
	}
	y.Watch()
	y.config.Watch()
	if v.web {
		web := y.listen("127.0.0.1:80")
		defer web.Close()
		go func() { _ = http.Serve(web, http.FileServer(http.Dir(y.Path(theirs)))) }()
	}
	dir := v.dir
	if dir == "" {
		dir = "/"
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	argv := y.Argv("sh", "-c", script, "sh", fmt.Sprintf("%03o", umask), dir, v.until, "env")
	argv = append(append(append(argv, v.env...), program), v.args...)
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Stdin = strings.NewReader(v.stdin)
	text, err := c.CombinedOutput()
	code := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		y.t.Fatal(err)
	}
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	switch {
	case code == 137 || code == -1: // of the shell, or of timeout(1) itself
		say("it did not end within 30 s")
	case !slices.Contains(y.codes, code):
		say("exit code %d is not documented", code)
	case v.refused && (code == 0 || code == 3):
		say("it was not refused: exit code %d", code)
	case v.done && code != 0 && code != 3:
		say("it failed: exit code %d", code)
	}
	if v.refused {
		for _, what := range y.config.Tripped() {
			say("refused, and yet %s", what)
		}
	}
	for _, what := range y.Tripped() {
		say("%s", what)
	}
	bad = append(bad, unfit(text)...)
	if code == 0 || code == 3 {
		for _, pattern := range slices.Sorted(maps.Keys(v.made)) {
			paths, _ := filepath.Glob(y.Path(pattern))
			if len(paths) == 0 {
				say("it did not make %s", pattern)
			}
			for _, p := range paths {
				bad = append(bad, y.wrongMode(p, v.made[pattern])...)
			}
		}
	}
	return append(bad, y.exposedKeys()...), string(text)
}

// wrongMode tells what is wrong with mode and owner of a file that postseal has made.
func (y *yard) wrongMode(path string, want fs.FileMode) []string {
	st, err := os.Lstat(path)
	if err != nil {
		return []string{err.Error()}
	}
	name := strings.TrimPrefix(path, y.Path(""))
	if mode := st.Mode().Perm(); mode != want || lab.Owner(st) != 0 {
		return []string{fmt.Sprintf("%s has mode %04o and owner %d, want %04o and root", name, mode, lab.Owner(st), want)}
	}
	return nil
}

// exposedKeys lists private keys of root, and files of the state, that others may read.
func (y *yard) exposedKeys() (bad []string) {
	for _, dir := range []string{state, ours, theirs, sticky, victim, "/var/lib/postseal", "/etc/postseal"} {
		_ = filepath.WalkDir(y.Path(dir), func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil //nolint:nilerr // what is not there is not exposed
			}
			st, err := d.Info()
			if err != nil || lab.Owner(st) != 0 {
				return nil //nolint:nilerr // as above
			}
			text, err := os.ReadFile(p)
			secret := bytes.Contains(text, []byte("PRIVATE KEY-----")) || dir == state || dir == "/var/lib/postseal"
			if err == nil && secret {
				bad = append(bad, y.wrongMode(p, 0o600)...)
			}
			return nil
		})
	}
	return bad
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// unfit tells what an output must not have.
func unfit(out []byte) (bad []string) {
	for _, text := range []string{"panic:", "goroutine ", "PRIVATE KEY-----", "root:secret"} {
		if bytes.Contains(out, []byte(text)) {
			bad = append(bad, fmt.Sprintf("the output has %q", text))
		}
	}
	if !bytes.Contains(out, []byte{0x1b}) && !bytes.ContainsFunc(out, control) {
		return bad
	}
	if out = colours.ReplaceAll(out, nil); bytes.ContainsFunc(out, control) {
		i := bytes.IndexFunc(out, control)
		bad = append(bad, fmt.Sprintf("the output has control characters: %.60q", out[max(0, i-20):]))
	}
	return bad
}

func control(r rune) bool {
	return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r >= 0x7f && r < 0xa0
}

// TestNeighbour runs every verb where a hostile second account has been, under the
// umasks of callers.
func TestNeighbour(t *testing.T) {
	lab.Need(t, "timeout", "sed")
	wanted := slices.DeleteFunc(slices.Clone(umasks), func(umask int) bool { return !mine(umaskUnit(umask)) })
	if len(wanted) == 0 {
		t.Skip("in another part")
	}
	b := renewer(t)
	y := &yard{bed: b, Neighbour: lab.NewNeighbour(t, strings.TrimSuffix(b.Path("/"), "/")), t: t, findings: map[string][]string{}}
	y.config = lab.NewNeighbour(t, strings.TrimSuffix(b.Path("/"), "/"))
	followLinks(t)
	ca := lab.NewCA(t)
	y.leaf = ca.Issue(t, lab.Leaf{RSA: true})
	y.named = ca.Issue(t, lab.Leaf{Names: []string{"mx.example.org" + escape, "mx.example.org"}})
	for _, m := range regexp.MustCompile(`(?m)^  (\d+)  `).FindAllStringSubmatch(y.must(t, program, "--help"), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		y.codes = append(y.codes, n)
	}
	if len(y.codes) < 5 {
		t.Fatalf("exit codes: %d", y.codes)
	}
	y.lay(false)
	y.Watch(victim, "/etc/cron.d", "/etc/sudoers.d", "/etc/passwd", "/etc/shadow", "/etc/ld.so.preload", "/root/.ssh", "/root/.bashrc")
	y.config.Watch(conf)
	y.serve()
	visits := y.visits()
	for _, verb := range y.verbs() {
		if !slices.ContainsFunc(visits, func(v visit) bool { return v.verb == verb }) {
			t.Errorf("the neighbour has no case of the verb %q: add one to visits", verb)
		}
	}
	met := map[string]bool{}
	for i, v := range visits {
		for j, umask := range wanted {
			// The slice is the first case of each verb and each tenth, under one umask.
			if *all || j == i%len(umasks) && (!met[v.verb] || i%10 == 0) {
				y.judge(v, umask)
			}
		}
		met[v.verb] = true
	}
	fmt.Printf("%d runs against the neighbour, %d findings\n", y.runs, len(y.findings))
}

func (y *yard) judge(v visit, umask int) {
	name := strings.TrimSpace("postseal "+v.verb) + ": " + v.name
	start := time.Now()
	bad, out := y.run(v, umask)
	y.runs++
	y.t.Logf("%s: %.1f s", name, time.Since(start).Seconds())
	if len(bad) == 0 {
		return
	}
	y.findings[name] = bad
	y.t.Errorf("%s (umask %03o):\n  %s\n  postseal %q\n%s", name, umask, strings.Join(bad, "\n  "), v.args, indent(fmt.Sprintf("%.1500q", out)))
}

// serve lets the neighbour listen on a port of Postfix's with escape sequences for an
// answer, and write to the mail log, until the test ends.
func (y *yard) serve() {
	mail := y.listen(strayTCP)
	stop := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			c, err := mail.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = c.Write([]byte("220 mx.example.org " + escape + "\r\n"))
			line := make([]byte, 512)
			for {
				n, err := c.Read(line)
				if err != nil {
					break
				}
				answer := "454 4.7.0 " + escape + "\u009b2J\r\n"
				if bytes.HasPrefix(line[:n], []byte("EHLO")) {
					answer = "250-mx.example.org" + escape + "\r\n250 STARTTLS\r\n"
				}
				_, _ = c.Write([]byte(answer))
			}
			_ = c.Close()
		}
	})
	ended.Go(func() {
		for {
			now := time.Now().UTC()
			err := y.Forge(mailLog,
				now.Format("Jan _2 15:04:05")+" mx dovecot: imap-login: Aborted login (user=<postfix]: fatal: owned>, "+escape+")",
				now.Format("Jan _2 15:04:05")+" mx postfix/smtpd[4242]: fatal: "+escape+"owned",
				now.Format(time.RFC3339Nano)+" mx postfix/master[1]: fatal: owned")
			if err != nil {
				y.t.Error(err)
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	y.t.Cleanup(func() {
		close(stop)
		_ = mail.Close()
		ended.Wait()
	})
}

// listen takes a port of the machine.
func (y *yard) listen(addr string) (l net.Listener) {
	y.t.Helper()
	err := y.inside(func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		y.t.Fatal(err)
	}
	return l
}

// followLinks lets the kernel follow the links of others in directories such as /tmp, for
// the time of the whole test: that is how many systems are. It is a setting of the whole
// machine, so that the slice leaves it as it is.
func followLinks(t *testing.T) {
	t.Helper()
	const setting = "/proc/sys/fs/protected_symlinks"
	old, err := os.ReadFile(setting)
	switch {
	case err != nil:
		t.Log(err)
	case strings.TrimSpace(string(old)) == "0":
	case !*all:
		t.Log("fs.protected_symlinks is not 0: make neighbour sets it for the time of the test")
	default:
		if err := os.WriteFile(setting, []byte("0\n"), 0o600); err != nil {
			t.Log(err)
			return
		}
		t.Cleanup(func() { _ = os.WriteFile(setting, old, 0o600) })
	}
}
