package wizard

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/session"
)

// stage is where the wizard is.
type stage int

const (
	looking stage = iota
	pending       // an earlier run was interrupted
	asking
	overview // all answers in one list
	reviewing
	accepting // risks, one by one
	applying
	ended
	failed // looking failed
)

// Model is the one tea.Model; each stage has a struct of its own, and methods
// on Model. Update never does I/O: commands do, and their results come home
// as messages.
type Model struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	// events brings what happens outside: steps of looking and applying, the
	// colour of the background, the end of the context.
	events chan tea.Msg
	theme  theme

	width, height int
	// gen is raised when what is under way no longer matters; a message with
	// an older gen is dropped.
	gen   int
	tick  int
	stage stage
	help  *overlay // drawn over the page, if not nil

	look    lookState
	session *session.Session
	answers *ask.Answers
	// asked are the questions that were shown, in this run.
	asked    map[string]bool
	question questionState
	list     listState
	review   reviewState
	risk     riskState
	run      runState
	end      endState

	result Result
}

// newModel makes the model and starts to look when the program does.
func newModel(ctx context.Context, o Options) *Model {
	ctx, cancel := context.WithCancel(ctx)
	m := &Model{
		o: o, ctx: ctx, cancel: cancel, events: make(chan tea.Msg, 64), theme: newTheme(o.output(), true),
		width: 80, height: 24, asked: map[string]bool{}, result: Result{Err: ErrQuit},
	}
	return m
}

// gone is sent when the context ends: a signal, or a terminal that was lost.
type gone struct{}

// tickMsg moves the spinner.
type tickMsg struct{}

const tickTime = 120 * time.Millisecond

func nextTick() tea.Cmd {
	return tea.Tick(tickTime, func(time.Time) tea.Msg { return tickMsg{} })
}

// listen waits for the next thing that happens outside.
func (m *Model) listen() tea.Cmd {
	return func() tea.Msg {
		select {
		case msg := <-m.events:
			return event{msg}
		case <-m.ctx.Done():
			return gone{}
		}
	}
}

// tell returns how a goroutine reports what happens; it does not block once
// the wizard is left.
func (m *Model) tell() func(tea.Msg) {
	ctx, events := m.ctx, m.events
	return func(msg tea.Msg) {
		select {
		case events <- msg:
		case <-ctx.Done():
		}
	}
}

// event is a message from outside; it is handled, and the next one awaited.
type event struct{ tea.Msg }

// Init implements tea.Model.
func (m *Model) Init() tea.Cmd {
	return tea.Batch(m.listen(), m.startLooking(), nextTick(), queryBackground(m.o.Out))
}

// Update implements tea.Model.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case event:
		_, cmd := m.Update(msg.Msg)
		return m, tea.Batch(cmd, m.listen())
	case gone:
		return m, m.leaveNow()
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		return m, nil
	case backgroundMsg:
		m.theme = newTheme(m.o.output(), msg.dark)
		return m, nil
	case tickMsg:
		m.tick++
		if m.stage == looking || m.stage == applying || m.review.waiting {
			return m, nextTick()
		}
		return m, nil
	case tea.KeyMsg:
		return m, m.key(msg)
	}
	return m, m.outcome(msg)
}

// key hands a key to the page that is shown.
func (m *Model) key(k tea.KeyMsg) tea.Cmd {
	if k.String() == "ctrl+c" {
		return m.interrupt()
	}
	if m.help != nil {
		m.help.key(m, k)
		return nil
	}
	switch m.stage {
	case looking:
		return m.lookKey(k)
	case pending:
		return m.pendingKey(k)
	case asking:
		return m.questionKey(k)
	case overview:
		return m.listKey(k)
	case reviewing:
		return m.reviewKey(k)
	case accepting:
		return m.riskKey(k)
	case applying:
		return m.runKey(k)
	case ended, failed:
		return m.endKey(k)
	}
	return nil
}

// outcome takes what a command brought home.
func (m *Model) outcome(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case lookStep:
		m.lookStep(msg)
	case looked:
		return m.looked(msg)
	case inspected:
		return m.inspected(msg)
	case planned:
		return m.planned(msg)
	case savedPlan:
		m.review.message = msg.text
	case stepDone:
		m.run.add(apply.Event(msg))
	case ran:
		return m.ran(msg)
	}
	return nil
}

// interrupt is ctrl+c: at once, but for a run under way, which is asked about.
func (m *Model) interrupt() tea.Cmd {
	if m.stage != applying {
		m.result = Result{Err: context.Canceled}
		return tea.Quit
	}
	m.run.asking = true
	return nil
}

// leaveNow is the end of the context: a run under way puts everything back
// and says so when it has ended.
func (m *Model) leaveNow() tea.Cmd {
	if m.stage == applying {
		m.run.stopping = true
		return nil
	}
	m.result = Result{Err: context.Canceled}
	return tea.Quit
}

// View implements tea.Model.
func (m *Model) View() string {
	var p page
	switch {
	case m.help != nil:
		p = m.help.page(m)
	case m.stage == looking:
		p = m.lookPage()
	case m.stage == pending:
		p = m.pendingPage()
	case m.stage == asking:
		p = m.questionPage()
	case m.stage == overview:
		p = m.listPage()
	case m.stage == reviewing:
		p = m.reviewPage()
	case m.stage == accepting:
		p = m.riskPage()
	case m.stage == applying:
		p = m.runPage()
	default:
		p = m.endPage()
	}
	return m.theme.frame(m.header(), p, m.width, m.height)
}
