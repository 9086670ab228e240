// Package listen reads from the wire what the clients of this server's listeners offer in
// their ClientHello, and remembers it by sender.
//
// A packet socket with a filter hands over what clients send; the connection is put
// together up to the end of the hello, and forgotten there. Mail is never read: neither the
// envelope of a session without TLS, nor anything that is encrypted.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"postseal/internal/hello"
	"postseal/internal/hint"
	"postseal/internal/host"
)

// Options say where and how long to listen.
type Options struct {
	// Ports are those of the listeners, Interface its name or "any".
	Ports     []uint16
	Interface string
	// For is how long to listen; 0 means until ctx ends.
	For time.Duration
	// Ready is called when packets are being read; it may be nil.
	Ready func()
}

// Run is what one run saw.
type Run struct {
	Began time.Time
	Ended time.Time
	// Packets are those that passed the filter, and Lost those that the kernel dropped
	// because they were not read in time.
	Packets, Lost uint64
	// TLS are the connections whose hello was read, Cleartext those that went on without
	// TLS, and Unread all others. Pushed are those that were given up for lack of room.
	TLS, Cleartext, Unread, Pushed uint64
}

// saveEvery is how often the store is written while listening: more is not lost if the
// machine stops.
const saveEvery = 5 * time.Minute

// Listen reads hellos until the time is up or ctx ends, and adds them to what is known in
// a state directory. The store is saved in either case; that ctx has ended is an error.
func Listen(ctx context.Context, m host.Machine, stateDir string, o Options) (*Store, Run, error) {
	if len(o.Ports) == 0 || len(o.Ports) > MaxPorts {
		return nil, Run{}, fmt.Errorf("listening on %d ports: from 1 to %d are possible", len(o.Ports), MaxPorts)
	}
	index, err := interfaceNumber(o.Interface)
	if err != nil {
		return nil, Run{}, err
	}
	s, err := open(o.Ports, index)
	if err != nil {
		return nil, Run{}, err
	}
	defer s.Close()
	if _, err := m.MkdirAll(stateDir, 0o700); err != nil {
		return nil, Run{}, err
	}
	release, err := m.Lock(filepath.Join(stateDir, "listen.lock"))
	if errors.Is(err, host.ErrLocked) {
		return nil, Run{}, hint.Wrap(fmt.Errorf("listening: %w", err), "another postseal listens already; wait until it has ended")
	}
	if err != nil {
		return nil, Run{}, fmt.Errorf("listening: %w", err)
	}
	defer func() { _ = release() }()
	store, err := loadOrNew(m, stateDir, m.Now())
	if err != nil {
		return nil, Run{}, err
	}
	l := &listening{socket: s, store: store, m: m, stateDir: stateDir}
	l.saved = m.Now()
	l.run.Began = l.saved
	err = l.loop(ctx, o)
	l.run.Ended = m.Now()
	l.run.Pushed = l.flows.pushed
	if failed := l.save(); err == nil {
		err = failed
	}
	return store, l.run, err
}

// listening is one run under way.
type listening struct {
	socket   *socket
	store    *Store
	flows    *flows
	m        host.Machine
	stateDir string
	run      Run
	saved    time.Time
	own      map[[16]byte]bool
	now      time.Time
	looked   time.Time // when the addresses of this machine were last read
}

func (l *listening) loop(ctx context.Context, o Options) error {
	until := ctx
	if o.For > 0 {
		var cancel context.CancelFunc
		until, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	l.flows = newFlows(func(a [16]byte) bool { return l.own[a] }, l.settled)
	if err := l.tick(); err != nil {
		return err
	}
	if o.Ready != nil {
		o.Ready()
	}
	err := l.socket.read(until, func(data []byte) {
		if s, ok := decode(data); ok {
			l.flows.add(s)
		}
	}, l.tick)
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// settled notes what came of a connection.
func (l *listening) settled(k key, v verdict, h *hello.Hello, _ bool) {
	switch v {
	case offered:
		l.run.TLS++
		l.store.offered(k.sender(), h, l.now)
	case cleartext:
		l.run.Cleartext++
		l.store.cleartext(k.sender(), l.now)
	case probed:
	default:
		l.run.Unread++
		l.store.Unread++
	}
}

// tick is called between blocks of packets. The addresses of this machine may change.
func (l *listening) tick() error {
	l.now = l.m.Now().Truncate(time.Second).UTC()
	if l.own == nil || l.now.Sub(l.looked).Abs() > 30*time.Second {
		addresses, err := net.InterfaceAddrs()
		if err != nil {
			return fmt.Errorf("reading the addresses of this machine: %w", err)
		}
		l.own, l.looked = map[[16]byte]bool{}, l.now
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok {
				l.own[[16]byte(n.IP.To16())] = true
			}
		}
	}
	if l.m.Now().Sub(l.saved).Abs() > saveEvery {
		return l.save()
	}
	return nil
}

// save brings the counts up to date and writes the store.
func (l *listening) save() error {
	now := l.m.Now()
	before := l.socket.lost
	if err := l.socket.count(); err != nil {
		return err
	}
	l.run.Packets, l.run.Lost = l.socket.received, l.socket.lost
	l.store.Lost += l.socket.lost - before
	l.store.Listened += max(0, now.Sub(l.saved))
	l.saved = now
	return l.store.save(l.m, l.stateDir)
}
