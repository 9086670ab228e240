package census

import "hash/maphash"

// rows finds rows by their keys. A log has millions of lookups among very many rows, and
// what costs is each place that is looked at and is not in the processor's cache. So it is
// a table with open addressing whose slots tell keys apart by 96 bits of two hashes, and
// the key itself is not looked at: among 200,000 keys, two with the same bits are less
// likely than one in 10^18. The seeds are random, so that a client cannot choose a name for
// its hash.
type rows struct {
	seeds  [2]maphash.Seed
	slots  []slot // a power of two
	blocks [][]row
	n      int
}

// slot has the hash of a key, and the number of its row from 1 on.
type slot struct {
	hash
	row uint32
}

type hash struct {
	place uint64
	check uint32
}

// blockRows is how many rows are made at a time.
const blockRows = 128

func newRows() rows {
	return rows{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, slots: make([]slot, 1<<10)}
}

// find returns the row of a key, or nil, and the hash for add.
func (r *rows) find(key []byte) (found *row, h hash) {
	h = hash{maphash.Bytes(r.seeds[0], key), uint32(maphash.Bytes(r.seeds[1], key))}
	mask := uint64(len(r.slots) - 1)
	for i := h.place & mask; r.slots[i].row != 0; i = (i + 1) & mask {
		if r.slots[i].hash == h {
			return r.at(int(r.slots[i].row) - 1), h
		}
	}
	return nil, h
}

// at returns a row by its number.
func (r *rows) at(i int) *row { return &r.blocks[i/blockRows][i%blockRows] }

// add makes a row for a key that find has not found.
func (r *rows) add(key []byte, h hash) *row {
	if r.n*2 >= len(r.slots) {
		old := r.slots
		r.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s.row != 0 {
				r.put(s)
			}
		}
	}
	if r.n%blockRows == 0 {
		r.blocks = append(r.blocks, make([]row, blockRows))
	}
	r.n++
	r.put(slot{h, uint32(r.n)})
	x := r.at(r.n - 1)
	x.key = string(key)
	return x
}

func (r *rows) put(s slot) {
	mask := uint64(len(r.slots) - 1)
	i := s.place & mask
	for r.slots[i].row != 0 {
		i = (i + 1) & mask
	}
	r.slots[i] = s
}
