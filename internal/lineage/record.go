package lineage

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"postseal/certs/authority"
	"postseal/internal/interview"
)

// Decode reads the record of a lineage, and refuses what no order has written.
func Decode(data []byte) (*Lineage, error) {
	var l *Lineage
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, err
	}
	if l == nil {
		return nil, errors.New("the record is empty")
	}
	if err := l.possible(); err != nil {
		return nil, err
	}
	return l, nil
}

// possible is an error if the record names what From makes of no order.
func (l *Lineage) possible() error {
	if len(l.Names) == 0 {
		return errors.New("it has no names")
	}
	for _, n := range l.Names {
		if !hostName(strings.TrimPrefix(n, "*.")) {
			return fmt.Errorf("%.80q is not a host name", n)
		}
	}
	if !hostName(l.Name) {
		return fmt.Errorf("%.80q is not a certificate name", l.Name)
	}
	for _, kind := range l.KeyTypes {
		if !slices.Contains(authority.KeyTypes, kind) {
			return fmt.Errorf("%.80q is not a key type", kind)
		}
	}
	for _, path := range []string{l.CAFile, l.Challenge.Webroot, l.Challenge.Program} {
		if path != "" && !filepath.IsAbs(path) {
			return fmt.Errorf("%.80q is not an absolute path", path)
		}
	}
	if l.AlsoReload != "" && l.AlsoReload != interview.ReloadDovecot && !filepath.IsAbs(l.AlsoReload) {
		return fmt.Errorf("%.80q is neither %s nor an absolute path", l.AlsoReload, interview.ReloadDovecot)
	}
	for algorithm, i := range l.Issued {
		switch {
		case i == nil:
			return fmt.Errorf("the record of the %.20s certificate is empty", algorithm)
		case !hostName(algorithm):
			return fmt.Errorf("%.80q is not an algorithm", algorithm)
		}
	}
	return nil
}

// hostName reports whether a name can be one of a host, and so that of a file.
func hostName(n string) bool {
	if n == "" || len(n) > 253 {
		return false
	}
	for _, label := range strings.Split(n, ".") {
		odd := func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, odd) {
			return false
		}
	}
	return true
}
