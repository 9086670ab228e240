package census

import "time"

// Of counts a text, cut into stretches at these places, which are moved to the next line.
func Of(text []byte, names []string, now time.Time, cuts ...int) *Census {
	s := settings{names: names, most: MaxPeers}
	var all *tally
	from := 0
	for _, to := range append(cuts, len(text)) {
		for to < len(text) && to > 0 && text[to-1] != '\n' {
			to++
		}
		t := newTally(s, clock{now: now})
		t.scan(text[from:max(from, to)])
		from = max(from, to)
		if all == nil {
			all = t
		} else {
			all.merge(t)
		}
	}
	return all.result()
}
