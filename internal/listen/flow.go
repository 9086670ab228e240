package listen

import (
	"slices"

	"postseal/internal/hello"
)

// Bounds of one connection: how far ahead of the next byte a segment may be, and how much
// of what came too early is kept.
const (
	maxAhead   = 256 << 10
	maxPending = 80 << 10
	maxPieces  = 128
	// pieceCost is how many bytes each piece takes beside its data.
	pieceCost = 64
)

// piece is a segment that came before those in front of it.
type piece struct {
	seq  uint32
	data []byte
}

// flow is one connection, of which only what the client sends is read.
type flow struct {
	key
	// next is the number of the next byte of the client, and server that of the first one
	// of the server: a client that answers with it is where its address says.
	next, server uint32
	pending      []piece
	held         int // bytes in pending
	talk         dialogue
	end          uint32 // behind the last byte, if ended
	ended        bool
	// older and newer are the neighbours in the order in which segments last came.
	older, newer *flow
}

// add takes a segment of the client.
func (f *flow) add(s segment) (verdict, *hello.Hello) {
	ahead := int32(s.seq - f.next)
	switch {
	case s.flags&flagSYN != 0, s.flags&ack == 0 && s.flags&flagRST == 0:
		return unsettled, nil
	case s.flags&flagRST != 0:
		if ahead != 0 {
			return unsettled, nil // not the client's, as it seems (RFC 5961, section 3.2)
		}
		return unread, nil
	case ahead > maxAhead || s.ack-f.server > maxAhead:
		return unsettled, nil
	}
	if s.flags&flagFIN != 0 && !s.short {
		f.ended, f.end = true, s.seq+uint32(len(s.data))
	}
	if v, h := f.take(s.seq, s.data); v != unsettled {
		return v, h
	}
	for len(f.pending) > 0 && int32(f.pending[0].seq-f.next) <= 0 {
		p := f.pending[0]
		f.pending = f.pending[1:]
		f.held -= len(p.data) + pieceCost
		if v, h := f.take(p.seq, p.data); v != unsettled {
			return v, h
		}
	}
	if f.ended && int32(f.end-f.next) <= 0 || f.held > maxPending || len(f.pending) > maxPieces {
		return unread, nil
	}
	return unsettled, nil
}

// take reads what is new of some bytes, or keeps them until it is their turn.
func (f *flow) take(seq uint32, data []byte) (verdict, *hello.Hello) {
	old := int(int32(f.next - seq))
	switch {
	case old >= len(data):
		return unsettled, nil
	case old < 0:
		f.keep(piece{seq, slices.Clone(data)})
		return unsettled, nil
	}
	f.next = seq + uint32(len(data))
	return f.talk.add(data[old:])
}

// keep puts a piece among those that wait, in their order. One that is there already, with
// all of its bytes, is not kept again.
func (f *flow) keep(p piece) {
	at := len(f.pending)
	for at > 0 && int32(f.pending[at-1].seq-p.seq) > 0 {
		at--
	}
	for _, q := range f.pending[:at] {
		if int32(q.seq+uint32(len(q.data))-p.seq-uint32(len(p.data))) >= 0 {
			return
		}
	}
	f.pending = slices.Insert(f.pending, at, p)
	f.held += len(p.data) + pieceCost
}

// cost is how many bytes the flow holds.
func (f *flow) cost() int { return flowCost + f.held + f.talk.tls.Held() }

// flowCost is that of a flow that has seen nothing: the structure, and its place in a map.
const flowCost = 512
