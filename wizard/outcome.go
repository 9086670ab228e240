package wizard

import tea "github.com/charmbracelet/bubbletea"

// outcome takes what a command brought home.
func (m *Model) outcome(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case lookStep:
		m.lookStep(msg)
	case looked:
		return m.looked(msg)
	case judged:
		m.judged(msg)
	case lookedAround:
		m.lookedAround(msg)
	case measured:
		return m.measured(msg)
	case copied:
		m.end.copied = msg.where
	case loaded:
		m.loaded(msg)
	case inspected:
		return m.inspected(msg)
	case selfSignedMsg:
		return m.selfSignedMsg(msg)
	case orderReady:
		return m.orderReady(msg)
	case metaMsg:
		m.metaMsg(msg)
	case recordMsg:
		if msg.gen == m.gen {
			m.run.made(msg)
		}
	case obtained:
		return m.obtained(msg)
	case planned:
		return m.planned(msg)
	case savedPlan:
		m.savedPlan(msg)
	case stepDone:
		if msg.gen == m.gen {
			m.run.add(msg.event)
		}
	case over:
		return m.over(msg)
	case ran:
		return m.ran(msg)
	case trialDone:
		if msg.gen == m.gen {
			m.rehearsal.trials = append(m.rehearsal.trials, msg.trial)
		}
	case rehearsed:
		return m.rehearsed(msg)
	case counted:
		return m.counted(msg)
	case kept:
		return m.kept(msg)
	}
	return nil
}
