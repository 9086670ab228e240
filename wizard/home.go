package wizard

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"postseal/internal/apply"
	"postseal/internal/audit"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/policy"
	"postseal/internal/publish"
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
	// Of what looks around while the person reads: ready says that it has ended.
	ready     bool
	held      []policy.Held
	published []publish.Report
	// change says what the answers would change now.
	change  string
	changes bool
}

// way is one of the ways on.
type way struct {
	key, name, about string
	open             func() tea.Cmd
}

// around is what was found out while the person reads home.
type around struct {
	gen       int
	held      []policy.Held
	published []publish.Report
}

// showHome opens home, or the card where there is none.
func (m *Model) showHome() tea.Cmd {
	if m.home.past == nil {
		m.stage = carding
		return nil
	}
	m.stage = homing
	m.home.change, m.home.changes = m.summarise()
	return nextTick()
}

// lookAround finds out what takes a moment: mail that is held, and TLSA records.
func (m *Model) lookAround() tea.Cmd {
	ctx, gen, ses := m.ctx, m.gen, m.session
	m.gathering.Add(1)
	return func() tea.Msg {
		defer m.gathering.Done()
		out := around{gen: gen}
		out.held, _ = policy.Queue(ctx, ses.Machine, ses.Facts, func(string, string) bool { return true })
		out.held = slices.DeleteFunc(out.held, func(h policy.Held) bool { return !h.ByTLS })
		out.published, _ = ses.Published(ctx, false) // the page of its own says why not
		return out
	}
}

func (m *Model) lookedAround(a around) {
	if a.gen == m.look.gen {
		m.home.held, m.home.published, m.home.ready = a.held, a.published, true
	}
}

// waysOn are what can be done from home, most wanted first.
func (m *Model) waysOn() []way {
	f, p := m.session.Facts, m.home.past
	adjust := way{"a", "Adjust", "change answers; " + lowered(m.home.change), func() tea.Cmd { return m.proceed("") }}
	if p.last == nil {
		adjust.name, adjust.about = "Apply", "the questions, then the new settings"
	}
	findings := "none"
	if n := len(m.card.card.Findings); n > 0 {
		findings = fmt.Sprintf("%d, the worst: %s", n, m.card.card.Findings[0].Title)
	}
	certificates, publishing := "none in use", "DNS records for DANE: what to add, what to remove"
	if c := firstToExpire(f.Certificates); c != nil {
		certificates = fmt.Sprintf("%s until %s", c.Chain, c.NotAfter.UTC().Format(time.DateOnly))
	}
	destinations := "no policy table yet: main.cf decides for all"
	if f.PolicyTable != "" {
		destinations = "the policy table, with the evidence"
	}
	if n := dueRecords(m.home.published); n > 0 {
		publishing = fmt.Sprintf("%d DNS %s to add or remove now", n, plural(n, "record", "records"))
	}
	out := []way{
		adjust,
		{"f", "Findings", findings, m.showCard},
		{"c", "Certificates", certificates, func() tea.Cmd { return m.openDocument(m.certificatesDocument()) }},
		{"d", "Destinations", destinations, func() tea.Cmd { return m.openDocument(m.destinationsDocument()) }},
		{"p", "Publish", publishing, func() tea.Cmd { return m.openDocument(m.publishDocument()) }},
		{"r", "Rehearse", "the settings in effect, on a private Postfix", func() tea.Cmd { return m.openDocument(m.rehearsalDocument()) }},
	}
	if p.last != nil {
		n := len(p.last.Entries)
		out = append(out, way{"u", "Undo", fmt.Sprintf("run %s of %s, %d %s", number(p.last.ID), day(p.last.When), n, plural(n, "file", "files")), func() tea.Cmd { return m.openDocument(m.undoDocument()) }})
	}
	runs := fmt.Sprintf("%d %s", len(p.runs), plural(len(p.runs), "run", "runs"))
	if len(p.runs) > 0 {
		runs += ", the last: " + runText(p.runs[0])
	}
	return append(out, way{"h", "History", runs, func() tea.Cmd { return m.openDocument(m.historyDocument()) }})
}

// lowered begins a sentence as a part of another one, without its full stop.
func lowered(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + strings.TrimSuffix(s[1:], ".")
}

// number is the running number of a run.
func number(id string) string { n, _, _ := strings.Cut(id, "-"); return n }

func day(t time.Time) string { return t.Local().Format(time.DateOnly) }

// runText is one run in a few words.
func runText(r *apply.Receipt) string {
	what := r.Kind
	if r.Undoes != "" {
		what += " of " + number(r.Undoes)
	}
	return fmt.Sprintf("%s %s %s, %s", number(r.ID), day(r.When), what, r.Phase)
}

// firstToExpire is the certificate in use that expires first, or nil.
func firstToExpire(all []detect.Certificate) (first *detect.Certificate) {
	for i, c := range all {
		if c.Err == nil && c.InUse() && (first == nil || c.NotAfter.Before(first.NotAfter)) {
			first = &all[i]
		}
	}
	return first
}

// dueRecords counts the records to add or to remove now.
func dueRecords(all []publish.Report) (n int) {
	for _, r := range all {
		n += len(r.Due())
	}
	return n
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
	ways := len(p.lines) - len(m.waysOn())
	h.free = ways > h.top+room-2
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
	top := 0
	if m.home.free {
		top, focus = m.home.top, 0
	}
	return page{title: append(m.homeGrades(), ""), lines: lines, focus: focus, top: top, keys: []string{"↑↓ choose", "enter open", "s server", "l commands run", "? help", "q quit"}}
}

