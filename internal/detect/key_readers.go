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
	// Each folder on the way lets every user pass, or only those that one of its grants
	// names. A key that is not for every user is like one more such folder.
	var gates [][]host.Grant
	everyone := key.Mode.Perm()&0o004 != 0
	remedy := []string{"chmod", "o-r", path}
	if !everyone {
		remedy = []string{"chmod", "g-r", path} // of an access control list it is the mask (acl(5))
		gates = append(gates, allowing(key, 0o4))
	}
	for dir := filepath.Dir(resolved); ; dir = filepath.Dir(dir) {
		st, err := m.Stat(dir)
		if err != nil {
			return nil, err
		}
		if st.Mode.Perm()&0o001 == 0 {
			gates = append(gates, allowing(st, 0o1))
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if len(gates) == 0 {
		return []Weakness{{EveryoneReads, path, "every user can read the private key in " + path, remedy}}, nil
	}
	readers := f.throughAll(m, gates)
	switch {
	case len(readers) > 0:
		return []Weakness{{GroupReads, path, strings.Join(readers, " and ") + " can read the private key in " + path, remedy}}, nil
	case everyone:
		return []Weakness{{Sheltered, path, "the private key in " + path + " is world-readable; only its directory protects it", remedy}}, nil
	}
	return nil, nil
}

// allowing are the grants of a file or folder that include a permission.
func allowing(st host.Info, perm fs.FileMode) (out []host.Grant) {
	for _, g := range st.Grants {
		if g.Perm&perm != 0 {
			out = append(out, host.Grant{Group: g.Group, ID: g.ID})
		}
	}
	return out
}

// throughAll are the accounts, in words, that one grant of each of the gates allows.
func (f *Facts) throughAll(m host.Reader, gates [][]host.Grant) (out []string) {
	ways := [][]host.Grant{nil}
	for _, gate := range gates {
		var next [][]host.Grant
		for _, way := range ways {
			if slices.ContainsFunc(gate, func(g host.Grant) bool { return slices.Contains(way, g) }) {
				next = append(next, way)
				continue
			}
			for _, g := range gate {
				if longer := append(slices.Clone(way), g); f.inAll(m, longer) != "" {
					next = append(next, longer)
				}
			}
		}
		ways = next
	}
	for _, way := range ways {
		if text := f.inAll(m, way); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// inAll are the accounts, in words, that all of these grants are for; empty if there is
// none.
func (f *Facts) inAll(m host.Reader, grants []host.Grant) string {
	var groups, members []string
	account, known := "", false
	for _, g := range grants {
		var in []string
		if g.Group {
			group := host.GroupByID(m, g.ID)
			groups = append(groups, group.Name)
			if !group.Known {
				continue
			}
			in = f.strangers(group)
		} else if account = host.UserName(g.ID); !f.trusted(host.Account{Name: account, UID: g.ID}) {
			in = []string{account}
		}
		if known {
			in = slices.DeleteFunc(in, func(a string) bool { return !slices.Contains(members, a) })
		}
		members, known = in, true
	}
	text := "members of the group " + strings.Join(groups, " and of ")
	switch {
	case !known:
		return text
	case len(members) == 0:
		return ""
	case account != "":
		return account
	}
	return text + " (" + strings.Join(members, ", ") + ")"
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
