package rehearse

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"postseal/internal/plan"
	"postseal/internal/postfix"
	"postseal/internal/postfix/maincf"
	"postseal/internal/postfix/mastercf"
)

// Candidate is a configuration as it would be.
type Candidate struct {
	// Config is both files as they would stand.
	Config postfix.Config
	// Stands is both files as they are now: an edit is made there. It is empty if
	// Config is what stands.
	Stands postfix.Config
	// Files are the contents of files that would be written, by path; keys
	// among them.
	Files map[string][]byte
	// Checks are what each listener must show.
	Checks []plan.Check
	// Validates is true if the server's resolver validates DNSSEC: only then
	// are the answers of the private zone marked as validated.
	Validates bool
}

// Planned is the candidate of a plan for a server whose configuration is now
// c. files holds what the plan does not: the contents with private keys.
func Planned(p *plan.Plan, c postfix.Config, files map[string][]byte) Candidate {
	out := Candidate{Config: c, Stands: c, Files: map[string][]byte{}, Checks: p.Checks}
	for _, f := range p.Files {
		switch f.Kind {
		case plan.MainCF:
			out.Config.Main = maincf.Parse(f.After)
		case plan.MasterCF:
			out.Config.Master = mastercf.Parse(f.After)
		case plan.ChainPEM, plan.OpenSSL:
			out.Files[f.Path] = []byte(f.After)
		}
	}
	for path, content := range files {
		out.Files[path] = content
	}
	return out
}

// origin is where a value is to be changed: in the files as they stand, if it has
// the same value there. The plan moves lines.
func (c Candidate) origin(s mastercf.Service, name string) (postfix.Origin, bool) {
	v := c.Config.Value(&s, name)
	if v.Set && c.Stands.Main != nil && c.Stands.Master != nil {
		if old, ok := c.Stands.Master.Find(s.Name, s.Type); ok {
			s = old
		}
		if old := c.Stands.Value(&s, name); old.Set && old.Raw == v.Raw {
			return old.Origin, true
		}
	}
	return v.Origin, v.Set
}

// surroundings are parameters outside TLS that the programs of this
// installation need to run, or by which TLS turns out differently.
var surroundings = []string{
	"command_directory", "daemon_directory", "meta_directory", "shlib_directory", "openssl_path", "mail_owner", "setgid_group",
	"import_environment", "myhostname", "mydomain", "smtpd_discard_ehlo_keywords", "smtpd_upstream_proxy_protocol",
}

// private are TLS parameters that stay behind: they name sockets and tables of
// the live server, or only concern what is logged and stored.
func private(name string) bool {
	switch name {
	case "smtpd_tls_loglevel", "smtp_tls_loglevel", "lmtp_tls_loglevel", "smtpd_tls_loglevel_maps", "smtp_tls_loglevel_maps",
		"smtp_tls_policy_maps", "smtp_tls_per_site", "relay_clientcerts", "smtpd_client_new_tls_session_rate_limit",
		"smtp_tlsrpt_enable", "smtp_tlsrpt_socket_name", "smtp_dns_support_level", "smtp_host_lookup", "smtp_tls_connection_reuse":
		return true
	}
	return false
}

// localTables are the map types that are files or text (DATABASE_README);
// others ask a service.
var localTables = []string{"hash", "btree", "lmdb", "cdb", "texthash", "inline", "static", "regexp", "pcre", "sdbm", "dbm"}

// setting is one line of a main.cf.
type setting struct{ name, value string }

// carry picks what goes into the private main.cf: the TLS parameters of a
// direction, and whatever they, and the overrides of the services, refer to.
func (c Candidate) carry(dir string, direction postfix.Direction, services []mastercf.Service) []setting {
	var out []setting
	done := map[string]bool{}
	var add func(name string)
	refer := func(value string) {
		_, _ = maincf.Expand(value, func(n string) (string, bool) { add(n); return "x", true })
	}
	add = func(name string) {
		e, ok := c.Config.Main.Get(name)
		if !ok || done[name] || base[name] {
			return
		}
		done[name] = true
		out = append(out, setting{name, c.value(dir, name, e.Value)})
		refer(e.Value)
	}
	for _, name := range append([]string{"compatibility_level"}, surroundings...) {
		add(name)
	}
	for _, p := range postfix.Parameters() {
		if (p.Direction() == direction || p.Direction() == postfix.Both) && !private(p.Name) {
			add(p.Name)
		}
	}
	for _, s := range services {
		for _, o := range s.Options {
			if c.carries(o.Name, direction) {
				refer(o.Value)
			}
		}
	}
	return out
}

