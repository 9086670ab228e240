package wizard

import (
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

// pastOf reads what earlier runs did. It is nil if none is in effect, as on a first run,
// unless the last one was reverted by itself: that has to be told.
func pastOf(m host.Reader, s *session.Session) *past {
	p := &past{reverted: reverted(m, s)}
	p.runs, _ = apply.Standing(m, s.StateDir, s.ConfigDir) // without it, the block says that there was one
	p.last, _ = apply.Last(m, s.StateDir, s.ConfigDir)
	if _, ours, _ := s.Facts.Config.Main.Block(plan.Markers); p.last == nil && !ours && p.reverted == "" {
		return nil
	}
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
