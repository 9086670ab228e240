package wizard

import (
	"context"
	"strings"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"postseal/internal/ask"
	"postseal/internal/interview"
	"postseal/internal/report"
	"postseal/internal/session"
)

// stage is where the wizard is.
type stage int

const (
	looking stage = iota
	carding       // the report card
	pending       // an earlier run was interrupted
	asking
	overview // all answers in one list
	reviewing
	accepting // risks, one by one
	rehearsing
	applying
	keeping // written and proved; it goes back unless it is kept
	homing  // where a rerun opens
	reading // a document
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
	// terminal is told the title, and what is copied; nil in tests.
	terminal *terminal

	width, height int
	// gen is raised when what is under way no longer matters; a message with
	// an older gen is dropped.
	gen   int
	tick  int
	stage stage
	top   int      // the first line shown of a page without a cursor
	help  *overlay // drawn over the page, if not nil
	seek  seekState

	look     lookState
	card     cardState
	home     homeState
	document documentState
	// gathering is the looking that goes on while the person reads.
	gathering *sync.WaitGroup
	session   *session.Session
	// server are the answers about this server; order is under way while a
	// certificate is ordered, or nil.
	server flow
	order  *orderState
	// ordered are the answers about an order that was left, or nil.
	ordered   *ask.Answers
	question  questionState
	list      listState
	review    reviewState
	risk      riskState
	rehearsal rehearsalState
	run       runState
	keep      keepState
	grades    gradesState
	end       endState

	result Result
	// made: a certificate was ordered or made.
	made bool
}

// flow is a way through a set of questions.
type flow struct {
	set     ask.Set[interview.Facts]
	answers *ask.Answers
	// asked are the questions that were shown, in this run.
	asked map[string]bool
}

func newFlow(set ask.Set[interview.Facts], a *ask.Answers) flow {
	return flow{set: set, answers: a, asked: map[string]bool{}}
}

// flow is the one under way.
func (m *Model) flow() *flow {
	if m.order != nil {
		return &m.order.flow
	}
	return &m.server
}

// relevant are the questions of the flow that matter.
func (m *Model) relevant() ask.Set[interview.Facts] {
	return m.flow().set.Relevant(m.session.Facts, m.flow().answers)
}

// newModel makes the model and starts to look when the program does.
func newModel(ctx context.Context, o Options) *Model {
	ctx, cancel := context.WithCancel(ctx)
	m := &Model{
		o: o, ctx: ctx, cancel: cancel, events: make(chan tea.Msg, 64), theme: newTheme(o.Out, o.NoColor, true),
		width: 80, height: 24, gathering: &sync.WaitGroup{}, server: newFlow(interview.All, nil), result: Result{Err: ErrQuit},
	}
	return m
}

// gone is sent when the context ends: a signal, or a terminal that was lost.
type gone struct{}

// tickMsg moves the spinner.
type tickMsg struct{}

var tickTime = 120 * time.Millisecond // tests do not wait for it

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
	before := m.stage
	cmd := m.handle(msg)
	if m.stage != before {
		m.top, m.seek.open = 0, false
	}
	if tell := m.terminal.announce(m.title(), m.working()); tell != nil {
		cmd = tea.Batch(cmd, tell)
	}
	return m, cmd
}

// title is what a terminal shows above its window.
func (m *Model) title() string {
	out := "postseal"
	if m.session != nil {
		out += ": " + oneLine(m.session.Facts.Hostname)
	}
	return out
}

// working reports whether something is under way that a spinner tells of.
func (m *Model) working() bool {
	switch m.stage {
	case looking:
		return !m.look.ready
	case carding, homing:
		return !m.card.ready
	case reading:
		return !m.document.ready
	case applying:
		return m.run.next == nil
	case ended:
		return m.measuring()
	case rehearsing:
		return m.rehearsal.running()
	}
	return m.review.waiting || m.order != nil && m.order.asking
}

func (m *Model) handle(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case event:
		return tea.Batch(m.handle(msg.Msg), m.listen())
	case gone:
		return m.leaveNow()
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		if m.width <= 0 || m.height <= 0 { // a serial line, or a pty that nobody has sized
			m.width, m.height = 80, 24
		}
	case backgroundMsg:
		m.theme = newTheme(m.o.Out, m.o.NoColor, msg.dark)
	case tickMsg:
		m.tick++
		if m.working() {
			return nextTick()
		}
	case tea.KeyMsg:
		return m.key(msg)
	}
	return m.outcome(msg)
}

