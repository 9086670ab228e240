package lineage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/certs/authority"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/interview"
)

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

// Lock keeps other runs away from what is stored, until it is released: each
// reads lineages, takes its time with a CA, and writes them whole.
func (s Store) Lock() (release func() error, err error) {
	if _, err := s.M.MkdirAll(s.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("locking the certificates: %w", err)
	}
	if err := host.Trusted(s.M, s.StateDir, s.StateDir); err != nil {
		return nil, fmt.Errorf("locking the certificates: %w", err)
	}
	release, err = s.M.Lock(filepath.Join(s.StateDir, "lineages.lock"))
	if errors.Is(err, host.ErrLocked) {
		return nil, hint.Wrap(fmt.Errorf("another postseal is obtaining or renewing certificates: %w", err), "wait until it has finished, then run this again")
	}
	return release, err
}

// Begin holds the lock for an order, and makes its lineage of the answers and of
// what is known, with the risks that are accepted by name. release ends it.
func (s Store) Begin(d interview.OrderDecisions, risks []string) (l *Lineage, release func() error, err error) {
	if release, err = s.Lock(); err != nil {
		return nil, nil, err
	}
	var known []*Lineage
	before, err := s.Read(Name(d.Names))
	switch {
	case err == nil:
		known = append(known, before)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err == nil {
		l = From(d, known)
		err = l.Accept(risks)
	}
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return l, release, nil
}

// Save writes a lineage.
func (s Store) Save(l *Lineage) error {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("saving %s: %w", l.Name, err)
	}
	if err := s.folder(filepath.Join(s.StateDir, "lineages")); err != nil {
		return fmt.Errorf("saving %s: %w", l.Name, err)
	}
	return s.M.Replace(s.file(l.Name), append(data, '\n'), 0o600)
}

// folder makes a folder below the state directory, which nobody else may look
// into either.
func (s Store) folder(dir string) error {
	_, err := s.M.MkdirAll(s.StateDir, 0o700)
	if err == nil {
		_, err = s.M.MkdirAll(dir, 0o700)
	}
	return err
}

// All reads every lineage, by name. With an error it returns those that can be
// read: a torn record keeps no other certificate from its renewal.
func (s Store) All() ([]*Lineage, error) {
	paths, err := s.M.Glob(filepath.Join(s.StateDir, "lineages", "*.json"))
	if err != nil {
		return nil, err
	}
	var out []*Lineage
	for _, p := range paths {
		l, failed := s.read(p)
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		out = append(out, l)
	}
	return out, err
}

// Read reads the lineage of this name. Its error wraps fs.ErrNotExist if there is
// none. Torn records of other names do not matter.
func (s Store) Read(name string) (*Lineage, error) {
	if !hostName(name) {
		return nil, fmt.Errorf("%.80q: %w", name, fs.ErrNotExist)
	}
	return s.read(s.file(name))
}

func (s Store) read(path string) (*Lineage, error) {
	if err := host.Trusted(s.M, path, s.StateDir); err != nil {
		return nil, err
	}
	// Where the file was not there yet, another account can have made it since: ReadOwn
	// judges what it opens. It trusts the user who called sudo too, which holds for
	// files that the user names, and not for this one: that takes another look.
	data, err := s.M.ReadOwn(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if err := host.Trusted(s.M, path, s.StateDir); err != nil {
		return nil, err
	}
	l, err := Decode(data)
	if err == nil && l.Name+".json" != filepath.Base(path) {
		err = fmt.Errorf("it is the record of %.80q", l.Name)
	}
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("reading %s: %w", path, err), "correct the file, or move it away and obtain the certificate again")
	}
	return l, nil
}

// announce notes what takes the place of a certificate, or that nothing does
// (nil). All else that is stored stays: what an order would change counts once
// it has succeeded.
func (s Store) announce(l *Lineage, algorithm string, coming *Issued) {
	if coming != nil {
		settings, with := *l, *coming
		settings.Issued, with.Settings = nil, &settings
		coming = &with
	}
	l.Issued[algorithm].Coming = coming
	stored, err := s.read(s.file(l.Name))
	if err != nil || stored.Issued[algorithm] == nil {
		return // it only matters to a run that comes after a crash
	}
	stored.Issued[algorithm].Coming = coming
	_ = s.Save(stored)
}

// nextPath is the file of the key that comes next.
func (s Store) nextPath(l *Lineage, algorithm string) string {
	return strings.TrimSuffix(s.Path(l, algorithm), ".pem") + certs.NextKey
}

// Files are the files of what was issued, by the name of the algorithm.
func (s Store) Files(l *Lineage) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(l.Issued)) {
		out = append(out, s.Path(l, name))
	}
	return out
}

// Ordered are the files that an order of the lineage writes.
func (s Store) Ordered(l *Lineage) (out []string) {
	for _, kind := range l.KeyTypes {
		out = append(out, s.Path(l, Algorithm(kind)))
	}
	return out
}

// CAList is where an administrator can keep a list of CAs of his own.
const CAList = "/etc/postseal/cas.json"

// CAs is the administrator's list of CAs, or the one that came with us.
func CAs(m host.Reader) (authority.List, error) {
	data, err := m.ReadFile(CAList)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return authority.Known(), nil
	}
	if err == nil {
		err = host.Trusted(m, CAList)
	}
	if err != nil {
		return authority.List{}, err
	}
	c, err := authority.Read(data)
	if err != nil {
		return c, hint.Wrap(fmt.Errorf("%s: %w", CAList, err), "correct it, or move it away")
	}
	return c, nil
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
	if err := s.folder(dir); err != nil {
		return fmt.Errorf("storing the ACME account: %w", err)
	}
	return errors.Join(s.M.Replace(filepath.Join(dir, "key.pem"), key, 0o600), s.M.Replace(filepath.Join(dir, "account.json"), append(data, '\n'), 0o600))
}

// accountDir is a folder for each directory of a CA.
func (s Store) accountDir(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%.200q is not the address of a CA", server)
	}
	clean := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}
	return filepath.Join(s.StateDir, "acme", strings.Map(clean, strings.ToLower(u.Host+u.Path))), nil
}
