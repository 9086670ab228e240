// Package lineage keeps certificates alive: what was ordered from whom, where
// it lies, when it is due, and how a new one takes the place of the old.
//
// It does not speak ACME itself, nor write to Postfix's configuration: package
// certs/acme gets certificates, and package apply puts them in place and proves
// what is served.
package lineage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"postseal/certs/acme"
	"postseal/internal/hint"
	"postseal/internal/host"
)

// Lineage is a certificate and its renewals. It holds no secret.
type Lineage struct {
	Name string `json:"name"`
	// Server is the address of the CA's directory; CAFile holds roots for the
	// connection to a CA of one's own.
	Server string `json:"server"`
	CAFile string `json:"ca_file,omitempty"`
	Email  string `json:"email,omitempty"`
	// Names are the host names.
	Names []string `json:"names"`
	// KeyTypes are acme.KeyTypes: one certificate for each.
	KeyTypes  []string  `json:"key_types"`
	Profile   string    `json:"profile,omitempty"`
	BothUses  bool      `json:"both_uses,omitempty"`
	Challenge Challenge `json:"challenge"`
	// Issued is what was got, by the name of the algorithm ("ecdsa", "rsa").
	Issued map[string]*Issued `json:"issued,omitempty"`
}

// Challenge is how the names are proved.
type Challenge struct {
	// Kind is one of Challenges.
	Kind string `json:"kind"`
	// Listen is the address for http-01 and tls-alpn-01.
	Listen  string `json:"listen,omitempty"`
	Webroot string `json:"webroot,omitempty"`
	// Program makes the record, for dns-exec.
	Program string `json:"program,omitempty"`
	// Update is for dns-rfc2136.
	Update *Update `json:"update,omitempty"`
}

// Update is where DNS updates go. The secret stays in its file.
type Update struct {
	Server     string `json:"server"`
	Zone       string `json:"zone,omitempty"`
	Key        string `json:"key,omitempty"`
	Algorithm  string `json:"algorithm,omitempty"`
	SecretFile string `json:"secret_file,omitempty"`
}

// ByHand is the challenge by a DNS record that a person makes; it cannot be
// renewed unattended.
const ByHand = "dns-manual"

// Challenges are the ways to prove names that can be repeated without a person.
var Challenges = []string{"http-01", "webroot", "tls-alpn-01", "dns-rfc2136", "dns-exec"}

// Issued is one certificate of a lineage.
type Issued struct {
	KeyType     string    `json:"key_type"`
	URL         string    `json:"url"`
	Fingerprint string    `json:"fingerprint"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	// Window is what the CA said about renewing, At the moment drawn from it,
	// Ask when to ask again.
	Window *acme.Window `json:"window,omitempty"`
	At     time.Time    `json:"at,omitzero"`
	Ask    time.Time    `json:"ask,omitzero"`
}

// Store is where lineages and accounts are kept.
type Store struct {
	M host.Machine
	// StateDir is /var/lib/postseal, CertsDir /etc/postseal/certs.
	StateDir, CertsDir string
}

// Path is the file of key and chain for an algorithm.
func (s Store) Path(l *Lineage, algorithm string) string {
	return filepath.Join(s.CertsDir, l.Name, algorithm+".pem")
}

func (s Store) file(name string) string {
	return filepath.Join(s.StateDir, "lineages", name+".json")
}

// Save writes a lineage.
func (s Store) Save(l *Lineage) error {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("saving %s: %w", l.Name, err)
	}
	if _, err := s.M.MkdirAll(filepath.Join(s.StateDir, "lineages"), 0o700); err != nil {
		return fmt.Errorf("saving %s: %w", l.Name, err)
	}
	return s.M.Replace(s.file(l.Name), append(data, '\n'), 0o600)
}

// All reads every lineage, by name.
func (s Store) All() ([]*Lineage, error) {
	paths, err := s.M.Glob(filepath.Join(s.StateDir, "lineages", "*.json"))
	if err != nil {
		return nil, err
	}
	var out []*Lineage
	for _, p := range paths {
		data, err := s.M.ReadFile(p)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", p, err)
		}
		var l Lineage
		if err := json.Unmarshal(data, &l); err != nil {
			return nil, hint.Wrap(fmt.Errorf("reading %s: %w", p, err), "mend the file, or move it away and obtain the certificate anew")
		}
		out = append(out, &l)
	}
	return out, nil
}

// account reads the account at a CA, or makes one that is not registered yet.
func (s Store) account(l *Lineage) (*acme.Account, error) {
	dir, err := s.accountDir(l.Server)
	if err != nil {
		return nil, err
	}
	key, err := s.M.ReadFile(filepath.Join(dir, "key.pem"))
	if errors.Is(err, fs.ErrNotExist) {
		return acme.NewAccount(l.Server, l.Email)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the ACME account: %w", err)
	}
	data, err := s.M.ReadFile(filepath.Join(dir, "account.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the ACME account: %w", err)
	}
	return acme.LoadAccount(key, data)
}

// keep stores an account; its key first, so that it is never lost.
func (s Store) keep(a *acme.Account, server string) error {
	dir, err := s.accountDir(server)
	if err != nil {
		return err
	}
	key, err := a.KeyPEM()
	if err != nil {
		return err
	}
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if _, err := s.M.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keeping the ACME account: %w", err)
	}
	return errors.Join(s.M.Replace(filepath.Join(dir, "key.pem"), key, 0o600), s.M.Replace(filepath.Join(dir, "account.json"), append(data, '\n'), 0o600))
}

// accountDir is a folder for each directory of a CA.
func (s Store) accountDir(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%.200q is no address of a CA", server)
	}
	clean := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}
	return filepath.Join(s.StateDir, "acme", strings.Map(clean, strings.ToLower(u.Host+u.Path))), nil
}
