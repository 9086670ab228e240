package detect

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"postseal/internal/host"
)

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
	// One must be a member of all these groups to read it.
	var gates []int
	closed := false
	gate := func(gid int) {
		if !slices.Contains(gates, gid) {
			gates = append(gates, gid)
		}
	}
	for dir := filepath.Dir(resolved); ; dir = filepath.Dir(dir) {
		st, err := m.Stat(dir)
		if err != nil {
			return nil, err
		}
		switch perm := st.Mode.Perm(); {
		case perm&0o001 != 0:
		case perm&0o010 != 0:
			gate(st.GID)
		default:
			closed = true
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	everyone := key.Mode.Perm()&0o004 != 0
	remedy := []string{"chmod", "o-r", path}
	var readers []string
	switch {
	case everyone && !closed && len(gates) == 0:
		return []Weakness{{EveryoneReads, path, "every user can read the private key in " + path, remedy}}, nil
	case closed:
	case everyone:
		readers = f.inAll(m, gates)
	default:
		remedy = []string{"chmod", "g-r", path} // of an access control list it is the mask (acl(5))
		for _, g := range key.Grants {
			if g.Perm&0o004 != 0 {
				readers = append(readers, f.through(m, g, gates)...)
			}
		}
	}
	switch {
	case len(readers) > 0:
		return []Weakness{{GroupReads, path, strings.Join(readers, " and ") + " can read the private key in " + path, remedy}}, nil
	case everyone:
		return []Weakness{{Sheltered, path, "the private key in " + path + " is world-readable; only its directory protects it", remedy}}, nil
	}
	return nil, nil
}

// through is whom a grant allows something behind folders that are open to the members
// of these groups alone.
func (f *Facts) through(m host.Reader, g host.Grant, gates []int) []string {
	if g.Group {
		if !slices.Contains(gates, g.ID) {
			gates = append(slices.Clone(gates), g.ID)
		}
		return f.inAll(m, gates)
	}
	name := host.UserName(g.ID)
	if f.trusted(host.Account{Name: name, UID: g.ID}) {
		return nil
	}
	for _, gid := range gates {
		if in := host.GroupByID(m, gid); in.Known && !slices.ContainsFunc(in.Members, func(a host.Account) bool { return a.Name == name }) {
			return nil
		}
	}
	return []string{name}
}

// inAll are the accounts that are members of each of these groups, in words; none if
// there is none.
func (f *Facts) inAll(m host.Reader, gids []int) []string {
	var names, members []string
	known := false
	for _, gid := range gids {
		g := host.GroupByID(m, gid)
		names = append(names, g.Name)
		if !g.Known {
			continue
		}
		in := f.strangers(g)
		if known {
			in = slices.DeleteFunc(in, func(a string) bool { return !slices.Contains(members, a) })
		}
		members, known = in, true
	}
	text := "members of the group " + strings.Join(names, " and of ")
	switch {
	case !known:
		return []string{text}
	case len(members) > 0:
		return []string{text + " (" + strings.Join(members, ", ") + ")"}
	}
	return nil
}

// strangers are the members of a group that may not read what Postfix does.
func (f *Facts) strangers(g host.Group) (out []string) {
	for _, a := range g.Members {
		if !f.trusted(a) {
			out = append(out, a.Name)
		}
	}
	slices.Sort(out)
	return out
}

// trusted reports whether an account may read what Postfix does: root, and the owner of
// the mail queue.
func (f *Facts) trusted(a host.Account) bool { return a.UID == 0 || a.Name == f.mailOwner() }
