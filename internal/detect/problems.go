package detect

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// findProblems lists settings that do not do what they seem to. Each is a
// fact about this configuration; what to do about it is not decided here.
func (f *Facts) findProblems(m host.Reader) {
	for _, p := range f.Config.Main.Problems() {
		f.problem(Grammar, "", postfix.Origin{File: f.Config.MainPath(), Line: p.Line}, p.Text)
	}
	f.noStart()
	f.swallowed()
	f.obsolete()
	f.unknown()
	f.badValues(nil)
	for _, s := range f.Config.Master.Services() {
		f.badOverrides(s)
		f.strayWords(s)
		f.badValues(&s)
	}
	f.programs(m)
	f.contradictions()
	f.missingFiles(m)
	f.tables(m)
	for _, p := range f.Policies {
		if p.Fault != "" {
			effect := "mail there is deferred"
			if p.InClear {
				effect = "every handshake fails, and mail there leaves in cleartext"
			}
			f.problem(BadPolicy, "smtp_tls_policy_maps", p.At, fmt.Sprintf("%.100s: %s; %s", p.Destination, p.Fault, effect))
		}
	}
}

func (f *Facts) problem(k ProblemKind, parameter string, at postfix.Origin, text string) {
	f.Problems = append(f.Problems, Problem{Kind: k, Parameter: parameter, Origin: at, Text: text, Fatal: k == Deadly || k == Stray || k == NoProgram || k == NoStart})
}

// diedOf is how a fatal error of Postfix names the parameter that caused it.
var diedOf = regexp.MustCompile(`parameter ([a-z0-9_]+)`)

// noStart tells of what every program of Postfix dies, and where that is set: at the
// parameter that it names, or at the value that it quotes.
func (f *Facts) noStart() {
	if f.died == "" {
		return
	}
	var name string
	if found := diedOf.FindStringSubmatch(f.died); found != nil {
		name = found[1]
	} else {
		for _, e := range f.Config.Main.Entries() {
			if text := f.Config.Text(nil, e.Name); text != "" && (strings.HasPrefix(f.died, text+":") || strings.Contains(f.died, strconv.Quote(text))) {
				name = e.Name
			}
		}
	}
	f.problem(NoStart, name, f.Config.Value(nil, name).Origin, f.died)
}

// assignment is what a line looks like that should be a setting of its own.
var assignment = regexp.MustCompile(`^\s+([a-z][a-z0-9_]*)\s*=`)

// swallowed finds settings that are lost because their line is indented: it
// continues the one before, also across comments and blank lines.
func (f *Facts) swallowed() {
	for _, e := range f.Config.Main.Entries() {
		for _, l := range f.Config.Main.Continued(e) {
			found := assignment.FindStringSubmatch(l.Text)
			if found == nil || found[1] == e.Name {
				continue
			}
			_, known := f.Config.Defaults[found[1]]
			if _, ours := postfix.Lookup(found[1]); known || ours {
				f.problem(Swallowed, found[1], postfix.Origin{File: f.Config.MainPath(), Line: l.Number},
					fmt.Sprintf("the line is indented, so it continues %s of line %d and sets nothing", e.Name, e.Line))
			}
		}
	}
}

func (f *Facts) obsolete() {
	for _, e := range f.Config.Main.Entries() {
		if p, ok := postfix.Lookup(e.Name); ok && p.Obsolete != "" {
			f.problem(Obsolete, e.Name, postfix.Origin{File: f.Config.MainPath(), Line: e.Line}, "obsolete: "+p.Obsolete)
		}
	}
}

// unknown finds names that look like TLS parameters but that this release
// does not have, unless another value refers to them.
func (f *Facts) unknown() {
	if f.Config.Defaults == nil {
		return
	}
	for _, e := range f.Config.Main.Entries() {
		if _, known := f.Config.Defaults[e.Name]; known || e.Bad != "" || !strings.Contains(e.Name, "tls") || f.referred(e.Name) {
			continue
		}
		f.problem(Unheard, e.Name, postfix.Origin{File: f.Config.MainPath(), Line: e.Line},
			fmt.Sprintf("Postfix %s does not support this parameter and ignores it", f.Config.Version))
	}
}

