package listen

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"postseal/internal/hello"
	"postseal/internal/hint"
	"postseal/internal/host"
)

// storeVersion is that of the file. It changes when an older postseal would misread it.
const storeVersion = 1

// Bounds of what is kept. The senders and hellos that were not seen for longest make room.
const (
	maxSenders = 10_000
	maxHellos  = 1024
	maxShape   = 4 << 10
	maxOwn     = 8 // hellos of one sender
	maxNames   = 4 // that it asked for
	maxFile    = host.MaxFile - 1<<19
)

// Store is what is known of the senders that come to this server.
type Store struct {
	Version int `json:"version"`
	// Since is when the first run began, and Listened how long all runs took.
	Since    time.Time     `json:"since"`
	Listened time.Duration `json:"listened_ns"`
	// Senders are by their address, and Hellos by their fingerprint.
	Senders map[netip.Addr]*Sender `json:"senders"`
	Hellos  map[string]*Seen       `json:"hellos"`
	// Forgotten counts the senders that made room for others; Unread the connections that
	// were neither TLS nor mail, or of which not all was seen; Lost the packets that the
	// kernel dropped.
	Forgotten uint64 `json:"forgotten"`
	Unread    uint64 `json:"unread"`
	Lost      uint64 `json:"lost"`
}

// Sender is one address from which connections came.
type Sender struct {
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// TLS counts the connections that began TLS, and Cleartext those that went on without.
	TLS       uint64 `json:"tls"`
	Cleartext uint64 `json:"cleartext"`
	// Hellos counts them by their fingerprint, and Others those beyond the bounds.
	Hellos map[string]uint64 `json:"hellos,omitempty"`
	Others uint64            `json:"others,omitempty"`
	// Names are those that it asked for (SNI).
	Names []string `json:"names,omitempty"`
}

// Seen is a distinct hello.
type Seen struct {
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Count uint64    `json:"count"`
	Shape []byte    `json:"shape"`
	// Hello is what Shape says.
	Hello *hello.Hello `json:"-"`
}

// NewStore returns a store in which nothing is known.
func NewStore() *Store {
	return &Store{Version: storeVersion, Senders: map[netip.Addr]*Sender{}, Hellos: map[string]*Seen{}}
}

// Path is the file of the store below a state directory.
func Path(stateDir string) string { return filepath.Join(stateDir, "listen.json") }

// Load reads the store. If there is none yet, that is fs.ErrNotExist.
func Load(m host.Reader, stateDir string) (*Store, error) {
	path := Path(stateDir)
	data, err := m.ReadOwn(path)
	if err != nil {
		return nil, fmt.Errorf("reading what is known of senders: %w", err)
	}
	broken := func(err error) error {
		return hint.Run(fmt.Errorf("reading what is known of senders: %s: %w", path, err), "move the file away and listen again", []string{"mv", path, path + ".old"})
	}
	s := NewStore()
	s.Version = 0
	if err := json.Unmarshal(data, s); err != nil {
		return nil, broken(err)
	}
	if s.Version != storeVersion {
		return nil, broken(fmt.Errorf("version %d, this postseal reads %d", s.Version, storeVersion))
	}
	for id, h := range s.Hellos {
		if h == nil {
			return nil, broken(fmt.Errorf("hello %.40q is empty", id))
		}
		if h.Hello, err = hello.Parse(h.Shape); err != nil || h.Hello.Fingerprint() != id {
			return nil, broken(fmt.Errorf("hello %.40q does not have that fingerprint", id))
		}
	}
	for address, sender := range s.Senders {
		if sender == nil {
			return nil, broken(fmt.Errorf("sender %s is empty", address))
		}
		maps.DeleteFunc(sender.Hellos, func(id string, _ uint64) bool { return s.Hellos[id] == nil })
	}
	return s, nil
}

// save writes the store in one step.
func (s *Store) save(m host.Machine, stateDir string) error {
	for {
		data, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("saving what is known of senders: %w", err)
		}
		if len(data) <= maxFile || len(s.Senders) == 0 {
			return m.Replace(Path(stateDir), append(data, '\n'), 0o600)
		}
		s.forget()
	}
}

// sender is the one of an address.
func (s *Store) sender(address netip.Addr, now time.Time) *Sender {
	x := s.Senders[address]
	if x == nil {
		if len(s.Senders) >= maxSenders {
			s.forget()
		}
		x = &Sender{First: now}
		s.Senders[address] = x
	}
	x.Last = now
	return x
}

