package postfix

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is a Postfix release such as 3.7.11, or a snapshot such as
// 3.12-20260821. The zero value means that the version is not known.
type Version struct {
	Major, Minor, Patch int
	// Raw is mail_version as Postfix says it.
	Raw string
}

// ParseVersion reads mail_version. A snapshot has patch level 0.
func ParseVersion(s string) (Version, error) {
	v := Version{Raw: strings.TrimSpace(s)}
	number, _, _ := strings.Cut(v.Raw, "-")
	parts := strings.Split(number, ".")
	if len(parts) < 2 || len(parts) > 3 {
		return Version{}, fmt.Errorf("reading Postfix version %.40q: want MAJOR.MINOR.PATCH", s)
	}
	for i, p := range []*int{&v.Major, &v.Minor, &v.Patch}[:len(parts)] {
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < 0 {
			return Version{}, fmt.Errorf("reading Postfix version %.40q: want MAJOR.MINOR.PATCH", s)
		}
		*p = n
	}
	return v, nil
}

// V is a version of the tables in this package.
func V(major, minor, patch int) Version { return Version{Major: major, Minor: minor, Patch: patch} }

// Known reports whether v is a version at all.
func (v Version) Known() bool { return v.Major > 0 }

// String is mail_version, or MAJOR.MINOR for a version of a table.
func (v Version) String() string {
	switch {
	case v.Raw != "":
		return v.Raw
	case !v.Known():
		return "unknown"
	case v.Patch == 0:
		return fmt.Sprintf("%d.%d", v.Major, v.Minor)
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}

// AtLeast reports whether v is w or newer. An unknown version is older than any:
// what is written for it must suit the oldest release.
func (v Version) AtLeast(w Version) bool {
	a, b := [3]int{v.Major, v.Minor, v.Patch}, [3]int{w.Major, w.Minor, w.Patch}
	for i := range a {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return true
}

// sameBranch reports whether v and w are of one MAJOR.MINOR.
func (v Version) sameBranch(w Version) bool { return v.Major == w.Major && v.Minor == w.Minor }
