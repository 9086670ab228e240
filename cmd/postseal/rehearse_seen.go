package main

import (
	"errors"
	"fmt"
	"io/fs"

	"postseal/internal/listen"
	"postseal/internal/rehearse"
)

// maxReplayed is how many of the hellos that were seen a rehearsal sends again, the most
// frequent first.
const maxReplayed = 12

// seen are the hellos that listen has seen. A store that cannot be read is noted, and does
// not stop a rehearsal; that there is none is as usual.
func (a *app) seen() (out []rehearse.Seen) {
	store, err := listen.Load(a.Machine, a.stateDir())
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !a.JSON {
			a.Printer(a.Err).Note("The hellos that postseal listen has seen are not rehearsed: " + err.Error() + ".")
		}
		return nil
	}
	senders := map[string]int{}
	for _, x := range store.Senders {
		for id := range x.Hellos {
			senders[id]++
		}
	}
	all := store.Fingerprints()
	for _, id := range all[:min(maxReplayed, len(all))] {
		out = append(out, rehearse.Seen{Name: "seen " + id[:8], Text: fmt.Sprintf("a hello that came %d times, from %d senders", store.Hellos[id].Count, senders[id]), Hello: store.Hellos[id].Hello})
	}
	return out
}
