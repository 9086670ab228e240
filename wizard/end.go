package wizard

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/rehearse"
	"postseal/internal/report"
)

// endState is the last page.
type endState struct {
	receipt *apply.Receipt
	err     error
	head    string // what err comes to, where it has one of its own
	steps   []apply.Event
	nothing bool   // there was nothing to do
	late    bool   // it was to be stopped, and had ended already
	copied  string // where the command was copied to
}

func (m *Model) endKey(k tea.KeyMsg) tea.Cmd {
	switch k.String() {
	case "q", "esc":
		return m.quit()
	case "enter", "right":
		if m.stage == ended && m.end.err == nil && !m.end.nothing {
			return m.lookAgain()
		}
	case "c":
		if m.stays() && len(m.result.Command) > 0 {
			return m.copy(hint.ShellLine(m.result.Command))
		}
	case "e":
		if m.stage == ended && m.end.err != nil && m.review.plan != nil {
			return m.showList()
		}
	default:
		m.scroll(k)
	}
	return nil
}

// lookAgain begins anew after a run; its result stays.
func (m *Model) lookAgain() tea.Cmd {
	m.server = newFlow(m.server.set, m.server.answers) // which the header shows until the new look is over
	m.review, m.risk, m.rehearsal, m.list, m.question = reviewState{}, riskState{}, rehearsalState{}, listState{}, questionState{}
	return tea.Batch(m.startLooking(), nextTick())
}

// commandFile is where c writes the command for a terminal without a clipboard.
const commandFile = "postseal-command.txt"

// copied says where the command was copied to.
type copied struct{ where string }

// copy puts text on the clipboard of the terminal, or into a file where there is none.
func (m *Model) copy(text string) tea.Cmd {
	if m.terminal != nil && m.terminal.clipboard {
		m.end.copied = "to the clipboard, if this terminal lets programs set it"
		return m.terminal.copy(text)
	}
	machine, path := m.o.Machine, filepath.Join(m.o.SaveIn, commandFile)
	return func() tea.Msg {
		path, err := filepath.Abs(path)
		if err == nil {
			err = machine.Save(path, []byte(text+"\n"), 0o600)
		}
		if err != nil {
			return copied{"nowhere: " + err.Error()}
		}
		return copied{"to " + path + ": this terminal has no clipboard for programs"}
	}
}

func (m *Model) endPage() page {
	e, t := &m.end, m.theme
	switch {
	case m.stage == failed:
		lines := []string{"   " + t.strong.Render("postseal cannot work on this server yet."), ""}
		return page{lines: append(lines, m.errorLines(e.err, m.width-2)...), keys: []string{"l commands run", "q quit"}}
	case e.nothing:
		return page{lines: hang("   "+t.good.Render(signGood)+" ", wrap("Nothing to do: the server already matches the answers.", m.width-8)), keys: []string{"q quit"}}
	case e.err != nil:
		return m.failurePage()
	}
	return m.sealedPage()
}

// failurePage says what failed, and what state everything is in.
func (m *Model) failurePage() page {
	e, t := &m.end, m.theme
	head, what := "Nothing was changed.", "It failed"
	if errors.Is(e.err, context.Canceled) {
		what = "Stopped"
	}
	sign := t.caution.Render(signNote)
	switch {
	case errors.Is(e.err, apply.ErrLost):
		head, sign = e.head, t.bad.Render(signBad)
	case e.head != "":
		head = e.head
	case errors.Is(e.err, apply.ErrRolledBack) && e.receipt != nil && e.receipt.Kind == "undo":
		head = "The run could not be undone. It is still in effect."
	case errors.Is(e.err, apply.ErrNotRolledBack) && e.receipt != nil && e.receipt.Restored:
		head, sign = what+". Every file is restored, but Postfix may still use the new settings.", t.bad.Render(signBad)
	case errors.Is(e.err, apply.ErrNotRolledBack):
		head, sign = what+", and the rollback failed.", t.bad.Render(signBad)
	case errors.Is(e.err, apply.ErrRolledBack):
		head = what + ". Everything was rolled back, and verified."
		if m.o.FilesOnly {
			head = what + ". Everything was rolled back."
		}
	}
	lines := hang("   "+sign+" ", styled(t.strong, wrap(head, m.width-8)))
	lines = append(lines, "")
	lines = append(lines, m.errorLines(e.err, m.width-2)...)
	if m.height >= 20 {
		lines = append(lines, "")
		for _, s := range e.steps {
			lines = append(lines, m.stepLines(apply.Event{Step: s.Step, State: s.State})...)
		}
	}
	keys := []string{"l commands run", "q quit"}
	if m.review.plan != nil {
		keys = append([]string{"e change an answer"}, keys...)
	}
	return page{lines: lines, keys: keys}
}

