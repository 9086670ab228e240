package wizard

import (
	"fmt"

	tea "github.com/charmbracelet/bubbletea"
)

// riskState asks for the risks one by one. The answer is no unless it is yes.
type riskState struct {
	at       int
	accepted []string
}

func (m *Model) riskKey(k tea.KeyMsg) tea.Cmd {
	r := &m.risk
	switch k.String() {
	case "y":
		r.accepted = append(r.accepted, m.review.plan.Risks[r.at].Name)
		if r.at++; r.at == len(m.review.plan.Risks) {
			return m.startRehearsal()
		}
		m.top = 0
	case "n", "left", "esc", "backspace":
		m.stage = reviewing
	case "e":
		m.list.review = true
		return m.showList()
	case "q":
		return m.quit()
	default:
		m.scroll(k)
	}
	return nil
}

func (m *Model) riskPage() page {
	t := m.theme
	risks := m.review.plan.Risks
	risk := risks[min(m.risk.at, len(risks)-1)]
	lines := []string{
		"   " + t.caution.Render(signNote) + " " + t.strong.Render(risk.Name) + "   " + t.quiet.Render(fmt.Sprintf("%d of %d to accept", m.risk.at+1, len(risks))), "",
	}
	lines = append(lines, indent("     ", wrap(risk.Text, min(m.width-8, 76)))...)
	return page{lines: lines, top: m.top, question: "     Accept this?", keys: []string{"y accept", "n return to the diff", "e change an answer", "q quit"}}
}