// carries reports whether a service's override goes along.
func (c Candidate) carries(name string, direction postfix.Direction) bool {
	p, known := postfix.Lookup(name)
	if known {
		return (p.Direction() == direction || p.Direction() == postfix.Both) && !private(name)
	}
	_, builtIn := c.Config.Defaults[name]
	return slices.Contains(surroundings, name) || !builtIn && len(c.Config.Defaults) > 0
}

// folders are references to the folders of an installation, in each spelling.
var folders = regexp.MustCompile(`\$(?:\{(config|queue|data)_directory\}|\((config|queue|data)_directory\)|(config|queue|data)_directory\b)`)

// live puts the folders of the real server where a value refers to them: in the
// private main.cf these names mean other folders.
func (c Candidate) live(value string) string {
	return folders.ReplaceAllStringFunc(value, func(reference string) string {
		return strings.ReplaceAll(c.Config.Text(nil, strings.Trim(reference, "${}()")), "$", "$$")
	})
}

// value is a value for the private instance: files that are not in place yet
// are taken from its own folder, and its session cache is its own.
func (c Candidate) value(dir, name, value string) string {
	value = c.live(value)
	for i, path := range c.paths() {
		value = strings.ReplaceAll(value, path, staged(dir, i))
	}
	switch {
	case strings.HasSuffix(name, "_session_cache_database"):
		// A variable may hold the whole of it: two tlsmgr must not share a file.
		text, err := maincf.Expand(value, func(n string) (string, bool) { return c.Config.Text(nil, n), true })
		if kind, _, ok := strings.Cut(text, ":"); ok && err == nil {
			return kind + ":" + filepath.Join(dir, "data", name)
		}
	case name == "import_environment":
		// A daemon that does not hear of its own main.cf reads that of the live
		// server, and works in its queue.
		return value + " MAIL_CONFIG=" + filepath.Join(dir, "conf")
	case name == "tls_server_sni_maps":
		kept := slices.DeleteFunc(postfix.Tables(value), func(table string) bool {
			kind, _, _ := strings.Cut(table, ":")
			return !slices.Contains(localTables, kind)
		})
		return strings.Join(kept, ", ")
	}
	return value
}

func (c Candidate) paths() []string {
	var out []string
	for p := range c.Files {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// staged is where file number i lies in the folder of a private instance.
func staged(dir string, i int) string { return filepath.Join(dir, "files", fmt.Sprintf("%d.pem", i)) }

// stageFiles writes the files that are not in place yet, for root alone.
func (c Candidate) stageFiles(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "files"), 0o700); err != nil {
		return err
	}
	for i, path := range c.paths() {
		if err := os.WriteFile(staged(dir, i), c.Files[path], 0o600); err != nil {
			return err
		}
	}
	return nil
}

// command is the program of a service with the overrides that go along.
func (c Candidate) command(dir, program string, s mastercf.Service, direction postfix.Direction, more ...setting) (string, error) {
	words := []string{program}
	var options []setting
	for _, o := range s.Options {
		if o.Bad == "" && c.carries(o.Name, direction) {
			options = append(options, setting{o.Name, c.value(dir, o.Name, o.Value)})
		}
	}
	for _, o := range append(options, more...) {
		text, err := mastercf.Format(o.name, o.value)
		if err != nil {
			return "", err
		}
		words = append(words, "-o", text)
	}
	return strings.Join(words, " "), nil
}

// text writes settings as main.cf has them.
func text(settings []setting) string {
	var b strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&b, "%s = %s\n", s.name, s.value)
	}
	return b.String()
}
