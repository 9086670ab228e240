package census

import (
	"hash/maphash"
)

// rows finds rows by their keys. It is a table with open addressing: a log has millions of
// lookups among very many rows, and each place that is looked at is one that is not in the
// cache. The seed keeps names that clients choose from falling on one place.
type rows struct {
	seed  maphash.Seed
	slots []slot // a power of two
	list  []*row
}

// slot is a part of a key's hash, and the number of the row from 1 on.
type slot struct{ hash, row uint32 }

func newRows() rows { return rows{seed: maphash.MakeSeed(), slots: make([]slot, 1<<10)} }

// find returns the row of a key, or nil with the place for it.
func (r *rows) find(key []byte) (found *row, hash uint64) {
	hash = maphash.Bytes(r.seed, key)
	mask := uint64(len(r.slots) - 1)
	for i := hash & mask; r.slots[i].row != 0; i = (i + 1) & mask {
		if s := r.slots[i]; s.hash == uint32(hash>>32) && r.list[s.row-1].key == string(key) {
			return r.list[s.row-1], hash
		}
	}
	return nil, hash
}

// add adds a row that find has not found.
func (r *rows) add(x *row, hash uint64) {
	if len(r.list)*2 >= len(r.slots) {
		r.grow()
	}
	r.list = append(r.list, x)
	r.put(slot{uint32(hash >> 32), uint32(len(r.list))}, hash)
}

func (r *rows) put(s slot, hash uint64) {
	mask := uint64(len(r.slots) - 1)
	i := hash & mask
	for r.slots[i].row != 0 {
		i = (i + 1) & mask
	}
	r.slots[i] = s
}

func (r *rows) grow() {
	r.slots = make([]slot, 2*len(r.slots))
	for i, x := range r.list {
		hash := maphash.String(r.seed, x.key)
		r.put(slot{uint32(hash >> 32), uint32(i + 1)}, hash)
	}
}