// referred reports whether some value mentions $name.
func (f *Facts) referred(name string) bool {
	mentions := func(value string) bool {
		return strings.Contains(value, "$"+name) || strings.Contains(value, "{"+name) || strings.Contains(value, "("+name)
	}
	for _, e := range f.Config.Main.Entries() {
		if mentions(e.Value) {
			return true
		}
	}
	for _, s := range f.Config.Master.Services() {
		if slices.ContainsFunc(s.Options, func(o mastercf.Option) bool { return mentions(o.Value) }) {
			return true
		}
	}
	return false
}

// aboutTLS reports whether a parameter is one of those that are looked at.
func aboutTLS(name string) bool {
	_, known := postfix.Lookup(name)
	return known || strings.Contains(name, "tls")
}

// badValues looks at the values in main.cf, or at those that a service sets
// itself. Postfix finds out when a client connects; postfix check does not.
func (f *Facts) badValues(s *mastercf.Service) {
	var names []string
	if s == nil {
		for _, e := range f.Config.Main.Entries() {
			names = append(names, e.Name)
		}
	} else {
		for _, o := range s.Options {
			names = append(names, o.Name)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		v, own := f.own(s, name)
		if _, known := f.Config.Defaults[name]; !own || !aboutTLS(name) || v.Err != nil || !known && f.Config.Defaults != nil {
			continue
		}
		f.badValue(s, name, v)
	}
}

func (f *Facts) badValue(s *mastercf.Service, name string, v postfix.Value) {
	kind := f.Config.KindOf(name)
	if !postfix.Wellformed(name, v.Text, kind) {
		what := "is not " + string(kind)
		if kind == postfix.Word {
			what = "is not one of " + strings.Join(postfix.Words(name), ", ")
		}
		text := fmt.Sprintf("%.40q %s", v.Text, what)
		if who := f.readers(s, name); len(who) > 0 {
			f.problem(Deadly, name, v.Origin, text+": this terminates "+strings.Join(who, " and ")+" at every start")
		} else {
			f.problem(Comment, name, v.Origin, text+"; no service reads it")
		}
		return
	}
	switch side, of, _ := strings.Cut(name, "_"); {
	case !slices.Contains([]string{"smtpd", "smtp", "lmtp"}, side):
	case of == "tls_protocols" || of == "tls_mandatory_protocols":
		if _, err := postfix.ParseFloor(v.Text, f.Config.Version); err != nil {
			f.problem(TLSOff, name, v.Origin, err.Error()+": TLS is disabled")
			return
		}
	case of == "tls_ciphers" || of == "tls_mandatory_ciphers":
		if !slices.Contains([]string{"high", "medium", "low", "export", "null"}, strings.ToLower(v.Text)) {
			f.problem(TLSOff, name, v.Origin, fmt.Sprintf("%.40q is not a cipher grade: the connection is dropped after STARTTLS", v.Text))
			return
		}
	}
	if comment.MatchString(v.Raw) {
		f.problem(Comment, name, v.Origin, fmt.Sprintf("%.40q: the text after # is part of the value; put comments on their own line", v.Raw))
	}
}

// comment is one after a value, which main.cf does not have.
var comment = regexp.MustCompile(`(^|\s)#`)

// readers are the programs of this server that read a parameter when they
// start: the service alone that sets it, or all that do not set it themselves.
func (f *Facts) readers(s *mastercf.Service, name string) (out []string) {
	all := f.Config.Master.Services()
	if s != nil {
		all = []mastercf.Service{*s}
	}
	for _, program := range postfix.Programs(name) {
		reads := func(s mastercf.Service) bool { return s.Program() == program }
		if !f.HasMaster || slices.ContainsFunc(all, reads) {
			out = append(out, program)
		}
	}
	return out
}

// own is the value of a parameter if it is set where we look: in main.cf for
// a nil service, else in that service's own options.
func (f *Facts) own(s *mastercf.Service, name string) (postfix.Value, bool) {
	v := f.Config.Value(s, name)
	return v, v.Set && (s == nil || v.Origin.Service != "")
}

func (f *Facts) badOverrides(s mastercf.Service) {
	for _, o := range s.Options {
		at := postfix.Origin{File: f.Config.MasterPath(), Line: o.Line, Service: s.ID()}
		if o.Bad != "" {
			f.problem(Deadly, o.Name, at, fmt.Sprintf("-o %s: %s; the service terminates: write -o name=value", o.Name, o.Bad))
		}
		if strings.HasSuffix(o.Name, "_tls_session_cache_database") {
			f.problem(NotHere, o.Name, at, "cannot be set for one service: tlsmgr manages the cache")
		}
	}
}

func (f *Facts) contradictions() {
	both := func(a, b, text string) {
		v, w := f.Config.Value(nil, a), f.Config.Value(nil, b)
		if v.Text != "" && w.Set && w.Text != "" {
			f.problem(Ignored, b, w.Origin, text)
		}
	}
	for _, side := range []string{"smtpd", "smtp", "lmtp"} {
		for _, kind := range []string{"cert", "eccert", "dcert"} {
			both(side+"_tls_chain_files", side+"_tls_"+kind+"_file", "ignored, since "+side+"_tls_chain_files is set")
		}
	}
	both("smtpd_tls_security_level", "smtpd_use_tls", "ignored, since smtpd_tls_security_level is set")
	both("smtp_tls_policy_maps", "smtp_tls_per_site", "ignored, since smtp_tls_policy_maps is set")
	f.noDANE(nil)
	for _, t := range f.Transports {
		f.noDANE(&t.Service)
	}
	if v := f.Config.Value(nil, "smtpd_tls_req_ccert"); strings.EqualFold(v.Text, "yes") && ServerLevel(func(n string) string { return f.Config.Text(nil, n) }) != "encrypt" {
		f.problem(Ignored, "smtpd_tls_req_ccert", v.Origin, "ignored, since TLS itself is not required")
	}
	for _, l := range f.Receives(Submission, Submissions) {
		if l.Level != "encrypt" {
			f.problem(InClear, "smtpd_tls_security_level", f.Config.Value(&l.Service, "smtpd_tls_security_level").Origin,
				l.Service.ID()+" lets users send their password without TLS")
		}
	}
}

// noDANE finds a level that needs signed answers where none are asked for
// (postconf(5), smtp_dns_support_level).
func (f *Facts) noDANE(s *mastercf.Service) {
	v := f.Config.Value(s, "smtp_tls_security_level")
	level := strings.ToLower(v.Text)
	if level != "dane" && level != "dane-only" {
		return
	}
	dns, hosts := f.Config.Value(s, "smtp_dns_support_level"), f.Config.Text(s, "smtp_host_lookup")
	if s != nil && v.Origin.Service == "" && dns.Origin.Service == "" {
		return // main.cf has it already
	}
	var why string
	switch {
	case !strings.EqualFold(dns.Text, "dnssec"):
		why = "smtp_dns_support_level is not dnssec"
	case hosts != "" && !slices.Contains(postfix.List(hosts), "dns"):
		why = "smtp_host_lookup does not include dns"
	default:
		return
	}
	what := "acts as may"
	if level == "dane-only" {
		what = "defers all mail"
	}
	f.problem(NoDANE, "smtp_tls_security_level", v.Origin, level+" "+what+", since "+why)
}

// missingFiles looks for CA files that are not there: a missing
// smtpd_tls_CAfile turns TLS off for receiving, a missing smtp_tls_CAfile for
// sending, the latter without a warning.
func (f *Facts) missingFiles(m host.Reader) {
	for _, c := range []struct{ name, effect string }{{"smtpd_tls_CAfile", "receiving"}, {"smtp_tls_CAfile", "sending"}} {
		v := f.Config.Value(nil, c.name)
		if v.Text == "" {
			continue
		}
		if _, err := m.Stat(v.Text); errors.Is(err, fs.ErrNotExist) {
			f.problem(TLSOff, c.name, v.Origin, fmt.Sprintf("%s does not exist: TLS is off for %s", v.Text, c.effect))
		}
	}
	f.missingFolders(m)
	for _, c := range f.Certificates {
		if c.Err != nil && (c.Server || c.Client) && !errors.Is(c.Err, fs.ErrPermission) {
			parameter := "smtpd_tls_chain_files"
			if !c.Server {
				parameter = "smtp_tls_chain_files"
			}
			f.problem(BadFile, parameter, c.Origin, c.Fault())
		}
	}
}

// missingFolders looks for folders of CA certificates that do not exist. Postfix does
// not mind, and verifies nobody by them. One for receiving is only read where client
// certificates are asked for; what is missing in a chroot alone is told of transports.
func (f *Facts) missingFolders(m host.Reader) {
	for _, c := range []struct {
		name, effect string
		reads        bool
	}{
		{"smtp_tls_CApath", "no server can be verified with it", slices.ContainsFunc(f.Transports, func(t Transport) bool { return t.Level != "none" && !t.Blind })},
		{"smtpd_tls_CApath", "no client can be verified with it", slices.ContainsFunc(f.Listeners, func(l Listener) bool { return f.AsksCertificate(l.Service) })},
	} {
		v := f.Config.Value(nil, c.name)
		if v.Text == "" || !filepath.IsAbs(v.Text) || !c.reads {
			continue
		}
		jail := f.Config.Text(nil, "queue_directory")
		if _, err := m.Stat(filepath.Join(jail, v.Text)); err == nil {
			continue
		}
		if _, err := m.Stat(v.Text); errors.Is(err, fs.ErrNotExist) {
			f.problem(NoFolder, c.name, v.Origin, v.Text+" does not exist: "+c.effect)
		}
	}
}

// tableParameters are those whose tables TLS depends on, with what happens if
// one does not open.
var tableParameters = []struct{ name, effect string }{
	{"smtp_tls_policy_maps", "all mail is deferred"},
	{"lmtp_tls_policy_maps", "all mail through lmtp is deferred"},
	{"tls_server_sni_maps", "the handshake fails with every client that sends a server name"},
	{"smtp_tls_per_site", "all mail is deferred"},
	{"relay_clientcerts", "clients that it should admit are deferred"},
}

// indexed is what is added to the name of a table that was made with postmap.
var indexed = map[string]string{"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb", "sdbm": ".pag", "dbm": ".pag", "texthash": "", "regexp": "", "pcre": "", "cidr": "", "ldap": "", "mysql": "", "pgsql": "", "sqlite": "", "mongodb": ""}

// tables looks for lookup tables that Postfix cannot open.
func (f *Facts) tables(m host.Reader) {
	for _, p := range tableParameters {
		if p.name == "smtp_tls_per_site" && f.Config.Text(nil, "smtp_tls_policy_maps") != "" {
			continue // nobody opens it
		}
		f.table(m, nil, p.name, p.effect)
		for _, s := range f.Config.Master.Services() {
			if _, own := f.own(&s, p.name); own {
				f.table(m, &s, p.name, p.effect)
			}
		}
	}
	for _, name := range []string{"smtp_tls_session_cache_database", "smtpd_tls_session_cache_database", "lmtp_tls_session_cache_database"} {
		v := f.Config.Value(nil, name)
		kind, _, ok := strings.Cut(v.Text, ":")
		if ok && f.MapTypes != nil && !slices.Contains(f.MapTypes, kind) {
			f.problem(NoCache, name, v.Origin, "this Postfix does not support the map type "+kind)
		}
	}
}

func (f *Facts) table(m host.Reader, s *mastercf.Service, name, effect string) {
	v := f.Config.Value(s, name)
	if strings.Contains(v.Text, "{") { // one with its text in it
		return
	}
	for _, one := range postfix.List(v.Text) {
		kind, path, ok := strings.Cut(strings.TrimPrefix(one, "proxy:"), ":")
		if !ok {
			f.problem(Deadly, name, v.Origin, fmt.Sprintf("%.60q is not a lookup table: write type:name; services that read it terminate", one))
			continue
		}
		suffix, isFile := indexed[kind]
		_, err := m.Stat(path + suffix)
		switch {
		case f.MapTypes != nil && !slices.Contains(f.MapTypes, kind):
			f.problem(NoTable, name, v.Origin, fmt.Sprintf("this Postfix does not support the map type %s: %s", kind, effect))
		case isFile && filepath.IsAbs(path) && errors.Is(err, fs.ErrNotExist):
			hint := ""
			if _, err := m.Stat(path); suffix != "" && err == nil {
				hint = ", which postmap creates"
			}
			f.problem(NoTable, name, v.Origin, fmt.Sprintf("%s does not exist%s: %s", path+suffix, hint, effect))
		}
	}
}

// Direction is the way of the mail that it concerns; what concerns the TLS
// library, or main.cf itself, concerns both.
func (p Problem) Direction() postfix.Direction {
	return postfix.Parameter{Name: cmp.Or(p.Parameter, "tls_")}.Direction()
}
