package probe

import (
	"fmt"
	"strings"
)

// SuiteOf returns the suite that has a number on the wire. One that is not known is named
// by its number.
func SuiteOf(id uint16) Suite {
	if s, ok := suiteByID[id]; ok {
		return s
	}
	name := fmt.Sprintf("suite %#04x", id)
	return Suite{id, name, name}
}

// GroupName returns the name of a group by its number on the wire.
func GroupName(id uint16) string { return groupName(id) }

// SignatureName returns the name of a signature algorithm by its number on the wire.
func SignatureName(id uint16) string { return signatureName(id) }

// SignatureKey returns the kind of key that a signature algorithm takes, such as "ECDSA",
// or "" if that is not known.
func SignatureKey(id uint16) string {
	for _, s := range signatures {
		if s.id == id {
			return s.key
		}
	}
	return ""
}

// VersionName returns the name of a version of TLS by its number on the wire.
func VersionName(id uint16) string {
	if name := versionNames[id]; name != "" {
		return name
	}
	return fmt.Sprintf("version %#04x", id)
}

// GroupOf returns the number of a group by the name that OpenSSL, Postfix or IANA gives it,
// in any case.
func GroupOf(name string) (id uint16, ok bool) {
	switch strings.ToLower(name) {
	case "prime256v1", "p-256":
		return 23, true
	case "p-384":
		return 24, true
	case "p-521":
		return 25, true
	}
	for _, g := range groups {
		if strings.EqualFold(g.name, name) {
			return g.id, true
		}
	}
	return 0, false
}
