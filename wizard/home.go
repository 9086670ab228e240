package wizard

import (
	"context"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"postseal/internal/apply"
	"postseal/internal/audit"
)

// homeState is the page on which a rerun opens.
type homeState struct {
	// past is what earlier runs did; nil on a first run, which has no home.
	past   *past
	cursor int
	// free says that what stands above the ways is read, from line top on: it may not
	// fit with them.
	free bool
	top  int
	// around is what was found out while the person reads.
	around around
	// change says what the answers would change now.
	change string
}

// way is one of the ways on.
type way struct {
	key, name, about string
	open             func() tea.Cmd
}

// lookedAround is the end of looking around.
type lookedAround struct {
	gen    int
	around around
}

// showHome opens home, or the card where there is none.
func (m *Model) showHome() tea.Cmd {
	if m.home.past == nil {
		m.stage = carding
		return nil
	}
	m.stage = homing
	summary, changes := m.summarise()
	if m.home.change = "the server matches them"; changes {
		m.home.change = summary
	}
	return nextTick()
}

// lookAround finds out what takes a moment.
func (m *Model) lookAround() tea.Cmd {
	ctx, gen, ses := m.ctx, m.gen, m.session
	m.gathering.Add(1)
	return func() tea.Msg {
		defer m.gathering.Done()
		return lookedAround{gen, lookAround(ctx, ses)}
	}
}

func (m *Model) lookedAround(l lookedAround) {
	if l.gen == m.look.gen {
		m.home.around = l.around
	}
}

// waysOn are what can be done from home, most wanted first.
func (m *Model) waysOn() []way {
	f, p := m.session.Facts, m.home.past
	adjust := way{"a", "Adjust", "change answers: " + m.home.change, func() tea.Cmd { return m.proceed("") }}
	if p.last == nil {
		adjust.name, adjust.about = "Apply", "the questions, then the new settings"
	}
	findings := "none"
	if n := len(m.card.card.Findings); n > 0 {
		findings = fmt.Sprintf("%d, the worst: %s", n, m.card.card.Findings[0].Title)
	}
	certificates, publishing := "none in use", "DNS records for DANE: what to add, what to remove"
	if c := firstToExpire(f.Certificates); c != nil {
		certificates = "until " + c.NotAfter.UTC().Format(time.DateOnly) + ": " + c.Chain
	}
	destinations := "no policy table yet: main.cf decides for all"
	if f.PolicyTable != "" {
		destinations = "the policy table, with the evidence"
	}
	if n := m.home.around.records(); n > 0 {
		publishing = fmt.Sprintf("%d DNS %s to add or remove now", n, plural(n, "record", "records"))
	}
	docs := documents{m.o, m.session, p}
	read := func(d document) func() tea.Cmd { return func() tea.Cmd { return m.openDocument(d) } }
	chain := docs.certificates()
	chain.act = func(content) []action {
		return []action{{"n", "new certificate", func(m *Model) tea.Cmd { return m.openQuestion(certKey) }}}
	}
	out := []way{
		adjust,
		{"f", "Findings", findings, m.showCard},
		{"c", "Certificates", certificates, read(chain)},
		{"d", "Destinations", destinations, read(docs.destinations())},
		{"p", "Publish", publishing, read(docs.publish())},
		{"r", "Rehearse", "the settings in effect, on a private Postfix", read(docs.rehearsal())},
	}
	if p.last != nil {
		undo, n := docs.undo(), len(p.last.Entries)
		undo.act = func(c content) []action { return undoActions(p.last, c) }
		out = append(out, way{"u", "Undo", fmt.Sprintf("run %s of %s, %d %s", number(p.last.ID), day(p.last.When), n, plural(n, "file", "files")), read(undo)})
	}
	runs := fmt.Sprintf("%d %s", len(p.runs), plural(len(p.runs), "run", "runs"))
	if len(p.runs) > 0 {
		runs += ", the last: " + runText(p.runs[0])
	}
	return append(out, way{"h", "History", runs, read(docs.history())})
}

// undoActions are the key that undoes a run: another one than led here, so that a key that
// repeats changes nothing.
func undoActions(run *apply.Receipt, c content) []action {
	do := func(m *Model) tea.Cmd {
		machine := m.o.Machine
		m.result.Undo = m.session.UndoCommand()
		return m.startRun("Undoing run "+number(run.ID)+".", func(ctx context.Context, o apply.Options) (*apply.Receipt, error) {
			return apply.Undo(ctx, machine, run.ConfigDir, run.ID, o)
		})
	}
	if c.risky {
		return []action{{"y", "accept the risk and undo", do}}
	}
	return []action{{"y", "undo this run", do}}
}

