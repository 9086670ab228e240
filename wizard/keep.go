package wizard

import (
	"errors"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/report"
)

// keepState is a run that is written and proved, and goes back by itself
// unless it is kept.
type keepState struct {
	title    string
	follow   *apply.Follow
	readable bool
	tally    apply.Tally
	worse    string
	now      time.Time
	net      apply.Unconfirmed // as it stands
	message  string
	busy     bool // keeping it is under way
}

// counted is one look at the log, and whether the run still waits.
type counted struct {
	gen      int
	follow   *apply.Follow
	readable bool
	tally    apply.Tally
	worse    string
	waits    bool
	net      apply.Unconfirmed
	now      time.Time
}

// kept is the end of keeping it; undo is what took it back, if something did.
type kept struct {
	gen  int
	undo *apply.Receipt
	err  error
	// stopped: nothing is counted since.
	stopped bool
}

var countTime = time.Second // tests do not wait for it

// applied is the title of a run that was just made.
func applied(r *apply.Receipt) string {
	if r.Unproved() != "" {
		return "Applied."
	}
	return "Applied and verified."
}

// startKeeping shows the countdown, from what is known.
func (m *Model) startKeeping(k keepState) tea.Cmd {
	m.gen++
	m.stage, m.keep = keeping, k
	return m.count(0) // the handshakes of a report card would be counted too
}

// count looks at the log after a while.
func (m *Model) count(after time.Duration) tea.Cmd {
	gen, ctx, machine, ses, f, readable := m.gen, m.ctx, m.o.Machine, m.session, m.keep.follow, m.keep.readable
	run := m.end.receipt.ID
	return tea.Tick(after, func(time.Time) tea.Msg {
		if f == nil {
			f, readable = apply.NewFollow(ctx, machine, ses.ApplyOptions())
		}
		out := counted{gen: gen, follow: f, readable: readable, now: machine.Now()}
		if readable && f.Poll(ctx) == nil {
			out.tally, out.worse = f.Now, f.Now.Worse(f.Before)
		}
		u, err := apply.Waiting(machine, ses.StateDir)
		out.waits = err != nil || u != nil && u.Run == run
		if u != nil {
			out.net = *u
		}
		return out
	})
}

func (m *Model) counted(c counted) tea.Cmd {
	if c.gen != m.gen || m.stage != keeping {
		return nil
	}
	k := &m.keep
	k.follow, k.readable, k.tally, k.worse, k.now = c.follow, c.readable, c.tally, c.worse, c.now
	k.net = c.net
	if !c.waits && !k.busy {
		return m.settled()
	}
	return m.count(countTime)
}

// settled is the end of a run that was kept or put back from elsewhere.
func (m *Model) settled() tea.Cmd {
	gen, machine, ses, r := m.gen, m.o.Machine, m.session, m.end.receipt
	return func() tea.Msg {
		undo, err := apply.Fate(machine, ses.StateDir, r.ConfigDir, r.ID)
		return kept{gen, undo, err, true}
	}
}

func (m *Model) kept(k kept) tea.Cmd {
	if k.gen != m.gen || m.stage != keeping {
		return nil
	}
	over := errors.Is(k.err, apply.ErrRolledBack) || errors.Is(k.err, apply.ErrLost) && k.stopped
	if k.err != nil && !over {
		if m.keep.busy, m.keep.message = false, withHint(k.err); k.stopped {
			return m.count(countTime)
		}
		return nil
	}
	m.gen++
	m.stage = ended
	if m.end.receipt.ConfirmBy = (time.Time{}); k.err != nil {
		m.end = endState{err: k.err, head: "Its records are missing. The new settings are in effect."}
		switch {
		case k.undo != nil && k.undo.Why != "":
			m.end.head = "It was not confirmed in time. Everything was reverted."
		case errors.Is(k.err, apply.ErrRolledBack):
			m.end.head = "It was undone from another terminal. Everything is as it was before the run."
		}
		m.result.Receipt, m.result.Err = nil, apply.InForce(k.err)
		return nextTick()
	}
	return tea.Batch(nextTick(), m.measure(m.end.receipt))
}

// notPutBack shows the countdown again: the run is in force, and its net stands.
func (m *Model) notPutBack(err error) tea.Cmd {
	m.gen++
	m.stage, m.keep.busy = keeping, false
	m.keep.message = "Could not be reverted, and the new settings are in effect: " + withHint(err)
	return m.count(0)
}

// withHint is an error with what to do about it, as one text.
func withHint(err error) string {
	text := err.Error()
	if h := hint.Of(err); h != "" {
		text += ". What to do: " + h
	}
	return text
}

