package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"postseal/internal/hint"
)

// Run is one change of the map.
type Run struct {
	ID      int       `json:"id"`
	When    time.Time `json:"when"`
	What    string    `json:"what"`
	Changes []Change  `json:"changes"`
	// Undone reports whether the run was undone since.
	Undone bool `json:"undone,omitempty"`
}

// maxRuns bounds how many runs are kept.
const maxRuns = 200

// Outcome is what the rule makes of all evidence.
type Outcome struct {
	// Changes are due; Waiting are too many for one run.
	Changes []Change `json:"changes"`
	Waiting []Change `json:"waiting"`

	proposals map[string]Proposal
	refreshed map[string]Entry
	ended     []string // domains whose exception has ended
}

// Decide applies the rule to every domain. own returns where the administrator has an
// entry of his own for a domain, or "": such an entry counts, and ours is withdrawn.
func (st *State) Decide(own func(name string) string, s Setting, now time.Time) Outcome {
	out := Outcome{Changes: []Change{}, Waiting: []Change{}, proposals: map[string]Proposal{}, refreshed: map[string]Entry{}}
	var wanted []Change
	for _, name := range st.names() {
		current := st.Entries[name]
		if at := own(name); at != "" {
			if !current.IsNone() {
				before := current
				out.Changes = append(out.Changes, Change{Domain: name, Before: &before, Code: OwnEntry, Why: "the entry at " + at + " counts"})
			}
			continue
		}
		var proposal *Proposal
		if p, ok := st.Proposals[name]; ok {
			proposal = &p
		}
		var order *Order
		if o, ok := st.Orders[name]; ok {
			order = &o
			if o.Expired(now) {
				out.ended = append(out.ended, name)
			}
		}
		d := Decide(st.Evidence(name), current, proposal, order, s, now)
		if d.Proposal != nil {
			out.proposals[name] = *d.Proposal
		}
		switch {
		case d.Change == nil && !d.Entry.IsNone():
			out.refreshed[name] = d.Entry
		case d.Change == nil:
		case slices.Contains([]Code{Proved, DANEFirst, STSUpdated}, d.Change.Code):
			wanted = append(wanted, *d.Change)
			if proposal != nil {
				out.proposals[name] = *proposal // until its turn comes
			}
		default: // mail would wait, or the administrator wants it
			out.Changes = append(out.Changes, *d.Change)
		}
	}
	slices.SortStableFunc(wanted, func(a, b Change) int { return st.messages(b.Domain) - st.messages(a.Domain) })
	n := min(len(wanted), max(0, s.Rule.Changes))
	out.Changes, out.Waiting = append(out.Changes, wanted[:n]...), append(out.Waiting, wanted[n:]...)
	return out
}

// names are the domains of which anything is known or ordered, in order.
func (st *State) names() []string {
	all := slices.Collect(maps.Keys(st.Domains))
	all = slices.AppendSeq(all, maps.Keys(st.Entries))
	all = slices.AppendSeq(all, maps.Keys(st.Orders))
	slices.Sort(all)
	return slices.Compact(all)
}

func (st *State) messages(name string) int {
	if d := st.Domains[name]; d != nil {
		return d.Messages
	}
	return 0
}

// After returns the entries as an outcome leaves them.
func (st *State) After(o Outcome) map[string]Entry {
	out := maps.Clone(st.Entries)
	maps.Copy(out, o.refreshed)
	for _, c := range o.Changes {
		delete(out, c.Domain)
		if c.After != nil {
			out[c.Domain] = *c.After
		}
	}
	return out
}

// Apply notes an outcome in the state. With changes it is a run.
func (st *State) Apply(o Outcome, what string, now time.Time) *Run {
	st.Entries, st.Proposals = st.After(o), o.proposals
	for _, c := range o.Changes {
		delete(st.Proposals, c.Domain)
	}
	for _, name := range o.ended {
		pinned := st.Orders[name].Pinned
		delete(st.Orders, name)
		if pinned != nil {
			st.Orders[name] = *pinned
		}
	}
	if len(o.Changes) == 0 {
		return nil
	}
	id := 1
	if n := len(st.Runs); n > 0 {
		id = st.Runs[n-1].ID + 1
	}
	st.Runs = append(st.Runs, Run{ID: id, When: now, What: what, Changes: o.Changes})
	st.Runs = st.Runs[max(0, len(st.Runs)-maxRuns):]
	return &st.Runs[len(st.Runs)-1]
}