// stays reports whether the last page is about a run that is in effect.
func (m *Model) stays() bool {
	r := m.end.receipt
	return m.stage == ended && m.end.err == nil && r != nil && r.Kind == "apply" && r.Phase == apply.Kept
}

// sealedPage says what was proved, how to undo it, and how to do it again.
func (m *Model) sealedPage() page {
	e, t := &m.end, m.theme
	r := e.receipt
	head, sign := "Sealed.", signGood
	switch {
	case r == nil:
		head = "Done."
	case r.Kind == "undo" && r.Phase == apply.RolledBack:
		head = "The undo was reverted. Run " + r.Undoes + " is in effect."
	case r.Kind == "undo" || r.Phase == apply.RolledBack:
		head = "Undone. Everything is as it was before the run."
	case r.Unproved() != "" && r.Kind == "apply":
		head, sign = "Sealed, but for "+r.Unproved()+".", signNote
	case m.cleartext():
		head, sign = "Applied. All mail arrives in cleartext: without a certificate there is no TLS.", signNote
	case r.FilesOnly:
		head = "Files written. Postfix was not reloaded, and nothing was verified."
	}
	lines := hang("   "+t.sign(sign)+" ", styled(t.strong, wrap(head, m.width-8)))
	if e.late {
		lines = append(lines, hang("   "+t.sign(signNote)+" ", wrap("The run finished before it could be stopped.", m.width-8))...)
	}
	lines = append(lines, "")
	if r == nil {
		return page{lines: lines, keys: []string{"q quit"}}
	}
	rows := func(name string, all []string) {
		lines = append(lines, hang("   "+t.quiet.Render(name)+strings.Repeat(" ", 13-len(name)), all)...)
	}
	row := func(name, text string) { rows(name, wrap(text, m.width-19)) }
	stays := m.stays()
	if stays && m.grades.run == r.ID {
		m.gradeRows(rows)
		lines = append(lines, "")
	}
	for _, p := range r.Proofs {
		sign := signGood
		if !p.OK {
			sign = signNote
		}
		lines = append(lines, hang("   "+t.sign(sign)+" ", wrap(report.Proof(p), m.width-8))...)
	}
	for _, w := range r.Warnings {
		lines = append(lines, hang("   "+t.sign(signNote)+" ", wrap("log: "+w, m.width-8))...)
	}
	if !stays {
		return page{lines: lines, keys: []string{"enter look again", "l commands run", "q quit"}}
	}
	for _, text := range m.notProved(r) {
		lines = append(lines, hang("   "+t.sign(signNote)+" ", wrap("Not verified: "+text+".", m.width-8))...)
	}
	lines = append(lines, "")
	row("undo", hint.ShellLine(m.result.Undo))
	m.openRows(rows)
	if len(m.result.Command) > 0 {
		row("same again", hint.ShellLine(m.result.Command))
	}
	if e.copied != "" {
		row("copied", e.copied)
	}
	if due := m.nextDue(r.Proofs); due != "" {
		row("next due", "certificate, "+due)
	}
	keys := []string{"enter home", "c copy the command", "l commands run", "q quit"}
	if len(m.result.Command) == 0 {
		keys = slices.Delete(keys, 1, 2)
	}
	return page{lines: lines, keys: keys}
}

// notProved says what no handshake has shown: it was rehearsed at best.
func (m *Model) notProved(r *apply.Receipt) (out []string) {
	switch rehearsed := m.rehearsal.report; {
	case r.FilesOnly:
		return nil // which the head says
	case rehearsed == nil:
		out = append(out, "sending: nothing was rehearsed")
	case slices.Contains(rehearsed.Missing, "sending"):
		out = append(out, "sending: it could not be rehearsed")
	case slices.ContainsFunc(rehearsed.Trials, func(t rehearse.Trial) bool { return t.Level != "" }):
		out = append(out, "sending to real servers: it was rehearsed, and the log will show it")
	}
	return out
}

// cleartext reports whether the plan that was applied leaves the server without TLS for
// the mail that it takes: nobody would call that sealed.
func (m *Model) cleartext() bool {
	return m.review.plan != nil && slices.ContainsFunc(m.review.plan.Risks, func(r plan.Risk) bool {
		return r.Name == plan.RiskNoCertificate || r.Name == plan.RiskNoInboundTLS || r.Name == plan.RiskDropCertificate
	})
}

// nextDue says which of the served certificates is to be renewed first, when,
// and by whom.
func (m *Model) nextDue(proofs []apply.Proof) string {
	return nextRenewal(m.session, func(c detect.Certificate) bool {
		return slices.ContainsFunc(proofs, func(p apply.Proof) bool { return c.Fingerprint != "" && p.Serves[c.Algorithm] == c.Fingerprint })
	})
}