func (m *Model) homeKey(k tea.KeyMsg) tea.Cmd {
	ways := m.waysOn()
	h := &m.home
	switch k.String() {
	case "up", "k":
		if h.cursor > 0 {
			h.cursor--
			break
		}
		m.readHome(-1)
	case "down", "j":
		if h.free {
			m.readHome(1)
			break
		}
		h.cursor = min(len(ways)-1, h.cursor+1)
	case "home", "g", "pgup":
		h.cursor = 0
		m.readHome(-len(m.homePage().lines))
	case "end", "G", "pgdown":
		h.free, h.cursor = false, len(ways)-1
	case "enter", "right":
		return ways[min(h.cursor, len(ways)-1)].open()
	case "s":
		m.stage = looking
	case "q":
		return m.quit()
	default:
		for i, w := range ways {
			if w.key == k.String() {
				h.cursor = i
				return w.open()
			}
		}
	}
	return nil
}

// readHome scrolls what stands above the ways, where not all of the page fits.
func (m *Model) readHome(by int) {
	h, p := &m.home, m.homePage()
	room := m.room(p)
	p.settle(m.height - len(m.header()))
	if len(p.lines) <= room {
		h.free = false
		return
	}
	h.top = max(0, p.first(room)+by)
	h.free = m.firstWay(p) > h.top+room-2
}

// firstWay is the line of the first of the ways on.
func (m *Model) firstWay(p page) int {
	below := 0
	if m.height >= roomy {
		below = len(m.runLines())
	}
	return len(p.lines) - below - len(m.waysOn())
}

func (m *Model) homePage() page {
	t, ways := m.theme, m.waysOn()
	low := m.height < 20
	var lines []string
	for _, block := range [][]string{m.sinceLines(), m.dueLines()} {
		lines = append(lines, block...)
		if !low {
			lines = append(lines, "")
		}
	}
	focus := 0
	for i, w := range ways {
		lead, style := "     ", t.plain
		if i == m.home.cursor {
			lead, style, focus = "   "+t.accent.Render(signHere)+" ", t.strong, len(lines)
		}
		name := lead + t.quiet.Render(w.key) + "  " + style.Render(fmt.Sprintf("%-13s", w.name))
		lines = append(lines, ansi.Truncate(name+" "+t.quiet.Render(oneLine(w.about)), m.width-1, signFolded))
	}
	if m.height >= roomy {
		lines = append(lines, m.runLines()...)
	}
	top := 0
	if m.home.free {
		top, focus = m.home.top, 0
	}
	return page{title: append(m.homeGrades(), ""), lines: lines, focus: focus, top: top, keys: []string{"↑↓ choose", "enter open", "s server", "l commands run", "? help", "q quit"}}
}

// homeGrades are the grades in a line, with those after the last run where they differ.
func (m *Model) homeGrades() []string {
	var all []string
	for _, g := range m.card.card.Grades {
		if m.card.ready {
			all = append(all, m.gradeText(g.Part, m.home.past.grade(string(g.Part)), g.Letter))
		} else {
			all = append(all, m.theme.quiet.Render(string(g.Part)+" "+signFolded))
		}
	}
	lines := indent("   ", inLines(all, m.width-6))
	if !m.card.ready {
		lines = append(lines, "   "+m.theme.quiet.Render(m.spinner()+" testing the listeners, and rehearsing"))
	}
	return lines
}

// lastRuns is how many runs home shows where there is room.
const lastRuns = 5

// runLines are the last runs; history has all of them.
func (m *Model) runLines() []string {
	all := m.home.past.runs
	lines := []string{"", "   " + m.theme.accent.Render("Last runs")}
	for _, r := range all[:min(lastRuns, len(all))] {
		lines = append(lines, "   "+ansi.Truncate(oneLine(runText(r)), m.width-6, signFolded))
	}
	if len(all) == 0 {
		return nil
	}
	return lines
}

// sinceLines say what has changed since the last run.
func (m *Model) sinceLines() (lines []string) {
	p := m.home.past
	if p.last != nil && m.height >= 20 {
		lines = append(lines, "   "+m.theme.accent.Render(p.since()))
	}
	var grades []audit.Grade
	if m.card.ready {
		grades = m.card.card.Grades
	}
	for _, n := range p.news(grades) {
		lines = append(lines, m.newsLines(n)...)
	}
	return lines
}

// newsLines are one piece of news, and the key that leads to it.
func (m *Model) newsLines(n news) []string {
	text := n.text
	if n.key != "" {
		text += " Press " + n.key + "."
	}
	return hang("   "+m.theme.sign(n.sign)+" ", wrap(text, m.width-8))
}

// dueLines say what has to be done, and when the next thing is.
func (m *Model) dueLines() (lines []string) {
	if m.height >= 20 {
		lines = append(lines, "   "+m.theme.accent.Render("Due"))
	}
	for _, n := range due(m.session, m.home.around) {
		lines = append(lines, m.newsLines(n)...)
	}
	return lines
}
