package wizard

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"postseal/internal/audit"
	"postseal/internal/report"
	"postseal/internal/session"
)

// cardState is the report card, the second page.
type cardState struct {
	card audit.Card
	// opinions are what others would say.
	opinions []audit.Opinion
	// ready: the listeners and the rehearsal were seen, not the files alone.
	ready bool
	// cursor 0 goes on to the questions; after it come the findings.
	cursor int
	opened bool // the finding under the cursor
	top    int  // of the opened finding
}

// judged is the end of gathering the evidence for the card.
type judged struct {
	of       *session.Session
	evidence *audit.Evidence
	err      error
}

// gather looks at the service and rehearses while the person reads. Leaving the
// wizard waits until that has cleared up.
func (m *Model) gather() tea.Cmd {
	ctx, o, ses := m.ctx, m.o, m.session
	m.card = cardState{card: audit.Audit(&audit.Evidence{Facts: ses.Facts, NotLive: "inspection in progress", NotSent: "rehearsal in progress"}, ses.Suppressions...)}
	m.gathering.Add(1)
	return func() tea.Msg {
		defer m.gathering.Done()
		e, err := o.evidence(ctx, ses)
		return judged{ses, e, err}
	}
}

func (m *Model) judged(j judged) {
	if j.of != m.session || j.err != nil {
		return // another look is under way, or the wizard is being left
	}
	chosen := ""
	if f := m.card.finding(); f != nil {
		chosen = f.ID
	}
	c := &m.card
	c.card, c.opinions, c.ready = audit.Audit(j.evidence, j.of.Suppressions...), audit.Opinions(j.evidence), true
	c.cursor = 1 + slices.IndexFunc(c.entries(), func(f audit.Finding) bool { return f.ID == chosen })
	c.opened = c.opened && c.cursor > 0
}

// entries are all findings, those that are suppressed last.
func (c *cardState) entries() []audit.Finding {
	return slices.Concat(c.card.Findings, c.card.Suppressed)
}

// finding is the one under the cursor, or nil.
func (c *cardState) finding() *audit.Finding {
	all := c.entries()
	if c.cursor < 1 || c.cursor > len(all) {
		return nil
	}
	return &all[c.cursor-1]
}

// showCard opens the card.
func (m *Model) showCard() tea.Cmd {
	m.stage, m.card.cursor, m.card.opened = carding, 0, false
	return nextTick()
}

func (m *Model) cardKey(k tea.KeyMsg) tea.Cmd {
	c := &m.card
	if c.opened {
		return m.findingKey(k)
	}
	switch k.String() {
	case "up", "k":
		c.cursor = max(0, c.cursor-1)
	case "down", "j":
		c.cursor = min(len(c.entries()), c.cursor+1)
	case "home", "g":
		c.cursor = 0
	case "end", "G":
		c.cursor = len(c.entries())
	case "enter", "right", " ":
		if c.finding() == nil {
			return m.proceed("")
		}
		c.opened, c.top = true, 0
	case "o":
		if len(c.opinions) > 0 {
			m.help = newOverlay("How other checkers would rate port 25, by their published rules", opinionLines(c.opinions))
		}
	case "left", "esc", "backspace":
		if m.home.past != nil {
			return m.showHome()
		}
		m.stage = looking
	case "q":
		return m.quit()
	}
	return nil
}

func (m *Model) findingKey(k tea.KeyMsg) tea.Cmd {
	c := &m.card
	switch k.String() {
	case "enter":
		if key := c.finding().Cure.Question; key != "" {
			return m.openQuestion(key)
		}
		c.opened = false
	case "left", "esc", "backspace":
		c.opened = false
	case "tab":
		c.cursor, c.top = c.cursor%len(c.entries())+1, 0
	case "q":
		return m.quit()
	default:
		p := m.findingPage()
		scrolled(&c.top, k, len(p.lines), m.room(p))
	}
	return nil
}

// openQuestion opens one question out of the list of all answers, or that list.
func (m *Model) openQuestion(key string) tea.Cmd {
	cmd := m.showList()
	for i, q := range m.relevant() {
		if q.Name() == key {
			m.list.cursor, m.list.editing = i, true
			m.ask(q)
			break
		}
	}
	return cmd
}

func (m *Model) cardPage() page {
	if m.card.opened {
		return m.findingPage()
	}
	c, t := &m.card, m.theme
	title := m.gradeLines()
	if !c.ready {
		title = append(title, "   "+t.quiet.Render(m.spinner()+" testing the listeners, and rehearsing"))
	}
	title = append(title, "")
	var lines []string
	focus := 0
	entry := func(i int, sign, text, right string) {
		lead, style := "     ", t.plain
		if i == c.cursor {
			lead, style, focus = "   "+t.accent.Render(signHere)+" ", t.strong, len(lines)
		}
		if sign != "" {
			lead += t.sign(sign) + " "
		}
		room := m.width - 2 - ansi.StringWidth(lead) - ansi.StringWidth(right)
		text = ansi.Truncate(text, room, signFolded)
		lines = append(lines, lead+style.Render(text)+strings.Repeat(" ", max(0, room-ansi.StringWidth(text))+1)+t.quiet.Render(right))
	}
	what := "Go on to the questions"
	if len(c.entries()) == 0 && c.ready {
		what = "No findings. Go on to the questions"
	}
	entry(0, "", what, "")
	for i, f := range c.entries() {
		sign, what := signNote, f.Severity.String()
		if f.Severity >= audit.High {
			sign = signBad
		}
		if f.Suppressed != nil {
			sign, what = signLater, "suppressed"
		}
		if m.width >= 70 {
			what = fmt.Sprintf("%s  %-10s", f.Part, what)
		}
		entry(i+1, sign, f.Title, what)
	}
	keys := []string{"↑↓ choose", "enter open", "← back", "q quit"}
	if len(c.opinions) > 0 {
		keys = slices.Insert(keys, 2, "o other checkers")
	}
	return page{title: title, lines: lines, focus: focus, keys: keys}
}