// key hands a key to the page that is shown.
func (m *Model) key(k tea.KeyMsg) tea.Cmd {
	if k.String() == "ctrl+c" {
		return m.interrupt()
	}
	switch key := k.String(); {
	case m.seek.open:
		return m.seekKey(k)
	case key == "/" && m.seekable() != nil:
		return m.openSeek()
	case m.help != nil:
		m.help.key(m, k)
		return nil
	case key == "?" && m.stage != asking:
		m.help = newOverlay("Keys on this page", m.keyHelp())
		return nil
	case key == "l" && m.stage != keeping && !m.answering():
		m.help = newOverlay("Commands run", m.o.Machine.Lines())
		return nil
	}
	switch m.stage {
	case looking:
		return m.lookKey(k)
	case carding:
		return m.cardKey(k)
	case homing:
		return m.homeKey(k)
	case reading:
		return m.documentKey(k)
	case pending:
		return m.pendingKey(k)
	case asking:
		return m.questionKey(k)
	case overview:
		if m.order != nil {
			return m.orderKey(k)
		}
		return m.listKey(k)
	case reviewing:
		return m.reviewKey(k)
	case accepting:
		return m.riskKey(k)
	case rehearsing:
		return m.rehearsalKey(k)
	case applying:
		return m.runKey(k)
	case keeping:
		return m.keepKey(k)
	case ended, failed:
		return m.endKey(k)
	}
	return nil
}

// answering reports whether a letter is part of an answer.
func (m *Model) answering() bool {
	q := &m.question
	return m.stage == asking && (q.typing || q.find.open || q.making) || m.stage == applying && m.run.asking || m.order != nil && m.order.risky
}

// interrupt is ctrl+c: at once, but for a run under way, which is asked about.
func (m *Model) interrupt() tea.Cmd {
	if m.stage == applying && m.run.next == nil {
		m.run.asking = !m.run.stopping // else it was answered already
		return nil
	}
	return m.leaveNow()
}

// leaveNow is the end of the context: a run under way puts everything back
// and says so when it has ended, and a run that has ended keeps its result.
func (m *Model) leaveNow() tea.Cmd {
	switch m.stage {
	case applying:
		if m.run.next == nil { // nobody is there any more to answer
			return m.decided(true)
		}
	case rehearsing:
		if m.rehearsal.running() {
			m.rehearsal.leaving = true
			m.rehearsal.cancel()
			return nil // it clears up first
		}
	case ended, keeping:
		return tea.Quit
	}
	if m.result.Receipt != nil { // of a run that was made before
		return tea.Quit
	}
	m.result = leftBy(true, m.made)
	return tea.Quit
}

// View implements tea.Model.
func (m *Model) View() string {
	screen := m.theme.frame(m.header(), m.page(), m.width, m.height)
	if !m.o.ASCII {
		return screen
	}
	lines := strings.Split(report.ASCII(screen), "\n")
	for i, l := range lines { // some signs are longer in ASCII
		lines[i] = ansi.Truncate(l, m.width, "")
	}
	return strings.Join(lines, "\n")
}

// page is the page that is shown.
func (m *Model) page() page {
	p := m.pageHere()
	if m.seek.open {
		p = m.seekPage(p)
	}
	return p
}

// pageHere is the page without a search in it.
func (m *Model) pageHere() page {
	switch {
	case m.help != nil:
		return m.help.page(m)
	case m.stage == looking:
		return m.text(m.lookPage())
	case m.stage == carding:
		return m.cardPage()
	case m.stage == homing:
		return m.homePage()
	case m.stage == reading:
		return m.text(m.documentPage())
	case m.stage == pending:
		return m.text(m.pendingPage())
	case m.stage == asking:
		return m.questionPage()
	case m.stage == overview && m.order != nil:
		return m.orderPage()
	case m.stage == overview:
		return m.listPage()
	case m.stage == reviewing && m.review.err != nil:
		return m.text(m.refusedPage())
	case m.stage == reviewing:
		return m.reviewPage()
	case m.stage == accepting:
		return m.text(m.riskPage())
	case m.stage == rehearsing:
		return m.rehearsalPage()
	case m.stage == applying:
		return m.runPage()
	case m.stage == keeping:
		return m.text(m.keepPage())
	}
	return m.text(m.endPage())
}
