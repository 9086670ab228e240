// Package lifecycle is what is known, as of a date, of the releases of Postfix and OpenSSL:
// which branches their projects still support, until when, and the newest release of each.
//
// It is data with sources, which an administrator can replace by newer data. Distributions
// often maintain a branch for longer than its project does; that is not in here.
package lifecycle

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"postseal/internal/hint"
	"postseal/internal/host"
)

// Path is where an administrator can put newer data, in the form of lifecycle.json.
const Path = "/etc/postseal/lifecycle.json"

// The products that are known.
const (
	Postfix = "Postfix"
	OpenSSL = "OpenSSL"
)

// Branch is one series of releases, such as Postfix 3.10.
type Branch struct {
	Product string `json:"product"`
	Branch  string `json:"branch"`
	// Supported is whether the project still mends it, as of the date of the list; Ends is
	// the last day of that (YYYY-MM-DD), or empty if none is announced.
	Supported bool   `json:"supported"`
	Ends      string `json:"ends,omitempty"`
	// Newest is the newest release, or empty if that is not known.
	Newest string `json:"newest,omitempty"`
	Source string `json:"source"`
}

// Ended reports whether the project no longer supports the branch.
func (b Branch) Ended(now time.Time) bool {
	ends, err := time.Parse(time.DateOnly, b.Ends)
	return !b.Supported || err == nil && now.After(ends.AddDate(0, 0, 1))
}

// List is what is known of all branches.
type List struct {
	// AsOf is the day of the information (YYYY-MM-DD).
	AsOf     string   `json:"as_of"`
	Branches []Branch `json:"branches"`
}

//go:embed lifecycle.json
var known []byte

// Known is the list that came with this release.
func Known() List {
	l, err := Read(known)
	if err != nil {
		panic(err) // part of the program, and tested
	}
	return l
}

// Load reads the administrator's list at Path, or returns the one that came with this
// release if there is none. With an error, it returns that one too.
func Load(m host.Reader) (l List, own bool, err error) {
	data, err := m.ReadFile(Path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return Known(), false, nil
	}
	if err == nil {
		err = host.Trusted(m, Path)
	}
	if err == nil {
		l, err = Read(data)
	}
	if err != nil {
		return Known(), false, hint.Wrap(fmt.Errorf("%s: %w", Path, err), hint.Of(err))
	}
	return l, true, nil
}

// Read reads a list in the form of lifecycle.json.
func Read(data []byte) (List, error) {
	var l List
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return List{}, fmt.Errorf("reading the list of releases: %w", err)
	}
	const next = "correct the file, or move it away: postseal has a list of its own"
	if _, err := time.Parse(time.DateOnly, l.AsOf); err != nil {
		return List{}, hint.New(fmt.Sprintf("reading the list of releases: as_of is not a date: %.40q", l.AsOf), next)
	}
	for _, b := range l.Branches {
		_, err := time.Parse(time.DateOnly, b.Ends)
		switch {
		case b.Product != Postfix && b.Product != OpenSSL:
			return List{}, hint.New(fmt.Sprintf("reading the list of releases: unknown product %.40q", b.Product), next)
		case b.Branch == "" || b.Source == "":
			return List{}, hint.New(fmt.Sprintf("reading the list of releases: a branch of %s without a name or a source", b.Product), next)
		case b.Ends != "" && err != nil:
			return List{}, hint.New(fmt.Sprintf("reading the list of releases: %s %.40s: %.40q is not a date", b.Product, b.Branch, b.Ends), next)
		case b.Newest != "" && !b.has(b.Newest):
			return List{}, hint.New(fmt.Sprintf("reading the list of releases: %s %.40s: %.40q is not one of its releases", b.Product, b.Branch, b.Newest), next)
		}
	}
	return l, nil
}

// has reports whether a release is one of the branch: "3.10.3" of 3.10, "1.1.1w" of 1.1.1.
func (b Branch) has(release string) bool {
	rest, ok := strings.CutPrefix(release, b.Branch)
	return ok && (rest == "" || rest[0] < '0' || rest[0] > '9')
}

// Find is the branch of a release, such as "3.10.3".
func (l List) Find(product, release string) (Branch, bool) {
	for _, b := range l.Branches {
		if b.Product == product && b.has(release) {
			return b, true
		}
	}
	return Branch{}, false
}

// Stale reports whether the list is older than a year: by then, newer releases exist and
// branches have ended.
func (l List) Stale(now time.Time) bool {
	day, err := time.Parse(time.DateOnly, l.AsOf)
	return err != nil || now.After(day.AddDate(1, 0, 0))
}
