package wizard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/apply"
	"postseal/internal/plan"
	"postseal/internal/rehearse"
	"postseal/internal/report"
)

// rehearsalState is the plan played on a private Postfix.
type rehearsalState struct {
	trials []rehearse.Trial
	report *rehearse.Report // nil while it runs
	err    error            // why it could not be played
	cancel context.CancelFunc
	cursor int // which of the trials that are worth a look
	// leaving: it was stopped, and the program ends when it has cleared up.
	leaving bool
}

// running says whether it is under way.
func (r *rehearsalState) running() bool { return r.report == nil && r.err == nil }

// doubts are the risks that it leaves.
func (r *rehearsalState) doubts() []plan.Risk {
	if r.running() {
		return nil
	}
	return apply.Doubts(r.report, r.err)
}

// doubt says what a risk that a rehearsal leaves means, and its name.
func doubt(r plan.Risk) string {
	text := "If you apply this, what fails here will fail for real senders and destinations."
	if r.Name == plan.RiskUnrehearsed {
		text = "Not everything could be rehearsed. After apply, a handshake with every listener verifies receiving, and a failure is rolled back; sending is not verified."
	}
	return text + " The name of this risk: " + r.Name + "."
}

// worth are the trials that are worth a look: what failed comes first.
func (r *rehearsalState) worth() []rehearse.Trial {
	out := slices.DeleteFunc(slices.Clone(r.trials), func(t rehearse.Trial) bool { return t.Verdict == rehearse.Fine })
	slices.SortStableFunc(out, func(a, b rehearse.Trial) int { return rank(a.Verdict) - rank(b.Verdict) })
	return out
}

// chosen is the trial under the cursor, or nil if none is worth a look.
func (r *rehearsalState) chosen() *rehearse.Trial {
	worth := r.worth()
	if len(worth) == 0 {
		return nil
	}
	return &worth[min(r.cursor, len(worth)-1)]
}

// foreign says whether a trial came out as it did by what no answer changes.
func foreign(t rehearse.Trial) bool { return t.Cause != nil && t.Cause.Foreign }

func rank(v rehearse.Verdict) int {
	return slices.Index([]rehearse.Verdict{rehearse.Failed, rehearse.Noted, rehearse.Fine}, v)
}

// trialDone is one trial that ended, rehearsed the end of them all.
type trialDone struct {
	gen   int
	trial rehearse.Trial
}

type rehearsed struct {
	gen    int
	report *rehearse.Report
	err    error
}

// startRehearsal plays the plan, if that can be done here.
func (m *Model) startRehearsal() tea.Cmd {
	if m.o.FilesOnly || !m.review.plan.Reload() {
		return m.startApply()
	}
	m.gen++
	o, gen, ses, p := m.o, m.gen, m.session, m.review.plan
	ctx, cancel := context.WithCancel(m.ctx)
	m.stage, m.rehearsal = rehearsing, rehearsalState{cancel: cancel}
	tell := m.tell()
	return tea.Batch(nextTick(), func() tea.Msg {
		defer cancel()
		files, err := apply.Assembled(o.Machine, p)
		if err != nil {
			return rehearsed{gen, nil, err}
		}
		r, err := o.rehearsal(ses, func(t rehearse.Trial) { tell(trialDone{gen, t}) })(ctx, p, files)
		return rehearsed{gen, r, err}
	})
}

func (m *Model) rehearsed(r rehearsed) tea.Cmd {
	switch {
	case r.gen != m.gen:
		return nil
	case m.rehearsal.leaving || m.ctx.Err() != nil:
		m.result = leftBy(true, m.made)
		return tea.Quit
	}
	if m.rehearsal.report, m.rehearsal.err = r.report, r.err; r.report != nil {
		m.rehearsal.trials = r.report.Trials
	}
	return nil
}

func (m *Model) rehearsalKey(k tea.KeyMsg) tea.Cmd {
	r := &m.rehearsal
	worth, doubts := r.worth(), r.doubts()
	switch k.String() {
	case "left", "esc", "backspace":
		r.cancel()
		m.gen++
		m.stage = reviewing
	case "q":
		if !r.running() {
			return m.quit()
		}
		r.leaving = true
		r.cancel()
	case "tab":
		r.cursor = (r.cursor + 1) % max(1, len(worth))
		m.top = m.rehearsalText().focus
	case "a":
		if r.err == nil {
			m.help = newOverlay("All results", m.allTrials())
		}
	case "e":
		switch x := r.chosen(); {
		case x == nil:
			m.list.review = true
			return m.showList()
		case !foreign(*x):
			return m.change(*x)
		}
	case "r":
		if x := r.chosen(); x != nil && foreign(*x) {
			r.cancel()
			return m.startAfresh()
		}
	case "y": // and not enter, which is pressed once too often: the server changes now
		if !r.running() {
			for _, d := range doubts {
				m.risk.accepted = append(m.risk.accepted, d.Name)
			}
			return m.startApply()
		}
	default:
		m.scroll(k)
	}
	return nil
}

// change opens the question that a failure comes from, or all answers.
func (m *Model) change(t rehearse.Trial) tea.Cmd {
	m.rehearsal.cancel()
	m.list.review = true
	if t.Cause == nil {
		return m.showList()
	}
	return m.openQuestion(t.Cause.Question)
}

