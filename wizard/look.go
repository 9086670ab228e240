package wizard

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/report"
	"postseal/internal/session"
)

// lookState is the first page.
type lookState struct {
	done    map[detect.Step]bool
	remarks []report.Remark
	ready   bool
	// files are how those of an interrupted run stand, and unfinishable why it cannot
	// be brought to its end, or empty.
	files        []string
	unfinishable string
	// gen is of the look itself: what was seen then counts until the next one.
	gen int
}

// lookStep says that a step of looking has ended.
type lookStep struct {
	gen     int
	step    detect.Step
	remarks []report.Remark
}

// looked is the end of looking.
type looked struct {
	gen     int
	session *session.Session
	err     error
	now     time.Time
	// files and unfinishable are as in lookState.
	files        []string
	unfinishable string
	// past is what earlier runs did; nil on a first run.
	past *past
}

// startLooking looks at the server. It starts anew after a run too.
func (m *Model) startLooking() tea.Cmd {
	m.gen++
	gen := m.gen
	m.stage, m.look = looking, lookState{done: map[detect.Step]bool{}, gen: gen}
	ctx, o, tell := m.ctx, m.o, m.tell()
	return func() tea.Msg {
		s, err := o.open(ctx, func(step detect.Step, f *detect.Facts) {
			tell(lookStep{gen, step, report.Remarks(f)})
		})
		out := looked{gen: gen, session: s, err: err, now: o.Machine.Now()}
		if err == nil && s.Pending != nil {
			m := host.ReadOnly{Reader: o.Machine}
			out.files, out.unfinishable = s.Pending.State(m), s.Pending.Unfinishable(m, s.StateDir)
		}
		if err == nil {
			out.past = pastOf(o.Machine, s)
		}
		return out
	}
}

// reverted says which run was reverted last, when and why; empty if a person has seen to
// it since.
func reverted(m host.Reader, s *session.Session) string {
	all, err := apply.History(m, s.StateDir, s.ConfigDir)
	if err != nil || len(all) == 0 || all[0].Kind != "undo" || all[0].Why == "" || all[0].Phase != apply.Kept {
		return ""
	}
	return "Run " + all[0].Undoes + " was reverted at " + all[0].When.Local().Format("2006-01-02 15:04") + ": " + report.Clean(all[0].Why) + "."
}

func (m *Model) lookStep(s lookStep) {
	if s.gen == m.gen {
		m.look.done[s.step] = true
		m.look.remarks = s.remarks
	}
}

func (m *Model) looked(l looked) tea.Cmd {
	if l.gen != m.gen {
		return nil
	}
	if l.err != nil {
		m.stage = failed
		m.result = Result{Err: l.err}
		m.end = endState{err: l.err}
		return nil
	}
	m.session, m.server.answers = l.session, l.session.Answers
	m.look.ready, m.look.remarks, m.home = true, report.Remarks(l.session.Facts), homeState{past: l.past}
	if l.session.Pending != nil {
		m.stage, m.look.files, m.look.unfinishable = pending, l.files, l.unfinishable
		m.result.Undo = m.session.UndoCommand()
		return nil
	}
	if u := l.session.Net; u != nil && u.Lost() {
		err := u.Err(l.session.StateDir, m.o.Machine.Now())
		m.stage, m.result, m.end = failed, Result{Err: err}, endState{err: err}
		return nil
	}
	if u := l.session.Unconfirmed; u != nil {
		m.end = endState{receipt: u}
		m.result = Result{Receipt: u, Undo: m.session.UndoCommand()}
		title := "Run " + u.ID + " of " + u.When.Local().Format("2006-01-02 15:04") + " is applied and waits to be confirmed."
		return m.startKeeping(keepState{title: title, net: *m.session.Net, now: l.now})
	}
	cmd := m.gather()
	if l.past == nil {
		return cmd
	}
	return tea.Batch(cmd, m.lookAround(), m.showHome())
}

func (m *Model) lookKey(k tea.KeyMsg) tea.Cmd {
	switch k.String() {
	case "q":
		return m.quit()
	case "esc", "left", "backspace":
		switch {
		case m.look.ready && m.home.past != nil:
			return m.showHome()
		case k.String() == "esc":
			return m.quit()
		}
	case "p":
		if m.look.ready && len(m.session.Facts.Problems) > 0 {
			m.help = newOverlay("Settings that have no effect, or a different one", problems(m.session.Facts))
		}
	case "enter", "right", " ":
		if m.look.ready && m.home.past != nil {
			return m.showHome()
		}
		if m.look.ready {
			return m.showCard()
		}
	default:
		m.scroll(k)
	}
	return nil
}

// problems are the lines of the page about settings.
func problems(f *detect.Facts) (out []string) {
	for _, p := range f.Problems {
		where := p.Origin.String()
		if p.Parameter != "" {
			where = p.Parameter + ", " + where
		}
		out = append(out, where, "    "+p.Text)
	}
	return out
}

