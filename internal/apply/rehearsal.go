package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/plan"
	"postseal/internal/rehearse"
)

// Rehearse tries a plan on a private Postfix. files are the contents that are
// put together only when they are written, by path.
type Rehearse func(ctx context.Context, p *plan.Plan, files map[string][]byte) (*rehearse.Report, error)

// Assembled is what a plan's files with keys will hold, by path.
func Assembled(m host.Reader, p *plan.Plan) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, f := range p.Files {
		if f.Assemble == nil {
			continue
		}
		content, err := assemble(m, f.Assemble)
		if err != nil {
			return nil, err
		}
		out[f.Path] = content
	}
	return out, nil
}

// rehearse plays the change on a private Postfix before anything is written. A
// failure there is a risk that must be accepted by name, and so is that it, or
// half of it, could not be played. Only root can; to anybody else that is noted.
func (t *transaction) rehearse(ctx context.Context, p *plan.Plan) error {
	if t.o.Rehearse == nil || t.FilesOnly {
		return nil
	}
	const step = "rehearse on a private Postfix"
	done := t.step(step)
	files := map[string][]byte{}
	for i, e := range t.Entries {
		if e.Kind == plan.ChainPEM {
			files[e.Path] = t.new[i]
		}
	}
	r, err := t.o.Rehearse(ctx, p, files)
	if err := interrupted(ctx); err != nil {
		return done(err)
	}
	if err != nil && t.m.UID() != 0 {
		t.event(Event{Step: step, State: Noted, Text: "not possible here: " + err.Error()})
		return nil
	}
	risks := Doubts(r, err)
	if len(risks) == 0 {
		text := "all as expected"
		if slices.ContainsFunc(r.Trials, func(x rehearse.Trial) bool { return x.Verdict == rehearse.Noted }) {
			text = "none fails"
		}
		t.event(Event{Step: step, State: Done, Text: fmt.Sprintf("%d %s, %s", len(r.Trials), r.Whom(), text)})
		return nil
	}
	var open, names, accepted []string
	for _, risk := range risks {
		if slices.Contains(t.o.Accept, risk.Name) {
			accepted = append(accepted, risk.Text)
			continue
		}
		open, names = append(open, risk.Name+": "+risk.Text), append(names, risk.Name)
	}
	if len(open) == 0 {
		t.event(Event{Step: step, State: Noted, Text: "accepted: " + strings.Join(accepted, "; ")})
		return nil
	}
	return done(hint.Wrap(fmt.Errorf("%w: %s", ErrRisk, strings.Join(open, "; ")),
		"run postseal rehearse for the details; nothing was written. To apply anyway: --accept-risk "+strings.Join(names, ",")))
}

// Doubts are the risks that a rehearsal leaves: of what failed, and of what
// could not be played.
func Doubts(r *rehearse.Report, err error) (out []plan.Risk) {
	if err != nil {
		return []plan.Risk{{Name: plan.RiskUnrehearsed, Text: err.Error()}}
	}
	if failures := r.Failures(); len(failures) > 0 {
		out = append(out, plan.Risk{Name: plan.RiskFailedRehearsal, Text: Failure(failures).Error()})
	}
	if len(r.Missing) > 0 {
		out = append(out, plan.Risk{Name: plan.RiskUnrehearsed, Text: strings.Join(r.Notes, "; ")})
	}
	return out
}

// Failure says in one line what went wrong in a rehearsal: each cause once.
func Failure(failures []rehearse.Trial) error {
	var texts []string
	seen := map[string]bool{}
	for _, f := range failures {
		text := f.Got
		if f.Cause != nil {
			text = f.Cause.Text
		}
		text = f.Direction + f.By() + ": " + text
		if !seen[text] {
			seen[text] = true
			texts = append(texts, text)
		}
	}
	return fmt.Errorf("%s", strings.Join(texts, "; "))
}