// On screens with so many lines it is told what keeps a part from an A: the few
// most expensive findings.
const roomy, mostLost = 30, 3

// gradeLines are the four grades, in few lines where there are few.
func (m *Model) gradeLines() (lines []string) {
	t := m.theme
	if m.height < 20 {
		var all []string
		for _, g := range m.card.card.Grades {
			all = append(all, string(g.Part)+"\u00a0"+g.Letter)
		}
		return indent("   ", styled(t.strong, wrap(strings.Join(all, "  "), m.width-6)))
	}
	for _, g := range m.card.card.Grades {
		style := t.grade(g.Letter)
		text := fmt.Sprintf("%d of 100", g.Points)
		if g.Letter == audit.Unjudged {
			text = "not judged"
		}
		if g.Suppressed > 0 {
			text += fmt.Sprintf(", %d suppressed", g.Suppressed)
		}
		switch why := g.Why(); {
		case m.width < 70:
		case why != "":
			text += ": " + oneLine(why)
		default:
			text += "  " + oneLine("by "+g.Basis)
		}
		lead := "   " + fmt.Sprintf("%-13s", g.Part) + style.Render(g.Letter) + "  "
		lines = append(lines, lead+ansi.Truncate(t.quiet.Render(text), m.width-1-ansi.StringWidth(lead), signFolded))
		if g.Letter != "A" && g.Letter != audit.Unjudged && m.height >= roomy {
			for _, l := range most(g.Lost) {
				lines = append(lines, ansi.Truncate("                    "+t.quiet.Render(oneLine(l)), m.width-1, signFolded))
			}
		}
	}
	return lines
}

// most are the most expensive findings of a part, and how many there are besides:
// points that are shown should add up.
func most(lost []string) []string {
	more := len(lost) - mostLost
	if more < 2 {
		return lost
	}
	return append(slices.Clone(lost[:mostLost]), fmt.Sprintf("and %d others", more))
}

// findingPage is one finding in its four parts: what was seen, what it does to
// mail, who demands it, and what cures it.
func (m *Model) findingPage() page {
	c, t := &m.card, m.theme
	f := c.finding()
	sign := t.sign(signNote)
	if f.Severity >= audit.High {
		sign = t.sign(signBad)
	}
	cost := f.Severity.String() + ", costs nothing"
	if f.Severity > audit.Note {
		cost = fmt.Sprintf("%s, %d points of %s", f.Severity, int(f.Severity), f.Part)
	}
	lines := hang("   "+sign+" ", styled(t.strong, wrap(f.Title, m.width-8)))
	lines = append(lines, indent("     ", styled(t.quiet, wrap(f.ID+" "+signLater+" "+cost, m.width-8)))...)
	section := func(title string, texts ...string) {
		lines = append(lines, "", "   "+t.accent.Render(title))
		for _, text := range texts {
			lines = append(lines, hang("   ", wrap(text, m.width-6))...)
		}
	}
	if s := f.Suppressed; s != nil {
		section("Suppressed until "+s.Until.Format(time.DateOnly), s.Reason)
	}
	section("Effect", f.Why)
	var seen []string
	for _, h := range f.Hits {
		seen = append(seen, report.HitText(h))
		if h.Remedy != "" {
			seen = append(seen, "→ "+h.Remedy)
		}
	}
	section("Evidence", seen...)
	section("Source", string(f.Level)+": "+f.Source)
	keys := []string{"tab next", "← back", "q quit"}
	if key := f.Cure.Question; key != "" {
		section("Remedy", "The question "+key+", or: "+f.Cure.Text)
		keys = append([]string{"enter open the question"}, keys...)
	} else {
		section("Remedy", f.Cure.Text)
	}
	p := page{lines: lines, top: c.top, keys: keys}
	if len(p.lines) > m.room(p) {
		p.keys = slices.Insert(slices.Clone(p.keys), len(p.keys)-1, "↑↓ scroll", "/ search")
	}
	return p
}

func opinionLines(all []audit.Opinion) (out []string) {
	for _, o := range all {
		out = append(out, o.Who+", "+o.What+": "+o.Says)
		if o.Why != "" {
			out = append(out, "    here: "+o.Why)
		}
	}
	return out
}

// evidence is what the card is made from.
func (o Options) evidence(ctx context.Context, s *session.Session) (*audit.Evidence, error) {
	if o.gather != nil {
		return o.gather(ctx, s)
	}
	return s.Evidence(ctx, session.Gather{Live: true, Send: !o.FilesOnly})
}