// Only returns the changes of an outcome that are about one domain, and nothing else.
func (o Outcome) Only(name string, st *State) Outcome {
	out := Outcome{Changes: []Change{}, Waiting: []Change{}, proposals: maps.Clone(st.Proposals), refreshed: map[string]Entry{}}
	for _, c := range o.Changes {
		if c.Domain == name {
			out.Changes = append(out.Changes, c)
		}
	}
	if slices.Contains(o.ended, name) {
		out.ended = []string{name}
	}
	return out
}

// Undo is the outcome that takes the latest run back which was not undone yet. Entries
// that have changed since stay as they are. What the run brought is withheld until it
// is something else, or pinned.
func (st *State) Undo(now time.Time) (Outcome, *Run, error) {
	i := len(st.Runs) - 1
	for i >= 0 && (st.Runs[i].Undone || strings.HasPrefix(st.Runs[i].What, undoing)) {
		i--
	}
	if i < 0 {
		return Outcome{}, nil, hint.New("no change of the policies is left to undo", "postseal policy list shows what is in force")
	}
	run := &st.Runs[i]
	out := Outcome{Changes: []Change{}, Waiting: []Change{}, proposals: maps.Clone(st.Proposals)}
	for _, c := range run.Changes {
		current := st.Entries[c.Domain]
		if brought := cmp.Or(c.After, &Entry{}); !current.same(*brought) {
			continue
		}
		back := Change{Domain: c.Domain, After: c.Before, Code: Undone, Why: fmt.Sprintf("run %d is undone", run.ID), Weaker: !c.Weaker}
		if !current.IsNone() {
			before := current
			back.Before = &before
		}
		if c.Before != nil {
			after := *c.Before
			after.Since, back.After = now, &after
		}
		out.Changes = append(out.Changes, back)
		delete(out.proposals, c.Domain)
		if o, ok := st.Orders[c.Domain]; ok && o.Kind != Hold {
			delete(st.Orders, c.Domain)
		} else if c.After != nil {
			st.Orders[c.Domain] = Order{Kind: Hold, Level: c.After.Level, Attributes: c.After.Attributes, Reason: back.Why, Since: now}
		}
		if x := c.Before; x != nil && x.Basis == ByOrder {
			st.Orders[c.Domain] = x.order(now)
		}
	}
	run.Undone = true
	return out, run, nil
}

// order is the order that an entry came from.
func (e Entry) order(now time.Time) Order {
	o := Order{Kind: Pin, Level: e.Level, Attributes: e.Attributes, Reason: e.Reason, Since: now}
	if !e.Until.IsZero() {
		o = Order{Kind: Except, Reason: e.Reason, Since: now, Until: e.Until}
	}
	return o
}

// undoing begins what an undo says of itself.
const undoing = "undo of run "

// UndoOf is what the undo of a run is called.
func UndoOf(run *Run) string { return fmt.Sprintf("%s%d", undoing, run.ID) }

// Remove ends an order of the administrator. It fails if there is none of this kind.
func (st *State) Remove(name string, kind Kind, now time.Time) error {
	old, ok := st.Orders[name]
	switch {
	case !ok || old.Kind == Hold:
		return fmt.Errorf("%s has neither a pin nor an exception", name)
	case kind == Pin && old.Kind == Except && old.Pinned != nil:
		old.Pinned = nil // and the exception goes on
		st.Orders[name] = old
	case old.Kind != kind:
		return fmt.Errorf("%s has %s", name, map[Kind]string{Pin: "a pin and no exception", Except: "an exception and no pin"}[old.Kind])
	case kind == Except: // as if its date had come
		old.Until = now
		st.Orders[name] = old
	default:
		delete(st.Orders, name)
	}
	return nil
}

// Order notes what the administrator decides about a domain.
func (st *State) Order(name string, o *Order, s Setting, now time.Time) {
	old, had := st.Orders[name]
	if o.Kind == Except {
		if x, ok := st.Entries[name]; ok && x.Basis != ByOrder {
			o.Before = &x
		} else if had && old.Kind == Except {
			o.Before = old.Before
		}
		if o.Pinned = old.Pinned; old.Kind == Pin {
			o.Pinned = &old
		}
	}
	if o.Kind == Pin && (o.Level == "verify" || o.Level == "secure") {
		o.Attributes = []string{"servername=hostname"}
		if p := st.Evidence(name).Domain.STS; o.Level == "secure" && p.enforced(now) && len(patterns(p.MX)) > 0 {
			o.Attributes = bySTS(st.Evidence(name), Setting{Default: s.Default}, now).Attributes
		}
	}
	st.Orders[name] = *o
}