// homeGrades are the grades in a line, with those after the last run where they differ.
func (m *Model) homeGrades() (lines []string) {
	t, line := m.theme, ""
	for _, g := range m.card.card.Grades {
		text := t.quiet.Render(string(g.Part)) + " "
		switch was := m.home.past.grade(string(g.Part)); {
		case !m.card.ready:
			text += t.quiet.Render(signFolded)
		case was != "" && was != g.Letter:
			text += t.grade(was).Render(was) + " → " + t.grade(g.Letter).Render(g.Letter)
		default:
			text += t.grade(g.Letter).Render(g.Letter)
		}
		if line != "" && ansi.StringWidth(line)+3+ansi.StringWidth(text) > m.width-6 {
			lines, line = append(lines, "   "+line), ""
		}
		if line != "" {
			line += "   "
		}
		line += text
	}
	lines = append(lines, "   "+line)
	if !m.card.ready {
		lines = append(lines, "   "+t.quiet.Render(m.spinner()+" testing the listeners, and rehearsing"))
	}
	return lines
}

// sinceLines say what has changed since the last run.
func (m *Model) sinceLines() (lines []string) {
	t, p := m.theme, m.home.past
	say := func(sign, text string) {
		lines = append(lines, hang("   "+t.sign(sign)+" ", wrap(text, m.width-8))...)
	}
	if p.reverted != "" {
		say(signBad, p.reverted)
	}
	switch {
	case p.last == nil:
		if p.reverted == "" {
			say(signNote, "No settings of postseal are in effect here: the last run was undone, or its record is missing.")
		}
		return lines
	case m.height >= 20:
		lines = append(lines, "   "+t.accent.Render("Since run "+number(p.last.ID)+" of "+day(p.last.When)))
	}
	worse, better := m.gradeChanges()
	if len(worse) > 0 {
		say(signNote, "Worse than then: "+strings.Join(worse, ", ")+".")
	}
	if len(better) > 0 {
		say(signGood, "Better than then: "+strings.Join(better, ", ")+".")
	}
	if len(worse)+len(better) == 0 && m.card.ready && len(p.last.Grades) > 0 {
		say(signGood, "Every grade is as it was.")
	}
	if len(p.edits) == 0 {
		say(signGood, "No file that postseal wrote was edited.")
	}
	for _, e := range p.edits {
		say(signNote, editText(e))
	}
	return lines
}

// editText says what became of a file.
func editText(e apply.Edit) string {
	switch {
	case e.Gone:
		return e.Path + " is missing."
	case e.Err != nil:
		return e.Err.Error() + "."
	}
	return e.Path + " was edited on " + e.When.Local().Format("2006-01-02 15:04") + "."
}

// gradeChanges are the parts with another grade than after the last run.
func (m *Model) gradeChanges() (worse, better []string) {
	if !m.card.ready {
		return nil, nil
	}
	for _, g := range m.card.card.Grades {
		was := m.home.past.grade(string(g.Part))
		switch {
		case was == "" || was == g.Letter || was == audit.Unjudged || g.Letter == audit.Unjudged:
		case g.Letter > was:
			worse = append(worse, fmt.Sprintf("%s was %s and is %s", g.Part, was, g.Letter))
		default:
			better = append(better, fmt.Sprintf("%s was %s and is %s", g.Part, was, g.Letter))
		}
	}
	return worse, better
}

// soon is how long before its end an exception is told of.
const soon = 14 * 24 * time.Hour

// dueLines say what has to be done, and when the next thing is.
func (m *Model) dueLines() (lines []string) {
	t, f := m.theme, m.session.Facts
	var due []string
	for _, d := range m.session.Due() {
		due = append(due, d+". Press c.")
	}
	if n := dueRecords(m.home.published); n > 0 {
		due = append(due, fmt.Sprintf("%d DNS %s to add or remove now. Press p.", n, plural(n, "record", "records")))
	}
	for _, r := range m.home.published {
		for _, x := range r.Findings {
			due = append(due, strings.TrimSpace(x.Owner+" "+x.Text)+". Press p.")
		}
	}
	for _, e := range f.Exceptions {
		if !e.Until.IsZero() && e.Until.Before(f.Now.Add(soon)) {
			due = append(due, "The exception for "+e.Domain+" ends on "+day(e.Until)+". Press d.")
		}
	}
	if n := len(m.home.held); n > 0 {
		h := m.home.held[0]
		due = append(due, fmt.Sprintf("%d %s in the queue because of TLS, such as %s to %s. Why: %s", n, plural(n, "message waits", "messages wait"), h.QueueID, h.Domain, hint.ShellLine(m.session.Verb("why", h.Domain))))
	}
	if m.height >= 20 {
		lines = append(lines, "   "+t.accent.Render("Due"))
	}
	for _, d := range due {
		lines = append(lines, hang("   "+t.sign(signNote)+" ", wrap(d, m.width-8))...)
	}
	if len(due) == 0 {
		text := "Nothing is due now."
		if next := m.nextRenewal(); next != "" {
			text += " Next: the certificate, " + next + "."
		}
		lines = append(lines, hang("   "+t.sign(signGood)+" ", wrap(text, m.width-8))...)
	}
	return lines
}
