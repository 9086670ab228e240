package lineage

import (
	"fmt"
	"slices"
	"time"

	"postseal/internal/apply"
	"postseal/internal/hint"
)

// Acceptance is how long an accepted risk stays accepted: what was true of a zone when an
// administrator looked at it need not be true for ever.
const Acceptance = 90 * 24 * time.Hour

// Accept notes risks that are accepted by name. They are stored, for the timer, only if
// this run needs them.
func (l *Lineage) Accept(names []string) error {
	for _, name := range names {
		if name != RiskUnprovedDANE {
			return hint.New(fmt.Sprintf("%.40q is not a risk of a certificate", name), "the only one is "+RiskUnprovedDANE)
		}
		l.accepting = append(l.accepting, name)
	}
	return nil
}

// accepts reports whether a risk that is met was accepted, and not too long ago. It stores
// what this run accepts, and tells until when it counts.
func (k *Keeper) accepts(l *Lineage, name string) bool {
	now := k.M.Now()
	if slices.Contains(l.accepting, name) {
		if l.Accepted == nil {
			l.Accepted = map[string]time.Time{}
		}
		l.Accepted[name] = now.Add(Acceptance)
	}
	until := l.Accepted[name]
	if !now.Before(until) {
		return false
	}
	if !l.told {
		l.told = true
		k.step(apply.Event{Step: name, State: apply.Noted, Text: "this risk is accepted until " + day(until) + "; after that it must be accepted again"})
	}
	return true
}

// lapsed says in brackets that a risk was accepted until a date; empty if it was not.
func (l *Lineage) lapsed(name string) string {
	if until, ok := l.Accepted[name]; ok {
		return " (it was accepted until " + day(until) + ")"
	}
	return ""
}

// day is a date.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
