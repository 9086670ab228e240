package wizard

import (
	"errors"
	"fmt"
	"strings"

	"postseal/internal/apply"
	"postseal/internal/audit"
	"postseal/internal/report"
)

// errDone ends the wizard after something that home led to.
var errDone = errors.New("done")

// home is where a rerun begins: what has changed, what is due, and the ways on. It returns
// nil to go on to the answers, and errDone with a result after a run.
func (p *plain) home(past *past) (Result, error) {
	fmt.Fprintln(p.out)
	p.wrapped("Testing the listeners, and rehearsing.")
	e, err := p.o.evidence(p.ctx, p.session)
	if err != nil {
		return Result{}, err
	}
	card := audit.Audit(e, p.session.Suppressions...)
	p.print.Grades(card)
	p.grades = card.Grades
	if past.last != nil {
		p.say("\n%s:", past.since())
	}
	p.tell(past.news(card.Grades))
	p.say("\nDue:")
	p.tell(due(p.session, lookAround(p.ctx, p.session)))
	docs := documents{p.o, p.session, past}
	pages := map[string]document{"c": docs.certificates(), "d": docs.destinations(), "p": docs.publish(), "r": docs.rehearsal(), "h": docs.history()}
	ways := "a answers, f findings, c certificates, d destinations, p publish, r rehearse, h history"
	if past.last != nil {
		pages["u"], ways = docs.undo(), ways+", u undo"
	}
	for {
		fmt.Fprintln(p.out)
		answer, err := p.read(ways + ", q quit:")
		if err != nil {
			return Result{}, err
		}
		switch answer {
		case "a":
			return Result{}, nil
		case "f":
			if err := p.findings(card, "return"); err != nil {
				return Result{}, err
			}
			continue
		}
		d, ok := pages[answer]
		if !ok {
			p.say("Answer with one of the letters.")
			continue
		}
		c, err := p.document(d)
		if err == nil && answer == "u" {
			if r, undone := p.undo(past.last, c); undone {
				return r, errDone
			}
		}
	}
}

// tell prints news, each with the letter that leads to it.
func (p *plain) tell(all []news) {
	for _, n := range all {
		text := n.text
		if n.key != "" {
			text += " Answer " + n.key + "."
		}
		p.hung("  "+n.sign+" ", text)
	}
}

// document loads and prints one.
func (p *plain) document(d document) (content, error) {
	p.say("\n%s", oneLine(d.title))
	p.wrapped(strings.ToUpper(d.waiting[:1]) + d.waiting[1:] + ".")
	c, err := d.load(p.ctx)
	if err != nil {
		p.print.Errors(err)
		return c, err
	}
	c.print(report.Printer{W: p.out, Width: p.columns()})
	return c, nil
}

// undo asks whether to undo a run, and reports whether it tried.
func (p *plain) undo(run *apply.Receipt, c content) (Result, bool) {
	question := "Undo this run?"
	if c.risky {
		question = "Accept the risk, and undo this run?"
	}
	answer, err := p.read(question + " y yes, anything else returns:")
	if err != nil || answer != "y" {
		return Result{Err: err}, err != nil
	}
	r, err := apply.Undo(p.ctx, p.o.Machine, run.ConfigDir, run.ID, p.o.applyOptions(p.session, nil, p.print.Step))
	return Result{Receipt: r, Err: err, Undo: p.session.UndoCommand()}, true
}
