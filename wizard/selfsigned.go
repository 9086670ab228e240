package wizard

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/plan"
	"postseal/internal/session"
)

// selfSigning says what making a certificate without a CA writes, and means.
// The server has a name.
func selfSigning(s *session.Session) string {
	path := s.Keeper().SelfSignedPath(interview.Names(s.Facts))
	if plan.Uses(s.Facts, path) {
		return "Postfix shows " + path + " already. If it is due or lacks a name, postseal renews it with the same key and reloads Postfix. If that fails, the old one is restored."
	}
	return "This writes " + path + ", with a new key unless there is one already. Senders that require a certificate from a CA defer their mail. Postfix uses it once the plan is applied."
}

// selfSigned makes a certificate without a CA, or finds the one that is there.
// If it made one, later has seen it; said is what became of one that Postfix
// shows already.
func (o Options) selfSigned(ctx context.Context, s *session.Session, step func(apply.Event)) (out selfSignedMsg) {
	if !s.Facts.Root {
		out.err = hint.New("keys are kept where only root can read them", "quit, and run it as root: sudo postseal")
		return out
	}
	k := s.Keeper()
	k.Step = step
	path, _, made, err := k.SelfSigned(ctx, interview.Names(s.Facts), nil)
	if out.files, out.err = []string{path}, err; err != nil {
		return out
	}
	shown := plan.Uses(s.Facts, path)
	switch {
	case shown && made:
		out.said = "It was made again with the same key. Postfix was reloaded and uses it now."
	case shown:
		out.said = "It is not due for renewal and covers all names: it was left unchanged."
	}
	if made {
		out.later, out.err = o.open(ctx, nil)
	}
	return out
}

// selfSignedMsg is the file of a self-signed certificate.
type selfSignedMsg struct {
	gen   int
	files []string
	later *session.Session
	said  string
	err   error
}

// selfSign makes it. What a running Postfix shows takes the page of a run, which
// is not left before everything is in place, or back.
func (m *Model) selfSign() tea.Cmd {
	m.made = true
	o, s := m.o, m.session
	if plan.Uses(s.Facts, s.Keeper().SelfSignedPath(interview.Names(s.Facts))) {
		return m.begin(runState{title: "Checking whether the self-signed certificate is due for renewal."}, func(ctx context.Context, gen int, step func(apply.Event)) tea.Msg {
			out := o.selfSigned(ctx, s, step)
			out.gen = gen
			return out
		})
	}
	m.gen++
	m.question.waiting, m.question.err = true, nil
	gen, ctx := m.gen, m.ctx
	return func() tea.Msg {
		out := o.selfSigned(ctx, s, nil)
		out.gen = gen
		return out
	}
}

func (m *Model) selfSignedMsg(r selfSignedMsg) tea.Cmd {
	if r.gen != m.gen || m.stage != asking && m.stage != applying {
		return nil
	}
	if m.ctx.Err() != nil {
		m.result = leftBy(true, true)
		return tea.Quit
	}
	if r.later != nil {
		m.session = m.session.Seen(r.later)
	}
	next := func() tea.Cmd {
		m.stage, m.question.waiting = asking, false
		if m.question.err = r.err; r.err != nil {
			return nil
		}
		return m.take(r.files)
	}
	if m.stage == applying && r.err == nil {
		m.run.said, m.run.next = r.said, next // it is read before the next question comes
		return nil
	}
	return next()
}