// offered notes a hello of a sender.
func (s *Store) offered(address netip.Addr, h *hello.Hello, now time.Time) {
	x := s.sender(address, now)
	x.TLS++
	if name := h.ServerName; name != "" && len(x.Names) < maxNames && !slices.Contains(x.Names, name) {
		x.Names = append(x.Names, name)
	}
	id := h.Fingerprint()
	if len(h.Shape) > maxShape || x.Hellos[id] == 0 && len(x.Hellos) >= maxOwn {
		x.Others++
		return
	}
	seen := s.Hellos[id]
	if seen == nil {
		if len(s.Hellos) >= maxHellos {
			s.forgetHellos()
		}
		seen = &Seen{First: now, Shape: h.Shape, Hello: h}
		s.Hellos[id] = seen
	}
	seen.Last = now
	seen.Count++
	if x.Hellos == nil {
		x.Hellos = map[string]uint64{}
	}
	x.Hellos[id]++
}

// cleartext notes a connection that went on without TLS.
func (s *Store) cleartext(address netip.Addr, now time.Time) { s.sender(address, now).Cleartext++ }

// forget drops a tenth of the senders, and the hellos that only they sent.
func (s *Store) forget() {
	all := slices.SortedFunc(maps.Keys(s.Senders), func(a, b netip.Addr) int { return s.Senders[a].Last.Compare(s.Senders[b].Last) })
	for _, address := range all[:(len(all)+9)/10] {
		delete(s.Senders, address)
		s.Forgotten++
	}
	used := map[string]bool{}
	for _, x := range s.Senders {
		for id := range x.Hellos {
			used[id] = true
		}
	}
	maps.DeleteFunc(s.Hellos, func(id string, _ *Seen) bool { return !used[id] })
}

// forgetHellos drops a tenth of the hellos.
func (s *Store) forgetHellos() {
	all := slices.SortedFunc(maps.Keys(s.Hellos), func(a, b string) int { return s.Hellos[a].Last.Compare(s.Hellos[b].Last) })
	for _, id := range all[:(len(all)+9)/10] {
		delete(s.Hellos, id)
		for _, x := range s.Senders {
			x.Others += x.Hellos[id]
			delete(x.Hellos, id)
		}
	}
}

// Addresses are the senders, those with the most connections first.
func (s *Store) Addresses() []netip.Addr {
	return slices.SortedFunc(maps.Keys(s.Senders), func(a, b netip.Addr) int {
		x, y := s.Senders[a], s.Senders[b]
		return cmp.Or(cmp.Compare(y.TLS+y.Cleartext, x.TLS+x.Cleartext), a.Compare(b))
	})
}

// Fingerprints are the hellos, the most frequent first.
func (s *Store) Fingerprints() []string {
	return slices.SortedFunc(maps.Keys(s.Hellos), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.Hellos[b].Count, s.Hellos[a].Count), cmp.Compare(a, b))
	})
}

// Affected is a sender that lacks something with a server.
type Affected struct {
	Address netip.Addr
	*Sender
	// Lacks is what it does not have in common with the server: "version", "suite",
	// "group" or "signature". Of what is lacking with several hellos, this is the most
	// frequent one.
	Lacks string
	// Failing counts the connections with hellos that lack something, and Known those of
	// which the hello is known.
	Failing, Known uint64
}

// Certain reports whether all hellos that are known of the sender lack something.
func (a Affected) Certain() bool { return a.Failing == a.Known }

// Affected returns the senders of which some hello lacks something with a server, those
// with the most such connections first.
func (s *Store) Affected(server hello.Server) (out []Affected) {
	lacks := map[string]string{}
	for id, h := range s.Hellos {
		lacks[id] = h.Hello.Meet(server).Lacks
	}
	for address, x := range s.Senders {
		a := Affected{Address: address, Sender: x}
		most := uint64(0)
		for _, id := range slices.Sorted(maps.Keys(x.Hellos)) {
			n := x.Hellos[id]
			a.Known += n
			if lacks[id] == "" {
				continue
			}
			if a.Failing += n; n > most {
				most, a.Lacks = n, lacks[id]
			}
		}
		if a.Failing > 0 {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b Affected) int {
		return cmp.Or(cmp.Compare(b.Failing, a.Failing), a.Address.Compare(b.Address))
	})
	return out
}

// loadOrNew is Load, or a new store.
func loadOrNew(m host.Reader, stateDir string, now time.Time) (*Store, error) {
	s, err := Load(m, stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		s, err = NewStore(), nil
		s.Since = now
	}
	return s, err
}
