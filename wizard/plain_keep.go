package wizard

import (
	"errors"
	"time"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/report"
)

// keep asks whether the run stays. Without an answer it goes back by itself.
func (p *plain) keep(out Result, title string) Result {
	r := out.Receipt
	if excused := report.Excused(r); excused != "" {
		title += " " + excused
	}
	stands, trouble := apply.GoesBack(r.ConfirmBy)+", even if this terminal is closed", ""
	if u, err := apply.Waiting(p.o.Machine, p.session.StateDir); err == nil && u != nil {
		if now := p.o.Machine.Now(); u.Astray(now) {
			stands = report.Clean(u.Stands(now))
		}
		trouble = report.Clean(u.Trouble)
	}
	p.wrapped(title + " It " + stands + ". To confirm it from any terminal:")
	p.say("  %s", oneLine(hint.ShellLine(append(p.session.Verb("confirm"), "--run", r.ID))))
	p.say("What to test now:")
	domains, _ := p.session.Facts.Domains()
	for _, l := range tests(p.session.ConfigDir, p.session.Facts.Hostname, domains, p.session.Facts.NeededNames(), r.Checks) {
		p.say("  %s", oneLine(l))
	}
	if trouble != "" {
		p.wrapped("Reverting restores a state that already had problems: " + trouble + ".")
	}
	log, readable := apply.NewFollow(p.ctx, p.o.Machine, p.session.ApplyOptions())
	for {
		if u, err := apply.Waiting(p.o.Machine, p.session.StateDir); err == nil && (u == nil || u.Run != r.ID) {
			if _, err := apply.Fate(p.o.Machine, p.session.StateDir, r.ConfigDir, r.ID); err != nil {
				return Result{Err: apply.InForce(err)}
			}
			r.ConfirmBy = time.Time{}
			return out
		}
		if readable && log.Poll(p.ctx) == nil {
			p.counted(log)
		}
		answer, err := p.read("Confirm it? y confirm, n undo, q decide later, Enter to update the counts:")
		switch {
		case err != nil:
			if u, err := apply.Waiting(p.o.Machine, p.session.StateDir); err == nil && (u == nil || u.Run != r.ID) {
				continue // it was settled while nobody answered
			}
			return out // the net stays
		case answer == "y":
			_, err := apply.Confirm(p.ctx, p.o.Machine, p.session.StateDir, r.ConfigDir, r.ID)
			switch {
			case err == nil:
				r.ConfirmBy = time.Time{}
				p.summary(r)
				return out
			case errors.Is(err, apply.ErrRolledBack):
				return Result{Err: err}
			}
			p.print.Errors(err)
		case answer == "n":
			back, err := apply.PutBack(p.ctx, p.o.Machine, r.ConfigDir, r.ID, p.o.applyOptions(p.session, nil, p.print.Step))
			if err == nil || errors.Is(err, apply.ErrNotRolledBack) {
				return Result{Receipt: back, Err: err}
			}
			if errors.Is(err, apply.ErrRolledBack) && back == nil {
				return Result{Err: err} // meanwhile
			}
			p.print.Errors(err)
			if u, err := apply.Waiting(p.o.Machine, p.session.StateDir); err == nil && u != nil && u.Run == r.ID {
				p.wrapped("Could not be reverted: run " + r.ID + " is in effect, and " + report.Clean(u.Stands(p.o.Machine.Now())) + ".")
			}
		case answer != "":
			p.say("Answer y, n or q, or press Enter.")
		}
	}
}

// counted says what Postfix has logged since.
func (p *plain) counted(log *apply.Follow) {
	p.wrapped(report.Tally(log.Now))
	for _, peer := range log.Now.Worst(worstPeers) {
		p.say("  %s failed %d times", report.Clean(peer), log.Now.Peers[peer])
	}
	for _, w := range log.Now.Warnings[:min(worstPeers, len(log.Now.Warnings))] {
		p.wrapped("log: " + report.Clean(w))
	}
	if why := log.Now.Worse(log.Before); why != "" {
		p.wrapped("Worse than before: " + why + ". Press n to undo.")
	}
}
