package wizard

import (
	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/session"
)

// selfSigning says what making a certificate without a CA writes, and means.
// The server has a name.
func selfSigning(s *session.Session) string {
	return "This writes " + s.Keeper().SelfSignedPath(interview.Names(s.Facts)) + ", with a new key unless one is there. Senders that check certificates by their CA hold mail back; Postfix shows it once it is applied."
}

// selfSigned makes a certificate without a CA, or finds the one that is there.
func selfSigned(s *session.Session) ([]string, error) {
	if !s.Facts.Root {
		return nil, hint.New("keys are kept where only root can read them", "leave, and run it as root: sudo postseal")
	}
	path, _, _, err := s.Keeper().SelfSigned(interview.Names(s.Facts))
	return []string{path}, err
}

// selfSignedMsg is the file of a self-signed certificate.
type selfSignedMsg struct {
	gen   int
	files []string
	err   error
}

func (m *Model) selfSign() tea.Cmd {
	m.gen++
	m.question.waiting, m.question.err = true, nil
	gen, s := m.gen, m.session
	return func() tea.Msg {
		files, err := selfSigned(s)
		return selfSignedMsg{gen, files, err}
	}
}

func (m *Model) selfSignedMsg(r selfSignedMsg) tea.Cmd {
	if r.gen != m.gen || m.stage != asking {
		return nil
	}
	m.question.waiting = false
	if m.question.err = r.err; r.err != nil {
		return nil
	}
	return m.take(r.files)
}
