package detect

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
	// Origin is the setting that names the file; zero for main.cf and master.cf.
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
	for _, e := range exposures {
		if f.postfixOwns(m, e) {
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

// keyReaders looks at who beside its owner can read a private key. A key that its mode
// leaves open is still closed where a folder on the way does not let them pass.
func (f *Facts) keyReaders(m host.Reader, path string) ([]Weakness, error) {
	resolved, err := m.Resolve(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	key, err := m.Stat(resolved)
	if err != nil {
		return nil, err
	}
	everyone, group := true, true
	for dir := filepath.Dir(resolved); ; dir = filepath.Dir(dir) {
		st, err := m.Stat(dir)
		if err != nil {
			return nil, err
		}
		others := st.Mode.Perm()&0o001 != 0
		everyone = everyone && others
		group = group && (others || st.GID == key.GID && st.Mode.Perm()&0o010 != 0)
		if dir == filepath.Dir(dir) {
			break
		}
	}
	mode := key.Mode.Perm()
	switch {
	case mode&0o004 != 0 && everyone:
		return []Weakness{{EveryoneReads, path, "every user can read the private key in " + path, []string{"chmod", "o-r", path}}}, nil
	case mode&0o004 != 0:
		return []Weakness{{Sheltered, path, "only a folder keeps every user from reading the private key in " + path, []string{"chmod", "o-r", path}}}, nil
	case mode&0o040 == 0 || !group:
		return nil, nil
	}
	name, members, known := f.members(m, key.GID)
	if known && len(members) == 0 {
		return nil, nil
	}
	text := fmt.Sprintf("members of the group %s can read the private key in %s", name, path)
	if known {
		text += ": " + strings.Join(members, ", ")
	}
	return []Weakness{{GroupReads, path, text, []string{"chmod", "g-r", path}}}, nil
}

// members are the accounts in a group, but for root and the owner of the mail queue;
// known is false for a group that /etc/group does not list.
func (f *Facts) members(m host.Reader, gid int) (name string, members []string, known bool) {
	id := strconv.Itoa(gid)
	name = id
	all := map[string]bool{}
	for _, g := range colonFields(m, "/etc/group") {
		if len(g) < 4 || g[2] != id {
			continue
		}
		name, known = g[0], true
		for _, account := range strings.Split(g[3], ",") {
			all[account] = true
		}
	}
	for _, u := range colonFields(m, "/etc/passwd") {
		if len(u) > 3 && u[3] == id {
			all[u[0]] = true
		}
	}
	for _, trusted := range []string{"", "root", f.mailOwner()} {
		delete(all, trusted)
	}
	return name, slices.Sorted(maps.Keys(all)), known || gid == 0
}

// colonFields are the lines of a file such as passwd(5); none if it cannot be read.
func colonFields(m host.Reader, path string) (out [][]string) {
	data, err := m.ReadFile(path)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		out = append(out, strings.Split(strings.TrimSpace(line), ":"))
	}
	return out
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
	f.addNamed(m, nil, f.mainNames())
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

// addNamed looks at the lookup tables and CA certificates that parameters name.
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
