package wizard

import (
	"fmt"

	"postseal/internal/apply"
)

// pending asks what to do with an interrupted run.
func (p *plain) pending() Result {
	r := p.session.Pending
	fmt.Fprintln(p.out)
	p.wrapped(fmt.Sprintf("An earlier run was interrupted: run %s of %s came to %q. Its files now:", r.ID, r.When.Local().Format("2006-01-02 15:04"), string(r.Phase)))
	for _, l := range r.State(p.o.Machine) {
		p.say("  %s", oneLine(l))
	}
	ways, unfinishable := "f finish, u undo, q quit:", r.Unfinishable(p.o.Machine, p.session.StateDir)
	switch {
	case r.Phase == apply.Reverting && r.Undoes != "":
		ways = "It was undoing run " + r.Undoes + ", and failed. u put that run into effect again, q quit:"
	case r.Phase == apply.Reverting:
		ways = "u continue undoing, q quit:"
	case unfinishable != "":
		ways = "It cannot be finished: " + unfinishable + ". u undo, q quit:"
	case r.Undoes != "":
		ways = "It was undoing run " + r.Undoes + ". f finish that, u leave that run in effect, q quit:"
	}
	answer, err := p.read(ways)
	if err != nil {
		return Result{Err: err}
	}
	o := p.o.applyOptions(p.session, nil, p.print.Step)
	var out *apply.Receipt
	switch {
	case answer == "f" && unfinishable == "":
		out, err = apply.Finish(p.ctx, p.o.Machine, o)
	case answer == "u":
		out, err = apply.Undo(p.ctx, p.o.Machine, r.ConfigDir, r.ID, o)
	default:
		return Result{Err: errQuit}
	}
	result := Result{Receipt: out, Err: err, Undo: p.session.UndoCommand()}
	if err != nil || out.ConfirmBy.IsZero() || out.Phase != apply.Kept {
		return result
	}
	return p.keep(result, applied(out))
}
