package wizard

import (
	"context"
	"errors"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/apply"
)

// runState is a run under way: writing, reloading, proving.
type runState struct {
	title  string
	steps  []apply.Event
	cancel context.CancelFunc
	// asking: ctrl+c was pressed, and is asked about. stopping: it is being
	// put back.
	asking, stopping bool
	// late is what came of it while that was asked.
	late tea.Msg
	// waits: what is put back is a run that waits to be kept.
	waits bool
	// Of an order: record is a DNS record that a person is to make, done says
	// that it is made.
	record string
	done   chan struct{}
	// said is what came of it, and next goes on, once it has ended; only what is
	// followed by no page of its own says it here.
	said string
	next func() tea.Cmd
}

// stop is what ctrl+c does.
func (r *runState) stop() string {
	if r.done != nil {
		return "stop the order"
	}
	if r.waits {
		return "stop and leave it in effect"
	}
	return "stop and roll back"
}

// made notes a record that is to be made, or that is needed no more.
func (r *runState) made(msg recordMsg) {
	if r.record = msg.line; msg.made {
		r.record = ""
		r.add(apply.Event{Step: "no longer needed", State: apply.Noted, Text: msg.line})
	}
}

// add notes a step, over the one of the same name.
func (r *runState) add(e apply.Event) {
	i := slices.IndexFunc(r.steps, func(x apply.Event) bool { return x.Step == e.Step })
	switch {
	case i < 0:
		r.steps = append(r.steps, e)
	case e.State == apply.Done && r.steps[i].State == apply.Noted: // keep what it says
	default:
		r.steps[i] = e
	}
}

// stepDone is the progress of a run.
type stepDone struct {
	gen   int
	event apply.Event
}

// ran is the end of a run. It brings all steps with it, since the last ones
// may still be on their way.
type ran struct {
	gen     int
	receipt *apply.Receipt
	err     error
	steps   []apply.Event
}

func (m *Model) startApply() tea.Cmd {
	p, accepted, machine, net := m.review.plan, m.risk.accepted, m.o.Machine, m.o.net(m.session)
	m.result.Command, m.result.Undo = m.session.Command(p), m.session.UndoCommand()
	return m.startRun("Applying.", func(ctx context.Context, o apply.Options) (*apply.Receipt, error) {
		o.Accept, o.Rehearse = accepted, nil // it was rehearsed before their eyes
		o.Net = net
		return apply.Run(ctx, machine, p, o)
	})
}

// startRun runs something that changes the machine, and shows its steps.
func (m *Model) startRun(title string, do func(context.Context, apply.Options) (*apply.Receipt, error)) tea.Cmd {
	options := m.o.applyOptions
	ses := m.session
	return m.begin(runState{title: title}, func(ctx context.Context, gen int, step func(apply.Event)) tea.Msg {
		var all runState
		r, err := do(ctx, options(ses, nil, func(e apply.Event) {
			all.add(e)
			step(e)
		}))
		return ran{gen, r, err, all.steps}
	})
}

// begin shows the steps of something that takes its time, until it ends with a
// message.
func (m *Model) begin(r runState, do func(ctx context.Context, gen int, step func(apply.Event)) tea.Msg) tea.Cmd {
	m.gen++
	gen := m.gen
	ctx, cancel := context.WithCancel(m.ctx)
	m.stage, m.run = applying, r
	m.run.cancel = cancel
	tell := m.tell()
	return tea.Batch(nextTick(), func() tea.Msg {
		defer cancel()
		return over{gen, do(ctx, gen, func(e apply.Event) { tell(stepDone{gen, e}) })}
	})
}

// over is the end of what takes its time, with the message that says how it ended.
type over struct {
	gen int
	msg tea.Msg
}

// over goes on to what came of it, once it is answered whether to stop: a "y" to that
// must not meet the next page.
func (m *Model) over(o over) tea.Cmd {
	if o.gen == m.gen && m.run.asking {
		m.run.late = o.msg
		return nil
	}
	return m.outcome(o.msg)
}

