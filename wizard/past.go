package wizard

import (
	"slices"

	"postseal/internal/apply"
	"postseal/internal/host"
	"postseal/internal/plan"
	"postseal/internal/session"
)

// past is what earlier runs did to this server.
type past struct {
	// runs are all of them, newest first; last is the newest that is in effect, or nil.
	runs []*apply.Receipt
	last *apply.Receipt
	// edits are files that were changed since.
	edits []apply.Edit
	// reverted says which run was reverted last, and why; empty if the last run was not.
	reverted string
}

// pastOf reads what earlier runs did; nil if there is neither a run nor a block of ours.
func pastOf(m host.Reader, s *session.Session) *past {
	p := &past{reverted: reverted(m, s)}
	p.runs, _ = apply.Standing(m, s.StateDir, s.ConfigDir) // without it, the block says that there was one
	changed := slices.ContainsFunc(p.runs, func(r *apply.Receipt) bool { return r.Kind == "apply" || r.Kind == "undo" })
	_, ours, _ := s.Facts.Config.Main.Block(plan.Markers)
	if !changed && !ours {
		return nil
	}
	p.last, _ = apply.Last(m, s.StateDir, s.ConfigDir)
	if p.last != nil {
		p.edits = apply.Edited(m, p.runs)
	}
	return p
}

// grade is the letter that a part had after the last run; empty if it is not known.
func (p *past) grade(part string) string {
	if p == nil || p.last == nil {
		return ""
	}
	return p.last.Grades[part]
}
