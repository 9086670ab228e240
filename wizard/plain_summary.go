package wizard

import (
	"context"
	"fmt"

	"postseal/internal/apply"
)

// summary prints the grades after a run that stays, and what is still open; it records the
// grades for the next look.
func (p *plain) summary(r *apply.Receipt) {
	if r.Kind != "apply" || r.FilesOnly || r.Phase != apply.Kept {
		return
	}
	p.wrapped("Testing again.")
	card, err := p.o.cardNow(p.ctx)
	if err != nil {
		p.wrapped("The grades are not known: " + err.Error() + ".")
		return
	}
	was := lettersOf(p.grades)
	for _, g := range card.Grades {
		text := g.Letter
		if before := was[string(g.Part)]; before != "" && before != g.Letter {
			text = "was " + before + ", and is " + g.Letter
		}
		p.hung(fmt.Sprintf("  %-13s ", g.Part), text)
	}
	for i, f := range worthDoing(&card) {
		if i == 0 {
			p.say("Still open:")
		}
		p.hung("  "+signNote+" ", f.Title+". Remedy: "+f.Cure.Text)
	}
	if p.session.Facts.Root {
		_ = apply.Graded(context.WithoutCancel(p.ctx), p.o.Machine, p.session.StateDir, r.ID, lettersOf(card.Grades)) // the next look does without
	}
}
