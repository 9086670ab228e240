package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/host"
)

// Format is the version of the stored file.
const Format = 1

const (
	// Most bounds how many domains are kept, and maxState the size of the file.
	Most     = 20000
	maxState = 64 << 20
)

// State is all that is stored: evidence, decisions and what is enforced.
type State struct {
	Format  int                `json:"format"`
	Domains map[string]*Domain `json:"domains"`
	Servers map[string]*Server `json:"servers"`
	// Entries are the lines of the map, Proposals what is not proved yet.
	Entries   map[string]Entry    `json:"entries"`
	Proposals map[string]Proposal `json:"proposals"`
	// Orders are what the administrator has decided.
	Orders map[string]Order `json:"orders"`
	// Rule is that of the latest sync.
	Rule *Rule `json:"rule,omitempty"`
	// Runs are the latest changes of the map, oldest first.
	Runs []Run `json:"runs"`
}

// Store keeps the state of one instance of Postfix.
type Store struct {
	M    host.Machine
	Path string
	// Own is the state directory.
	Own string
}

// At returns the store in a state directory. instance is empty for /etc/postfix
// (plan.Instance).
func At(m host.Machine, stateDir, instance string) Store {
	name := "policy.json"
	if instance != "" {
		name = "policy-" + instance + ".json"
	}
	return Store{M: m, Path: filepath.Join(stateDir, name), Own: stateDir}
}

// Read returns what is stored, or an empty state.
func (s Store) Read() (*State, error) {
	st := &State{Format: Format}
	if err := host.Trusted(s.M, s.Path, s.Own); err != nil {
		return nil, err
	}
	data, err := readAll(s.M, s.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return st.whole(), nil
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", s.Path, err)
	}
	if err = json.Unmarshal(data, st); err == nil && st.Format != Format {
		err = fmt.Errorf("it has format %d, and this release reads format %d", st.Format, Format)
	}
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("reading %s: %w", s.Path, err), "restore it from a backup; or, to begin again without entries, move the file and the table away")
	}
	return st.whole(), nil
}

// Stored reports whether there is a state.
func (s Store) Stored() (bool, error) {
	_, err := s.M.Stat(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Exceptions returns the exceptions that are stored; none if nothing can be read.
func (s Store) Exceptions() (out []detect.Exception) {
	st, err := s.Read()
	if err != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(st.Orders)) {
		if o := st.Orders[name]; o.Kind == Except {
			out = append(out, detect.Exception{Domain: name, Until: o.Until})
		}
	}
	return out
}

// whole returns the state without what cannot be used: a domain without its evidence, or
// a map that is missing.
func (st *State) whole() *State {
	if st.Domains == nil {
		st.Domains = map[string]*Domain{}
	}
	if st.Servers == nil {
		st.Servers = map[string]*Server{}
	}
	if st.Entries == nil {
		st.Entries = map[string]Entry{}
	}
	if st.Proposals == nil {
		st.Proposals = map[string]Proposal{}
	}
	if st.Orders == nil {
		st.Orders = map[string]Order{}
	}
	for name, d := range st.Domains {
		if d == nil {
			delete(st.Domains, name)
		}
	}
	for name, x := range st.Servers {
		if x == nil {
			delete(st.Servers, name)
		}
	}
	return st
}

// Write stores the state.
func (s Store) Write(st *State) error {
	data, err := json.Marshal(st)
	if err == nil && len(data) >= maxState {
		err = errors.New("the evidence does not fit into a file of 64 MiB")
	}
	if err == nil {
		_, err = s.M.MkdirAll(s.Own, 0o700)
	}
	if err == nil {
		err = s.M.Replace(s.Path, append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("storing the policies: %w", err)
	}
	return nil
}

// Lock keeps other runs away until release is called.
func (s Store) Lock() (release func() error, err error) {
	if _, err := s.M.MkdirAll(s.Own, 0o700); err != nil {
		return nil, err
	}
	release, err = s.M.Lock(s.Path + ".lock")
	if errors.Is(err, host.ErrLocked) {
		err = hint.Wrap(err, "another postseal changes the policies: wait until it has ended, and run this again")
	}
	return release, err
}

// Due makes a domain and its known servers due, whatever is cached.
func (st *State) Due(name string) {
	d := st.Domains[name]
	if d == nil {
		return
	}
	d.Next = time.Time{}
	for _, mx := range d.MX {
		if s := st.Servers[mx]; s != nil {
			s.Next, s.NextLook = time.Time{}, time.Time{}
		}
	}
}

// Know adds destinations to the state. What is beyond Most is left out; of those, the
// ones with the fewest messages.
func (st *State) Know(all []Destination) (left int) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Destination) int { return b.Messages - a.Messages })
	for _, x := range all {
		d := st.Domains[x.Name]
		if d == nil {
			if len(st.Domains) >= Most {
				left++
				continue
			}
			d = &Domain{Name: x.Name}
			st.Domains[x.Name] = d
		}
		d.Messages = max(d.Messages, x.Messages)
		if x.Last.After(d.Seen) {
			d.Seen = x.Last
		}
	}
	return left
}

// Evidence returns what is known of a domain.
func (st *State) Evidence(name string) Evidence {
	e := Evidence{Domain: Domain{Name: name}}
	if d := st.Domains[name]; d != nil {
		e.Domain = *d
	}
	for _, mx := range e.Domain.MX {
		if s := st.Servers[mx]; s != nil {
			e.Servers = append(e.Servers, *s)
		} else {
			e.Servers = append(e.Servers, Server{Name: mx})
		}
	}
	return e
}

// prune removes the servers that no domain has any more.
func (st *State) prune() {
	used := map[string]bool{}
	for _, d := range st.Domains {
		for _, mx := range d.MX {
			used[mx] = true
		}
	}
	for name := range st.Servers {
		if !used[name] {
			delete(st.Servers, name)
		}
	}
}

// day is how a date is written for people.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