func (m *Model) lookPage() page {
	t := m.theme
	title := "Looking at this server. Nothing is changed."
	if m.look.ready {
		title = "The server as it is. Nothing was changed."
	}
	lines := append(indent("   ", wrap(title, m.width-6)), "")
	for _, r := range m.look.remarks {
		lines = append(lines, m.remark(r)...)
	}
	for _, s := range detect.Steps {
		if !m.look.ready && !m.look.done[s] {
			lines = append(lines, "   "+t.quiet.Render(m.spinner()+" "+string(s)))
		}
	}
	p := page{lines: lines, keys: []string{"enter continue", "l commands run", "q quit"}}
	if m.look.ready {
		if n := len(m.session.Facts.Problems); n > 0 {
			p.lines = append(p.lines, "", "   "+t.caution.Render(signNote)+" "+fmt.Sprintf("%d %s not do what %s to", n, plural(n, "setting does", "settings do"), plural(n, "it seems", "they seem")))
			p.keys = []string{"enter continue", "p show settings", "l commands run", "q quit"}
		}
	} else {
		p.keys = p.keys[1:]
	}
	return p
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// remark is a line about the server, with its detail in a column of its own
// where there is room.
func (m *Model) remark(r report.Remark) []string {
	lead := "   " + m.theme.sign(r.Sign) + " "
	const indentation = 5
	half := (m.width - indentation) * 56 / 100
	if m.width < 70 {
		return hang(lead, wrap(r.Text, m.width-indentation-1))
	}
	left := wrap(r.Text, half-1)
	right := wrap(r.Detail, m.width-indentation-half-1)
	for i := range right {
		right[i] = m.theme.quiet.Render(right[i])
	}
	return hang(lead, columns(left, right, half-1))
}

// pendingKey answers what to do with an interrupted run.
func (m *Model) pendingKey(k tea.KeyMsg) tea.Cmd {
	machine, r := m.o.Machine, m.session.Pending
	switch k.String() {
	case "f":
		if m.look.unfinishable != "" {
			return nil
		}
		return m.startRun("Finishing the interrupted run.", func(ctx context.Context, o apply.Options) (*apply.Receipt, error) {
			return apply.Finish(ctx, machine, o)
		})
	case "u":
		return m.startRun("Undoing the interrupted run.", func(ctx context.Context, o apply.Options) (*apply.Receipt, error) {
			return apply.Undo(ctx, machine, r.ConfigDir, r.ID, o)
		})
	case "q", "esc":
		return m.quit()
	default:
		m.scroll(k)
	}
	return nil
}

func (m *Model) pendingPage() page {
	r := m.session.Pending
	lines := []string{
		"   " + m.theme.caution.Render(signNote) + " " + m.theme.strong.Render("An earlier run was interrupted."), "",
	}
	text, undo := "Finish writes what is missing, reloads Postfix and verifies it. Undo restores the old files.", "u undo"
	switch {
	case r.Phase == apply.Reverting && r.Undoes != "":
		text, undo = "It was undoing run "+r.Undoes+", and failed. Continue puts that run into effect again; after that, postseal undo can undo it.", "u continue"
	case r.Phase == apply.Reverting:
		text = "It was being rolled back. Undo continues that."
	case r.Undoes != "":
		text, undo = "It was undoing run "+r.Undoes+". Finish continues that, and verifies it. Leave puts that run into effect again.", "u leave that run in effect"
	case m.look.unfinishable != "":
		text = "It cannot be finished: " + report.Clean(m.look.unfinishable) + ". Undo restores the old files."
	}
	lines = append(append(lines, indent("   ", wrap(text, m.width-6))...), "") // first: a small screen may not have room for all files
	lines = append(lines, indent("   ", wrap(fmt.Sprintf("Run %s of %s came to %q. Its files now:", r.ID, r.When.Local().Format("2006-01-02 15:04"), string(r.Phase)), m.width-6))...)
	for _, s := range m.look.files {
		lines = append(lines, indent("     ", wrap(s, m.width-8))...)
	}
	keys := []string{undo, "q quit"}
	if m.look.unfinishable == "" {
		keys = append([]string{"f finish"}, keys...)
	}
	return page{lines: lines, keys: keys}
}

// quit leaves. What is still under way is cancelled when the program ends.
func (m *Model) quit() tea.Cmd {
	if errors.Is(m.result.Err, ErrQuit) {
		m.result = leftBy(false, m.made)
	}
	return tea.Quit
}

// proceed goes to the next question after a key, or to where all is answered.
func (m *Model) proceed(after string) tea.Cmd {
	passed, f := after == "", m.flow()
	for _, q := range m.relevant() {
		settled := q.Settled(m.session.Facts, f.answers)
		if passed && !settled && (f.asked[q.Name()] || f.answers.Source(q.Name()) == ask.Unset) {
			m.ask(q)
			return nil
		}
		passed = passed || q.Name() == after
	}
	if m.order != nil {
		return m.showList()
	}
	if after == "" {
		// Everything was answered before: by flags, the file, or an earlier run.
		return m.openRerun()
	}
	return m.startReview()
}

// errorLines are all parts of an error, each with its hint.
func (m *Model) errorLines(err error, width int) (out []string) {
	for _, e := range hint.All(err) {
		out = append(out, hang("   "+m.theme.bad.Render(signBad)+" ", wrapAll(e.Error(), width-6))...)
		if h := hint.Of(e); h != "" {
			out = append(out, hang("     "+m.theme.quiet.Render("→ "), wrap(h, width-8))...)
		}
	}
	return out
}
