package detect

import (
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// Access is a file on which the TLS of this server depends, and how accounts that
// should not can change it or, if it holds a private key, read it.
type Access struct {
	Path string
	Held Holding
	// Origin is the setting that names the file; zero for main.cf, master.cf and a default.
	Origin     postfix.Origin
	Weaknesses []Weakness
	// Err is why the permissions could not be seen, or not all of them.
	Err error
}

// Holding is what a file holds.
type Holding string

// The holdings, in the order in which a folder that leads to several is judged.
const (
	HoldsConfiguration Holding = "configuration"
	HoldsKey           Holding = "key"
	HoldsCertificates  Holding = "certificates"
	HoldsRoutingTable  Holding = "lookup table for TLS or routing"
	HoldsTable         Holding = "lookup table"
)

// Holdings are all of them in order.
var Holdings = []Holding{HoldsConfiguration, HoldsKey, HoldsCertificates, HoldsRoutingTable, HoldsTable}

// Weakness is one way in which an account other than root can change what a path
// leads to, or read a private key.
type Weakness struct {
	Kind WeaknessKind `json:"kind"`
	// Path is the file, folder or symbolic link whose owner or mode allows it.
	Path string `json:"path"`
	Text string `json:"text"`
	// Remedy is the command that ends it, as words. There is none for a file whose
	// owner renews it: that program would lose it.
	Remedy []string `json:"remedy,omitempty"`
}

// WeaknessKind is what an owner or a mode allows.
type WeaknessKind string

// The kinds of weaknesses.
const (
	StrangerOwns  WeaknessKind = "owned by another account"
	EveryoneWrite WeaknessKind = "writable by every user"
	AccountWrites WeaknessKind = "writable by another account" // named in an access control list
	GroupWrites   WeaknessKind = "writable by a group"
	EveryoneReads WeaknessKind = "readable by every user"
	GroupReads    WeaknessKind = "readable by a group"
	Sheltered     WeaknessKind = "kept from every user by a folder alone"
)

// dependency is a file on which this server depends.
type dependency struct {
	path string
	held Holding
	at   postfix.Origin
	// user is the account as which a program runs; it may own the program.
	user string
	// ours says that Postfix opens the table as mail_owner, which may own it.
	ours bool
	// cache says that Postfix makes the table itself, as mail_owner.
	cache bool
	// source is the table of which postmap makes this one that holds keys.
	source string
}

// AccessTo looks at who can change the file at a path and, if it holds a private
// key, at who can read it.
func (f *Facts) AccessTo(m host.Reader, path string, held Holding) Access {
	return f.accessTo(m, dependency{path: path, held: held})
}

func (f *Facts) accessTo(m host.Reader, d dependency) Access {
	path, held := d.path, d.held
	a := Access{Path: path, Held: held, Origin: d.at}
	exposures, err := m.Exposed(path)
	a.Err = err
	renewer := f.Renewer(path)
	conf := f.Config.Dir
	if resolved, err := m.Resolve(conf); err == nil {
		conf = resolved
	}
	for _, e := range append(exposures, f.ownExposures(m, path)...) {
		isTable := held == HoldsTable || held == HoldsRoutingTable
		if isTable && f.postfixOwns(m, e, d.ours) {
			continue
		}
		if d.user != "" && e.Kind == host.OwnedByOther && host.UserName(e.UID) == d.user {
			continue // it may run what it likes anyway
		}
		w := Weakness{Path: e.Path, Text: e.String(), Remedy: e.Remedy()}
		switch e.Kind {
		case host.GroupWritable:
			w.Kind = GroupWrites
			if slices.ContainsFunc(e.Writers, func(g host.Grant) bool { return !g.Group }) {
				w.Kind = AccountWrites
			}
		case host.WorldWritable:
			w.Kind = EveryoneWrite
		default:
			w.Kind = StrangerOwns
			switch {
			case w.Remedy == nil && e.Path == conf: // nothing else is in it
				w.Remedy = []string{"chown", "-h", "root", e.Path}
			case w.Remedy != nil && d.cache:
				w.Remedy = []string{"chown", "-h", f.mailOwner(), e.Path}
			case w.Remedy == nil && e.Mode.IsDir() && d.cache && !f.inData(m, e.Path):
				w.Text += ": use a path in $data_directory"
			case w.Remedy == nil && e.Mode.IsDir():
				w.Text += ": move the file to a directory that root owns"
			}
			if strings.EqualFold(renewer, host.UserName(e.UID)) {
				w.Text, w.Remedy = w.Text+", as which "+renewer+" renews it", nil
			}
		}
		a.Weaknesses = append(a.Weaknesses, w)
	}
	if held == HoldsKey {
		read, err := f.keyReaders(m, path)
		for i := range read {
			if d.source != "" {
				read[i].Remedy = closeTable(m, d)
			}
		}
		a.Weaknesses, a.Err = append(a.Weaknesses, read...), errors.Join(a.Err, err)
	}
	return a
}

// closeTable is the command that takes a compiled table from all but its owner, and its
// source too, if that is there: postmap(1) gives the one the mode of the other.
func closeTable(m host.Reader, d dependency) []string {
	if _, err := m.Stat(d.source); err != nil {
		return []string{"chmod", "600", d.path}
	}
	return []string{"chmod", "600", d.source, d.path}
}

// ownExposures is how the user of this process, if that is not root, can change what a
// path leads to: host.Exposed trusts that user, and a verdict must not depend on who asks.
func (f *Facts) ownExposures(m host.Reader, path string) (out []host.Exposure) {
	if m.UID() == 0 {
		return nil
	}
	seen := map[string]bool{}
	for _, p := range append([]string{path}, over(m, path)...) {
		for at := 0; at < len(p); {
			end := len(p)
			if i := strings.IndexByte(p[at+1:], '/'); i >= 0 {
				end = at + 1 + i
			}
			if _, err := m.Readlink(p[:end]); err == nil {
				break // the next path goes where it leads
			}
			at = end
			if !seen[p[:end]] {
				seen[p[:end]] = true
				out = append(out, f.byThisUser(m, p[:end])...)
			}
		}
	}
	return out
}

// byThisUser is how the user of this process alone can change one file or folder.
func (f *Facts) byThisUser(m host.Reader, path string) (out []host.Exposure) {
	st, err := m.Stat(path)
	if err != nil {
		return nil // as far as it can be seen
	}
	e := host.Exposure{Path: path, Kind: host.OwnedByOther, UID: st.UID, GID: st.GID, Mode: st.Mode, Writers: []host.Grant{{Group: true, ID: st.GID}}}
	if st.UID == m.UID() {
		out = append(out, e)
	}
	if sticky := st.Mode.IsDir() && st.Mode&fs.ModeSticky != 0; sticky || st.Mode.Perm()&0o022 != 0o020 {
		return out
	}
	// A group of which this user is the only member is trusted, too.
	if slices.Equal(f.strangers(host.GroupByID(m, st.GID)), []string{host.UserName(m.UID())}) {
		e.Kind = host.GroupWritable
		out = append(out, e)
	}
	return out
}

// CertificateAccess is how accounts that should not can change the files of a
// certificate, or read its key: each way once.
func (f *Facts) CertificateAccess(m host.Reader, c Certificate) (out []Weakness) {
	held := []Access{f.AccessTo(m, c.Key, HoldsKey), f.AccessTo(m, c.Chain, HoldsCertificates)}
	if c.Table != "" {
		kind, path, _ := strings.Cut(strings.TrimPrefix(c.Table, "proxy:"), ":")
		held = []Access{f.accessTo(m, dependency{path: path + indexed[kind], held: HoldsKey, source: path})}
	}
	for _, a := range held {
		for _, w := range a.Weaknesses {
			if !slices.ContainsFunc(out, func(o Weakness) bool { return o.Path == w.Path && o.Kind == w.Kind }) {
				out = append(out, w)
			}
		}
	}
	return out
}

// postfixOwns reports whether Postfix is to own a path, or its group alone to write to
// it: its account keeps caches in data_directory (postconf(5)). anywhere is whether it
// may do so elsewhere too.
func (f *Facts) postfixOwns(m host.Reader, e host.Exposure, anywhere bool) bool {
	switch e.Kind {
	case host.OwnedByOther:
		if host.UserName(e.UID) != f.mailOwner() {
			return false
		}
	case host.GroupWritable:
		if slices.ContainsFunc(e.Writers, func(g host.Grant) bool { return f.inAll(m, []host.Grant{{Group: g.Group, ID: g.ID}}) != "" }) {
			return false
		}
	default:
		return false
	}
	return anywhere || f.inData(m, e.Path)
}

// inData reports whether a path is data_directory or in it.
func (f *Facts) inData(m host.Reader, path string) bool {
	dir := f.Config.Text(nil, "data_directory")
	if !filepath.IsAbs(dir) {
		return false
	}
	inside := func(dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }
	resolved, err := m.Resolve(dir)
	return inside(filepath.Clean(dir)) || err == nil && inside(resolved)
}

func (f *Facts) mailOwner() string {
	if owner := f.Config.Text(nil, "mail_owner"); owner != "" {
		return owner
	}
	return "postfix"
}

// findAccess looks at the permissions of the two configuration files and of all files
// that they name on which TLS or the routing of mail depends.
func (f *Facts) findAccess(m host.Reader) {
	all := []dependency{{path: f.Config.MainPath(), held: HoldsConfiguration}, {path: f.Config.MasterPath(), held: HoldsConfiguration}}
	for _, c := range f.Certificates {
		if c.InUse() && c.Table == "" { // tables come with their setting
			all = append(all, dependency{path: c.Key, held: HoldsKey, at: c.Origin}, dependency{path: c.Chain, held: HoldsCertificates, at: c.Origin})
		}
	}
	// local(8) and newaliases(1) use these tables, also where main.cf names none.
	all = append(all, f.dependencies(nil, append(f.mainNames(), "alias_maps", "alias_database"))...)
	for _, s := range f.Config.Master.Services() {
		var names []string
		for _, o := range s.Options {
			names = append(names, o.Name)
		}
		all = append(append(all, programs(s)...), f.dependencies(&s, names)...)
	}
	ours := map[string]bool{} // if Postfix opens a file as mail_owner at one place, it must stay so
	for i, d := range all {
		if !filepath.IsAbs(d.path) { // daemons run in the queue directory
			all[i].path = filepath.Join(f.Config.Text(nil, "queue_directory"), d.path)
		}
		ours[all[i].path] = ours[all[i].path] || d.ours
	}
	for _, d := range all {
		d.ours = ours[d.path]
		f.addAccess(m, d)
	}
}

// programs are those that a service of master.cf runs as another account: pipe(8),
// spawn(8).
func programs(s mastercf.Service) []dependency {
	if p := s.Program(); p != "pipe" && p != "spawn" {
		return nil
	}
	d := dependency{held: HoldsConfiguration}
	for _, arg := range s.Args {
		if account, ok := strings.CutPrefix(arg, "user="); ok {
			d.user, _, _ = strings.Cut(account, ":")
		}
		if path, ok := strings.CutPrefix(arg, "argv="); ok {
			d.path = path
			break // what follows are its arguments
		}
	}
	if !filepath.IsAbs(d.path) { // it is looked for in PATH
		return nil
	}
	return []dependency{d}
}

func (f *Facts) mainNames() (names []string) {
	for _, e := range f.Config.Main.Entries() {
		names = append(names, e.Name)
	}
	return names
}

// tableName is a lookup table with an absolute path, wherever it stands in a value.
var tableName = regexp.MustCompile(`\b(proxy:)?([a-z]+):(/[^\s,{}]+)`)

// caches are the parameters whose tables Postfix makes, as mail_owner.
var caches = []string{"smtp_tls_session_cache_database", "smtpd_tls_session_cache_database", "lmtp_tls_session_cache_database", "postscreen_cache_map", "address_verify_map"}

// matchLists are the parameters that can also name a file without a type: its lines are
// more of the list. They decide which mail is accepted.
var matchLists = []string{"mynetworks", "mydestination", "relay_domains", "virtual_mailbox_domains", "virtual_alias_domains"}

// dependencies are the lookup tables, the CA certificates, the DH parameters and the
// configuration of OpenSSL that parameters name. The last can load a library into every
// daemon.
func (f *Facts) dependencies(s *mastercf.Service, names []string) (out []dependency) {
	for _, name := range names {
		v := f.Config.Value(s, name)
		if v.Err != nil {
			continue
		}
		switch {
		case strings.HasSuffix(name, "_tls_CAfile"), strings.HasSuffix(name, "_tls_CApath"), strings.HasSuffix(name, "_tls_trust_anchor_file"):
			for _, path := range postfix.List(v.Text) {
				out = append(out, dependency{path: path, held: HoldsCertificates, at: v.Origin})
			}
			continue
		case name == "smtpd_tls_dh1024_param_file", name == "smtpd_tls_dh512_param_file":
			if filepath.IsAbs(v.Text) { // else "auto", or none
				out = append(out, dependency{path: v.Text, held: HoldsCertificates, at: v.Origin})
			}
			continue
		case name == "tls_config_file":
			if filepath.IsAbs(v.Text) { // else the library's own, or none
				out = append(out, dependency{path: v.Text, held: HoldsConfiguration, at: v.Origin})
			}
			continue
		}
		table := dependency{held: HoldsTable, at: v.Origin, cache: slices.Contains(caches, name)}
		if aboutRouting(name) {
			table.held = HoldsRoutingTable
		}
		if slices.Contains(matchLists, name) {
			for _, word := range postfix.List(v.Text) {
				if table.path = strings.TrimLeft(word, "!"); filepath.IsAbs(table.path) {
					out = append(out, table)
				}
			}
		}
		for _, found := range tableName.FindAllStringSubmatch(v.Text, -1) {
			proxied, kind, path := found[1] != "", found[2], found[3]
			suffix, isFile := indexed[kind]
			if !isFile {
				continue
			}
			table.path, table.ours = path, proxied || table.cache
			out = append(out, table)
			if suffix == "" {
				continue
			}
			compiled := table
			compiled.path += suffix
			if name == "tls_server_sni_maps" { // postmap -F puts the keys themselves into it
				compiled.held, compiled.source = HoldsKey, path
			}
			out = append(out, compiled)
		}
	}
	return out
}

// routing are the parameters, beside those about TLS, whose tables choose where mail
// goes.
var routing = []string{"transport_maps", "virtual_alias_maps", "canonical_maps", "sender_canonical_maps", "recipient_canonical_maps", "sender_bcc_maps", "recipient_bcc_maps"}

// aboutRouting reports whether TLS, or where mail goes, depends on the lookup table of a
// parameter.
func aboutRouting(name string) bool {
	return strings.Contains(name, "tls_") || strings.HasPrefix(name, "sender_dependent_") || slices.Contains(routing, name) ||
		slices.ContainsFunc(tableParameters, func(p struct{ name, effect string }) bool { return p.name == name })
}

// addAccess adds a file once for each holding.
func (f *Facts) addAccess(m host.Reader, d dependency) {
	if !filepath.IsAbs(d.path) || slices.ContainsFunc(f.Access, func(a Access) bool { return a.Path == d.path && a.Held == d.held }) {
		return
	}
	a := f.accessTo(m, d)
	if errors.Is(a.Err, fs.ErrPermission) {
		f.unseen(d.path, fs.ErrPermission) // as for a key that cannot be read
	} else if a.Err != nil {
		f.unseen("the permissions of "+d.path, a.Err)
	}
	f.Access = append(f.Access, a)
}
