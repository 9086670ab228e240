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
// failure there is a risk that must be accepted by name. That it cannot be
// played at all is only noted: the change is proved afterwards, and put back.
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
	if ctx.Err() != nil {
		return done(context.Cause(ctx))
	}
	if err != nil {
		t.event(Event{Step: step, State: Noted, Text: "not possible here: " + err.Error()})
		return nil //nolint:nilerr // the change is proved afterwards
	}
	failures := r.Failures()
	if len(failures) == 0 && len(r.Missing) > 0 {
		t.event(Event{Step: step, State: Noted, Text: fmt.Sprintf("%d clients and servers as they should be; %s", len(r.Trials), strings.Join(r.Notes, "; "))})
		return nil
	}
	if len(failures) == 0 {
		t.event(Event{Step: step, State: Done, Text: fmt.Sprintf("%d clients and servers, all as they should be", len(r.Trials))})
		return nil
	}
	failure := Failure(failures)
	if slices.Contains(t.o.Accept, plan.RiskFailedRehearsal) {
		t.event(Event{Step: step, State: Noted, Text: "accepted: " + failure.Error()})
		return nil
	}
	return done(hint.Wrap(fmt.Errorf("%w: %s: %w", ErrRisk, plan.RiskFailedRehearsal, failure),
		"postseal rehearse shows all of it; nothing was written. To go on all the same: --accept-risk "+plan.RiskFailedRehearsal))
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
		text = f.Direction + ": " + text
		if !seen[text] {
			seen[text] = true
			texts = append(texts, text)
		}
	}
	return fmt.Errorf("%s", strings.Join(texts, "; "))
}
