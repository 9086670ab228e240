package policy

import "time"

// View is one domain as it is shown: what is in force, what is proposed, and why.
type View struct {
	Domain   string `json:"domain"`
	Messages int    `json:"messages"`
	// Entry is the line of the map, Order what the administrator decided, and Own where
	// his own table has an entry that counts instead.
	Entry *Entry `json:"entry"`
	Order *Order `json:"order"`
	Own   string `json:"own_entry,omitempty"`
	// Supported is what evidence supports; its level is empty if that is no more than
	// main.cf says. Since is when it was proposed. Clean and Held count the sessions since
	// then, or all that are known, that met it or not; Why says what was wrong with one.
	Supported Entry     `json:"supported"`
	Since     time.Time `json:"proposed_since,omitzero"`
	Clean     int       `json:"clean"`
	Held      int       `json:"held"`
	Why       string    `json:"held_because,omitempty"`
	// Failing is since when no server has met the level that is in force, as far as
	// handshakes show; zero if one does.
	Failing time.Time `json:"failing_since,omitzero"`
	// Evidence is what all of this rests on.
	Evidence Domain   `json:"evidence"`
	Servers  []Server `json:"servers"`
}

// View returns one domain.
func (st *State) View(name string, own func(string) string, s Setting, now time.Time) View {
	e := st.Evidence(name)
	v := View{Domain: name, Messages: e.Domain.Messages, Supported: Supported(e, s, now), Evidence: e.Domain, Servers: append([]Server{}, e.Servers...), Own: own(name)}
	if v.Evidence.MX == nil {
		v.Evidence.MX = []string{}
	}
	if x, ok := st.Entries[name]; ok {
		v.Entry = &x
		if r := fared(e, x, time.Time{}); !r.works && r.missed > 0 {
			v.Failing = r.failing
		}
	}
	if o, ok := st.Orders[name]; ok {
		v.Order = &o
	}
	if p, ok := st.Proposals[name]; ok && p.Entry.same(v.Supported) {
		v.Since = p.Since
	}
	if !v.Supported.IsNone() {
		r := fared(e, v.Supported, v.Since)
		v.Clean, v.Held, v.Why = r.clean, r.held, r.why
	}
	return v
}

// Views returns the domains of these names, or all that are known.
func (st *State) Views(names []string, own func(string) string, s Setting, now time.Time) []View {
	if len(names) == 0 {
		names = st.names()
	}
	out := []View{}
	for _, name := range names {
		out = append(out, st.View(name, own, s, now))
	}
	return out
}
