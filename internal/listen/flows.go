package listen

import "postseal/internal/hello"

// Bounds of all connections together. What goes beyond them pushes out the one that has
// been silent for longest.
const (
	maxFlows = 16 << 10
	maxHeld  = 12 << 20
)

// flows are the connections of which it is not settled yet what they are.
type flows struct {
	all            map[key]*flow
	oldest, newest *flow
	held           int
	// local reports whether an address belongs to this machine.
	local func([16]byte) bool
	// settled is told what came of a connection; the hello is nil if it did not offer one.
	settled func(k key, v verdict, h *hello.Hello, implicit bool)
	pushed  uint64
	free    []*flow
}

func newFlows(local func([16]byte) bool, settled func(key, verdict, *hello.Hello, bool)) *flows {
	return &flows{all: map[key]*flow{}, local: local, settled: settled}
}

// add takes one segment.
func (t *flows) add(s segment) {
	f := t.all[s.key]
	if s.answer {
		t.begin(f, s)
		return
	}
	if f == nil {
		return // it was under way before we looked, or is settled
	}
	before := f.cost()
	v, h := f.add(s)
	t.held += f.cost() - before
	if v == unsettled {
		t.refresh(f)
		for t.held > maxHeld && t.oldest != nil {
			t.push(t.oldest)
		}
		return
	}
	implicit := f.talk.implicit
	t.remove(f)
	t.settled(s.key, v, h, implicit)
}

// begin notes that the server has accepted a connection. What comes again changes nothing.
func (t *flows) begin(f *flow, s segment) {
	if f != nil {
		if f.server == s.seq+1 {
			return
		}
		t.remove(f)
	}
	if !t.local(s.server) {
		return
	}
	if len(t.all) >= maxFlows {
		t.push(t.oldest)
	}
	f = new(flow)
	if n := len(t.free); n > 0 {
		f, t.free = t.free[n-1], t.free[:n-1]
	}
	*f = flow{key: s.key, next: s.ack, server: s.seq + 1}
	t.all[s.key] = f
	t.held += f.cost()
	t.link(f)
}

// push ends the longest silent connection because there is no room.
func (t *flows) push(f *flow) {
	t.remove(f)
	t.pushed++
}

func (t *flows) remove(f *flow) {
	t.held -= f.cost()
	delete(t.all, f.key)
	t.unlink(f)
	*f = flow{}
	if len(t.free) < 256 {
		t.free = append(t.free, f)
	}
}

// refresh makes a connection the newest.
func (t *flows) refresh(f *flow) {
	if t.newest != f {
		t.unlink(f)
		t.link(f)
	}
}

func (t *flows) link(f *flow) {
	f.older, f.newer = t.newest, nil
	if t.newest != nil {
		t.newest.newer = f
	} else {
		t.oldest = f
	}
	t.newest = f
}

func (t *flows) unlink(f *flow) {
	if f.older != nil {
		f.older.newer = f.newer
	} else {
		t.oldest = f.newer
	}
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		t.newest = f.older
	}
	f.older, f.newer = nil, nil
}