func (m *Model) keepKey(k tea.KeyMsg) tea.Cmd {
	switch k.String() {
	case "y":
		if m.keep.busy {
			return nil
		}
		m.keep.busy = true
		gen, ctx, machine, dir, r := m.gen, m.ctx, m.o.Machine, m.session.StateDir, m.end.receipt
		return func() tea.Msg {
			_, err := apply.Confirm(ctx, machine, dir, r.ConfigDir, r.ID)
			if errors.Is(err, apply.ErrRolledBack) { // meanwhile
				undo, err := apply.Fate(machine, dir, r.ConfigDir, r.ID)
				return kept{gen, undo, err, false}
			}
			return kept{gen, nil, err, false}
		}
	case "n":
		return m.putBack()
	case "l":
		m.help = newOverlay("Postfix warnings and failed peers", m.keepDetails())
	case "t":
		m.help = newOverlay("What to test now", m.tests())
	case "q":
		return m.quit() // the net stays: what is left on the screen says so
	default:
		m.scroll(k)
	}
	return nil
}

// worstPeers is how many of those who fail are on the page; l shows more.
const worstPeers = 3

func (m *Model) keepDetails() []string {
	out := append([]string{}, m.keep.tally.Warnings...)
	for _, peer := range m.keep.tally.Worst(20) {
		out = append(out, fmt.Sprintf("%s  failed %d times", peer, m.keep.tally.Peers[peer]))
	}
	if len(out) == 0 {
		out = []string{"None so far."}
	}
	out = append(out, "", "Commands run")
	return append(out, m.o.Machine.Lines()...)
}

// keepKeys are the keys of the page that asks whether to keep a run.
var keepKeys = []string{"y confirm", "n undo", "t what to test", "l log", "q decide later"}

func (m *Model) keepPage() page {
	k, t := &m.keep, m.theme
	left := max(0, m.end.receipt.ConfirmBy.Sub(k.now)).Round(time.Second)
	lines := hang("   "+t.good.Render(signGood)+" ", wrap(k.title, m.width-8))
	if excused := report.Excused(m.end.receipt); excused != "" {
		lines = append(lines, hang("   "+t.sign(signNote)+" ", wrap(excused, m.width-8))...)
	}
	lines = append(lines, "")
	clock := fmt.Sprintf("%d:%02d", int(left.Minutes()), int(left.Seconds())%60)
	if !k.net.By.IsZero() && (left == 0 || k.net.Astray(k.now)) {
		lines = append(lines, hang("   "+t.sign(signBad)+" ", wrap("It "+report.Clean(k.net.Stands(k.now))+".", m.width-8))...)
	} else {
		lines = append(lines, indent("   ", wrap("Confirm it? It reverts automatically in "+clock+", even if this terminal is closed.", m.width-6))...)
	}
	if k.message != "" {
		lines = append(lines, "")
		lines = append(lines, hang("   "+t.sign(signBad)+" ", wrap(k.message, m.width-8))...)
	}
	lines = append(lines, "")
	if k.net.Trouble != "" {
		lines = append(lines, hang("   "+t.sign(signNote)+" ", wrap("Reverting restores a state that already had problems: "+report.Clean(k.net.Trouble)+".", m.width-8))...)
		lines = append(lines, "")
	}
	row := func(name, text string, bad bool) {
		style := t.plain
		if bad {
			style = t.caution
		}
		lines = append(lines, "   "+t.quiet.Render(name)+strings.Repeat(" ", 16-len(name))+style.Render(text))
	}
	if k.readable {
		x := k.tally
		row("handshakes in", fmt.Sprintf("%d ok   %d failed", x.InOK, x.InFailed), x.InFailed > 0)
		row("handshakes out", fmt.Sprintf("%d ok   %d failed", x.OutOK, x.OutFailed), x.OutFailed > 0)
		row("deferred by TLS", fmt.Sprint(x.Deferred), x.Deferred > 0)
		row("warnings", fmt.Sprint(len(x.Warnings)), len(x.Warnings) > 0)
		if x.Died > 0 {
			row("daemons died", fmt.Sprint(x.Died), true)
		}
		for i, peer := range x.Worst(worstPeers) {
			name := ""
			if i == 0 {
				name = "failed with"
			}
			row(name, fmt.Sprintf("%s   %d times", report.Clean(strings.Join(strings.Fields(peer), " ")), x.Peers[peer]), false)
		}
	} else if k.follow != nil {
		lines = append(lines, indent("   ", styled(t.quiet, wrap("The Postfix log cannot be read here, so nothing is counted.", m.width-6)))...)
	}
	if k.worse != "" {
		lines = append(lines, "")
		lines = append(lines, hang("   "+t.sign(signNote)+" ", wrap("Worse than before: "+k.worse+". Press n to undo.", m.width-8))...)
	}
	if m.height >= 20 {
		lines = append(lines, "", "   "+t.accent.Render("Test now"))
		for _, l := range m.tests() {
			text := strings.TrimLeft(l, " ")
			lines = append(lines, indent("   "+l[:len(l)-len(text)], wrap(text, m.width-8))...)
		}
	}
	return page{lines: lines, keys: keepKeys}
}
