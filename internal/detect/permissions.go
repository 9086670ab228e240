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
	HoldsTLSTable      Holding = "TLS lookup table" // TLS depends on it
	HoldsTable         Holding = "lookup table"
)

// Holdings are all of them in order.
var Holdings = []Holding{HoldsConfiguration, HoldsKey, HoldsCertificates, HoldsTLSTable, HoldsTable}

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
	GroupWrites   WeaknessKind = "writable by a group"
	EveryoneReads WeaknessKind = "readable by every user"
	GroupReads    WeaknessKind = "readable by a group"
	Sheltered     WeaknessKind = "kept from every user by a folder alone"
)

// AccessTo looks at who can change the file at a path and, if it holds a private
// key, at who can read it.
func (f *Facts) AccessTo(m host.Reader, path string, held Holding) Access {
	a := Access{Path: path, Held: held}
	exposures, err := m.Exposed(path)
	a.Err = err
	renewer := f.Renewer(path)
	conf := f.Config.Dir
	if resolved, err := m.Resolve(conf); err == nil {
		conf = resolved
	}
	for _, e := range append(exposures, f.ownExposures(m, path)...) {
		isTable := held == HoldsTable || held == HoldsTLSTable
		if isTable && f.postfixOwns(m, e) {
			continue
		}
		w := Weakness{Path: e.Path, Text: e.String(), Remedy: e.Remedy()}
		switch e.Kind {
		case host.GroupWritable:
			w.Kind = GroupWrites
		case host.WorldWritable:
			w.Kind = EveryoneWrite
		default:
			w.Kind = StrangerOwns
			switch {
			case w.Remedy == nil && e.Path == conf: // nothing else is in it
				w.Remedy = []string{"chown", "-h", "root", e.Path}
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
		a.Weaknesses, a.Err = append(a.Weaknesses, read...), errors.Join(a.Err, err)
	}
	return a
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
	for _, a := range []Access{f.AccessTo(m, c.Key, HoldsKey), f.AccessTo(m, c.Chain, HoldsCertificates)} {
		for _, w := range a.Weaknesses {
			if !slices.ContainsFunc(out, func(o Weakness) bool { return o.Path == w.Path && o.Kind == w.Kind }) {
				out = append(out, w)
			}
		}
	}
	return out
}

// postfixOwns reports whether Postfix is to own a path: its account keeps caches in
// data_directory (postconf(5)).
func (f *Facts) postfixOwns(m host.Reader, e host.Exposure) bool {
	dir := f.Config.Text(nil, "data_directory")
	if e.Kind != host.OwnedByOther || !filepath.IsAbs(dir) || host.UserName(e.UID) != f.mailOwner() {
		return false
	}
	inside := func(dir string) bool { return e.Path == dir || strings.HasPrefix(e.Path, dir+"/") }
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
	f.addAccess(m, f.Config.MainPath(), HoldsConfiguration, postfix.Origin{})
	f.addAccess(m, f.Config.MasterPath(), HoldsConfiguration, postfix.Origin{})
	for _, c := range f.Certificates {
		if c.InUse() {
			f.addAccess(m, c.Key, HoldsKey, c.Origin)
			f.addAccess(m, c.Chain, HoldsCertificates, c.Origin)
		}
	}
	// local(8) and newaliases(1) use these tables, also where main.cf names none.
	f.addNamed(m, nil, append(f.mainNames(), "alias_maps", "alias_database"))
	for _, s := range f.Config.Master.Services() {
		var names []string
		for _, o := range s.Options {
			names = append(names, o.Name)
		}
		f.addNamed(m, &s, names)
	}
}

func (f *Facts) mainNames() (names []string) {
	for _, e := range f.Config.Main.Entries() {
		names = append(names, e.Name)
	}
	return names
}

// tableName is a lookup table with an absolute path, wherever it stands in a value.
var tableName = regexp.MustCompile(`\b([a-z]+):(/[^\s,{}]+)`)

// addNamed looks at the lookup tables, the CA certificates and the configuration of
// OpenSSL that parameters name. The latter can load a library into every daemon.
func (f *Facts) addNamed(m host.Reader, s *mastercf.Service, names []string) {
	for _, name := range names {
		v := f.Config.Value(s, name)
		if v.Err != nil {
			continue
		}
		if strings.HasSuffix(name, "_tls_CAfile") || strings.HasSuffix(name, "_tls_CApath") {
			for _, path := range list(v.Text) {
				f.addAccess(m, path, HoldsCertificates, v.Origin)
			}
			continue
		}
		if name == "tls_config_file" {
			if filepath.IsAbs(v.Text) { // else the library's own, or none
				f.addAccess(m, v.Text, HoldsConfiguration, v.Origin)
			}
			continue
		}
		held := HoldsTable
		if f.aboutTLSTable(name) {
			held = HoldsTLSTable
		}
		for _, found := range tableName.FindAllStringSubmatch(v.Text, -1) {
			kind, path := found[1], found[2]
			suffix, isFile := indexed[kind]
			if !isFile {
				continue
			}
			f.addAccess(m, path, held, v.Origin)
			if suffix != "" {
				f.addAccess(m, path+suffix, held, v.Origin)
			}
		}
	}
}

// aboutTLSTable reports whether TLS depends on the lookup table of a parameter.
func (f *Facts) aboutTLSTable(name string) bool {
	return strings.Contains(name, "tls_") || slices.ContainsFunc(tableParameters, func(p struct{ name, effect string }) bool { return p.name == name })
}

// addAccess adds a file once for each holding.
func (f *Facts) addAccess(m host.Reader, path string, held Holding, at postfix.Origin) {
	if !filepath.IsAbs(path) { // daemons run in the queue directory
		path = filepath.Join(f.Config.Text(nil, "queue_directory"), path)
	}
	if !filepath.IsAbs(path) || slices.ContainsFunc(f.Access, func(a Access) bool { return a.Path == path && a.Held == held }) {
		return
	}
	a := f.AccessTo(m, path, held)
	a.Origin = at
	if errors.Is(a.Err, fs.ErrPermission) {
		f.unseen(path, fs.ErrPermission) // as for a key that cannot be read
	} else if a.Err != nil {
		f.unseen("the permissions of "+path, a.Err)
	}
	f.Access = append(f.Access, a)
}
