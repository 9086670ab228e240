package host

import (
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// UserName is the name of an account, or its number if it has none.
func UserName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", uid)
}

// UserID is the number of an account.
func UserID(name string) (uid int, known bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, false
	}
	uid, err = strconv.Atoi(u.Uid)
	return uid, err == nil
}

// GroupName is the name of a group, or its number if it has none.
func GroupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

// Account is one account of a machine.
type Account struct {
	Name string
	UID  int // -1 if /etc/passwd does not list it
}

// Group is a group with the accounts in it, but for root.
type Group struct {
	Name    string // its number if /etc/group does not list it
	Members []Account
	// Known is false if other accounts may be in it: /etc/group does not list it, or
	// one of the files could not be read.
	Known bool
}

// GroupByID is a group as /etc/passwd (for primary members) and /etc/group list it.
// Group 0 is root's own: the accounts that distributions put there, such as sync, halt
// and operator, are no members, unless /etc/group names them.
func GroupByID(m Reader, gid int) Group {
	id := strconv.Itoa(gid)
	g := Group{Name: id, Known: gid == 0}
	users, errUsers := colonFields(m, "/etc/passwd")
	groups, errGroups := colonFields(m, "/etc/group")
	uids := map[string]int{}
	add := func(name string) {
		uid, known := uids[name]
		if !known {
			uid = -1
		}
		if a := (Account{name, uid}); name != "" && uid != 0 && !slices.Contains(g.Members, a) {
			g.Members = append(g.Members, a)
		}
	}
	for _, f := range users {
		uid, err := strconv.Atoi(f[2])
		if err != nil {
			continue
		}
		uids[f[0]] = uid
		if f[3] == id && gid != 0 {
			add(f[0])
		}
	}
	for _, f := range groups {
		if f[2] != id {
			continue
		}
		g.Name, g.Known = f[0], true
		for _, name := range strings.Split(f[3], ",") {
			add(name)
		}
	}
	if gid != 0 && (errUsers != nil || errGroups != nil) {
		g.Known = false
	}
	return g
}

// colonFields are the lines of passwd(5) or group(5) that have at least four fields.
func colonFields(m Reader, path string) (out [][]string, err error) {
	data, err := m.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) >= 4 {
			out = append(out, f)
		}
	}
	return out, nil
}