// allTrials are the lines of the page that shows everything.
func (m *Model) allTrials() (out []string) {
	group := ""
	for _, t := range m.rehearsal.trials {
		if g := where(t); g != group {
			group = g
			out = append(out, g)
		}
		sign := signGood
		switch t.Verdict {
		case rehearse.Failed:
			sign = signBad
		case rehearse.Noted:
			sign = signNote
		}
		out = append(out, fmt.Sprintf("  %s %s: %s", sign, t.With, t.Got))
	}
	return out
}

// where is what a group of trials is about.
func where(t rehearse.Trial) string {
	if t.Level != "" {
		return "sending" + t.By() + " at level " + t.Level
	}
	return "receiving at " + t.Service
}

func (m *Model) rehearsalPage() page {
	p := m.rehearsalText()
	p.focus = 0
	return m.text(p)
}

// rehearsalText is the page as a whole; focus is the line of the cursor.
func (m *Model) rehearsalText() page {
	r, t := &m.rehearsal, m.theme
	lines := append(indent("   ", wrap("Rehearsing on a private Postfix. Mail is not touched.", m.width-6)), "")
	if r.err != nil {
		why := errors.Unwrap(r.err)
		if why == nil {
			why = r.err
		}
		lines = append(lines, hang("   "+t.caution.Render(signNote)+" ", wrap("It cannot be rehearsed here: "+why.Error(), m.width-8))...)
		lines = append(lines, m.doubtLines()...)
		return page{lines: lines, keys: []string{"y apply anyway", "e change an answer", "← back", "q quit"}}
	}
	lines = append(lines, m.groups()...)
	worth := r.worth()
	keys := []string{"a show all", "← back", "q quit"}
	switch {
	case r.leaving:
		lines = append(lines, "", "   "+t.caution.Render(signNote)+" Stopping and cleaning up.")
		return page{lines: lines}
	case r.running():
	case len(r.doubts()) > 0:
		keys = append([]string{"e change the answer", "y apply anyway"}, keys...)
	default:
		keys = append([]string{"y apply", "e change an answer"}, keys...)
	}
	if x := r.chosen(); x != nil && foreign(*x) {
		keys = slices.DeleteFunc(keys, func(k string) bool { return strings.HasPrefix(k, "e ") })
		keys = append([]string{"r reload files"}, keys...)
	}
	focus := 0
	if len(worth) > 0 {
		lines = append(lines, "")
	}
	if len(worth) > 1 {
		keys = slices.Insert(keys, len(keys)-2, "tab next")
	}
	for i, x := range worth {
		chosen := i == min(r.cursor, len(worth)-1)
		if chosen {
			focus = len(lines)
		}
		lines = append(lines, m.trialLines(x, chosen)...)
	}
	lines = append(lines, m.doubtLines()...)
	return page{lines: lines, focus: focus, keys: keys}
}

// doubtLines are the risks that it leaves, in words.
func (m *Model) doubtLines() (lines []string) {
	for _, d := range m.rehearsal.doubts() {
		lines = append(lines, "")
		lines = append(lines, hang("   "+m.theme.caution.Render(signNote)+" ", wrap(doubt(d), m.width-8))...)
	}
	return lines
}

// groups is one line for each listener, and one for sending.
func (m *Model) groups() (lines []string) {
	r, t := &m.rehearsal, m.theme
	type group struct{ all, worst, fine int }
	var order []string
	found := map[string]*group{}
	for _, x := range r.trials {
		g := found[where(x)]
		if g == nil {
			g = &group{worst: rank(rehearse.Fine)}
			found[where(x)] = g
			order = append(order, where(x))
		}
		g.all++
		g.worst = min(g.worst, rank(x.Verdict))
		if x.Verdict == rehearse.Fine {
			g.fine++
		}
	}
	for _, name := range order {
		g := found[name]
		sign := t.sign([]string{signBad, signNote, signGood}[g.worst])
		text := fmt.Sprintf("%s: %d as expected", name, g.fine)
		if g.fine < g.all {
			text += fmt.Sprintf(", %d to review", g.all-g.fine)
		}
		lines = append(lines, hang("   "+sign+" ", wrap(text, m.width-8))...)
	}
	if r.running() {
		lines = append(lines, "   "+t.quiet.Render(m.spinner()+" testing clients and servers"))
	} else if r.report != nil {
		for _, n := range r.report.Notes {
			lines = append(lines, hang("   "+t.caution.Render(signNote)+" ", wrap(n, m.width-8))...)
		}
	}
	return lines
}

// trialLines are a trial that is worth a look.
func (m *Model) trialLines(x rehearse.Trial, chosen bool) []string {
	t := m.theme
	sign, lead, style := t.sign(signNote), "     ", t.plain
	if x.Verdict == rehearse.Failed {
		sign = t.sign(signBad)
	}
	if chosen {
		lead, style = "   "+t.accent.Render(signHere)+" ", t.strong
	}
	head := "sending" + x.By() + ", " + x.With + ": " + x.Text
	if x.Level == "" {
		head = x.Service + ", " + x.With + ": " + x.Text
	}
	lines := hang(lead+sign+" ", styled(style, wrap(head, m.width-10)))
	say := func(text string) {
		lines = append(lines, indent("       ", styled(t.quiet, wrap(text, m.width-10)))...)
	}
	say(x.Got)
	if x.Want != "" {
		say("should be: " + x.Want)
	}
	if x.Cause != nil {
		say(report.Cause(*x.Cause))
	}
	if chosen && foreign(x) {
		say("After editing, press r to reload the files; your answers are kept.")
	}
	return lines
}
