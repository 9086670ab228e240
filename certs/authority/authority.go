// Package authority is what is known of certificate authorities that speak
// ACME, as of a date: where they are, what they sign, and what that is good
// for.
//
// It asks none of them: package acme does.
package authority

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"postseal/internal/hint"
)

// CA is what is known of a certificate authority, as of a date. What CAs
// issue changes: the date is shown with it, and an administrator's file can
// replace the list.
type CA struct {
	// Name is the short name, Title the one for people.
	Name  string `json:"name"`
	Title string `json:"title"`
	// Directory and Staging are addresses. A CA of one's own has none here.
	Directory string `json:"directory,omitempty"`
	Staging   string `json:"staging,omitempty"`
	// EAB is true if it wants an account made at its web page.
	EAB bool `json:"eab,omitempty"`
	// Gone is the day from which it signs nothing any more, or empty.
	Gone string `json:"gone,omitempty"`
	// Uses is "server" or "both": what its leaves are good for, until Until.
	Uses  string `json:"uses"`
	Until string `json:"until,omitempty"`
	Note  string `json:"note"`
	// Source is who says so.
	Source string `json:"source"`
	// Limits are how often it may be asked; nil if that is not known.
	Limits *Limits `json:"limits,omitempty"`
}

// Limits are how often a CA may be asked before it refuses.
type Limits struct {
	// SameNames is how many certificates it signs for exactly the same names in
	// so many Days.
	SameNames int `json:"same_names"`
	Days      int `json:"days"`
	// Failures is how often the proof of one name may fail in an hour.
	Failures int    `json:"failures"`
	Source   string `json:"source"`
}

// Both reports whether its leaves are good for server and client at this time.
func (c CA) Both(now time.Time) bool {
	if c.Uses != "both" || c.Gone != "" {
		return false
	}
	until, err := time.Parse(time.DateOnly, c.Until)
	return err != nil || now.Before(until)
}

// KeyTypes are the kinds of keys that CAs sign, the suggested one first.
var KeyTypes = []string{"P256", "P384", "RSA2048", "RSA3072", "RSA4096"}

// List is a list of CAs.
type List struct {
	// AsOf is the day of the information.
	AsOf string `json:"as_of"`
	CAs  []CA   `json:"cas"`
}

//go:embed known.json
var known []byte

// Known is the list that came with this release.
func Known() List {
	c, err := Read(known)
	if err != nil {
		panic(err) // part of the program, and tested
	}
	return c
}

// Read reads a list in the form of known.json.
func Read(data []byte) (List, error) {
	var c List
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return List{}, fmt.Errorf("reading the list of CAs: %w", err)
	}
	if _, err := time.Parse(time.DateOnly, c.AsOf); err != nil {
		return List{}, fmt.Errorf("reading the list of CAs: as_of is not a date: %.40q", c.AsOf)
	}
	for _, x := range c.CAs {
		for _, address := range []string{x.Directory, x.Staging} {
			if address != "" && !strings.HasPrefix(address, "https://") {
				return List{}, fmt.Errorf("reading the list of CAs: %s: %.200q is not an https address", x.Name, address)
			}
		}
		for _, day := range []string{x.Gone, x.Until} {
			if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
				return List{}, fmt.Errorf("reading the list of CAs: %.40q: %.40q is not a date", x.Name, day)
			}
		}
		if l := x.Limits; l != nil && (l.SameNames < 1 || l.Days < 1 || l.Failures < 1) {
			return List{}, fmt.Errorf("reading the list of CAs: %.40q: a limit below 1", x.Name)
		}
		if x.Name == "" || x.Uses != "server" && x.Uses != "both" {
			return List{}, fmt.Errorf("reading the list of CAs: %.40q needs a name, and uses of server or both", x.Name)
		}
	}
	return c, nil
}

// Find looks a CA up by its short name, in small letters or large; an https
// address stands for itself. The place of a CA for trying things out is none to
// get certificates from: nobody trusts what it signs.
func (c List) Find(name string) (CA, error) {
	if u, err := url.Parse(name); err == nil && u.Scheme == "https" && u.Host != "" {
		for _, x := range c.CAs {
			switch name {
			case x.Directory:
				return x, nil
			case x.Staging:
				return CA{}, hint.New("this is the staging environment of "+x.Title+": no client trusts its certificates", "use --server "+x.Name+" --staging, which tests an order and installs nothing")
			}
		}
		return CA{Name: u.Host, Title: u.Host, Directory: name, Uses: "server", Note: "not among the known CAs"}, nil
	}
	var names []string
	for _, x := range c.CAs {
		same := strings.EqualFold(x.Name, name)
		if x.Gone != "" {
			if same {
				return CA{}, hint.New(x.Title+" has signed no certificates since "+x.Gone, "choose another CA")
			}
			continue
		}
		if x.Directory == "" {
			if same {
				return CA{}, hint.New(x.Title+" has no well-known address", "use the https address of its directory, and --acme-ca-file")
			}
			continue
		}
		names = append(names, x.Name)
		if same {
			return x, nil
		}
	}
	text := "use one of " + strings.Join(names, ", ") + ", or an https address"
	for _, n := range names {
		if hint.Near(n, strings.ToLower(name)) {
			text = "did you mean " + n + "? Known CAs are " + strings.Join(names, ", ")
			break
		}
	}
	return CA{}, hint.New(fmt.Sprintf("unknown CA %.80q", name), text)
}