func (m *Model) ran(r ran) tea.Cmd {
	if r.gen != m.gen {
		return nil
	}
	if m.run.waits {
		if r.err != nil && !errors.Is(r.err, apply.ErrNotRolledBack) {
			return tea.Batch(m.notPutBack(r.err), m.leftMeanwhile())
		}
		m.result.Command = nil // the run that it made is in force no more
	}
	m.stage = ended
	m.end = endState{receipt: r.receipt, err: r.err, steps: r.steps}
	m.result.Receipt, m.result.Err = r.receipt, r.err
	if gone := m.leftMeanwhile(); gone != nil {
		return gone
	}
	m.end.late = m.run.stopping && r.err == nil
	if r.err != nil || r.receipt == nil || r.receipt.Phase != apply.Kept {
		return nil
	}
	if r.receipt.ConfirmBy.IsZero() {
		return tea.Batch(nextTick(), m.measure(r.receipt))
	}
	k := keepState{title: applied(r.receipt), now: r.receipt.ConfirmBy.Add(-m.o.Within)}
	if m.end.late {
		m.keep = k // if it cannot be put back
		return m.putBack()
	}
	return m.startKeeping(k)
}

// putBack takes back the run that waits to be kept.
func (m *Model) putBack() tea.Cmd {
	machine, r := m.o.Machine, m.end.receipt
	cmd := m.startRun("Rolling back.", func(ctx context.Context, o apply.Options) (*apply.Receipt, error) {
		return apply.PutBack(ctx, machine, r.ConfigDir, r.ID, o)
	})
	m.run.waits = true
	return cmd
}

// leftMeanwhile ends the program if nobody is there any more to read a page.
func (m *Model) leftMeanwhile() tea.Cmd {
	if m.ctx.Err() != nil {
		return tea.Quit
	}
	return nil
}

// runKey answers whether to stop; nothing else can be pressed meanwhile.
func (m *Model) runKey(k tea.KeyMsg) tea.Cmd {
	r := &m.run
	if r.next != nil {
		switch k.String() {
		case "enter", "right":
			return r.next()
		case "q":
			return m.quit()
		}
		return nil
	}
	if !r.asking {
		if k.String() == "enter" && r.record != "" {
			r.record = ""
			select {
			case r.done <- struct{}{}:
			default: // it was said already
			}
		}
		return nil
	}
	return m.decided(k.String() == "y")
}

// decided says whether to stop what is under way, and goes on if it has ended meanwhile.
func (m *Model) decided(stop bool) tea.Cmd {
	r := &m.run
	r.asking = false
	if stop {
		r.stopping = true
		r.cancel()
	}
	late := r.late
	r.late = nil
	return m.outcome(late)
}

func (m *Model) runPage() page {
	r, t := &m.run, m.theme
	lines := append(indent("   ", wrap(r.title, m.width-6)), "")
	for _, s := range r.steps {
		lines = append(lines, m.stepLines(s)...)
	}
	p := page{focus: len(lines), keys: []string{"ctrl+c " + r.stop()}}
	switch {
	case r.next != nil:
		lines = append(lines, "")
		lines = append(lines, hang("   "+t.sign(signGood)+" ", wrap(r.said, m.width-7))...)
		p.focus, p.keys = len(lines), []string{"enter next", "q quit"}
	case r.stopping:
		lines = append(lines, "", "   "+t.caution.Render(signNote)+" Stopping: rolling back what was begun.")
		p.keys = nil
	case r.asking:
		lines = append(lines, "", "   "+t.caution.Render(signNote)+" "+strings.ToUpper(r.stop()[:1])+r.stop()[1:]+"?")
		p.keys = []string{"y stop", "n continue"}
	case r.record != "":
		lines = append(lines, "")
		lines = append(lines, hang("   "+t.caution.Render(signNote)+" ", wrap("Add this record to your zone, and press Enter when it is published:", m.width-7))...)
		lines = append(lines, "")
		p.focus = len(lines)
		lines = append(lines, indent("     ", wrap(r.record, m.width-8))...)
		p.keys = []string{"enter published", "ctrl+c stop"}
	}
	p.lines = lines
	return p
}

// stepLines are a step with its sign, and what came of it.
func (m *Model) stepLines(e apply.Event) []string {
	t := m.theme
	sign := t.quiet.Render(m.spinner())
	switch e.State {
	case apply.Done:
		sign = t.sign(signGood)
	case apply.Noted:
		sign = t.sign(signNote)
	case apply.Failed:
		sign = t.sign(signBad)
	}
	lines := hang("   "+sign+" ", wrap(e.Step, m.width-7))
	if e.Text != "" {
		lines = append(lines, indent("     ", styled(t.quiet, wrapAll(e.Text, m.width-8)))...)
	}
	return lines
}
