package wizard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/diff"
	"postseal/internal/interview"
	"postseal/internal/plan"
	"postseal/internal/report"
)

// item is a question as the wizard sees it.
type item = ask.Item[interview.Facts]

// questionState is the page of one question.
type questionState struct {
	item
	section, title, why, text string
	options                   []ask.Option
	cursor                    int
	// checked are the options chosen, where a question takes more than one.
	checked map[int]bool
	// input is open when the answer is typed.
	input   textinput.Model
	typing  bool
	waiting bool // files are being looked at
	err     error
	// effects are the plans of the options, so that moving is instant.
	effects map[string]effect
	// affected are the settings that this question changes at all.
	affected []setting
}

// setting is a parameter of main.cf, or of one service in master.cf.
type setting struct{ service, parameter string }

func settingOf(c plan.Change) setting { return setting{c.Service, c.Parameter} }

// effect is what an answer does to the files.
type effect struct {
	changes        []plan.Change
	added, removed int
	err            error
}

// ask opens the page of a question. The answer that counts now is chosen.
func (m *Model) ask(q item) {
	m.stage, m.help = asking, nil
	m.asked[q.Name()] = true
	s := questionState{item: q, checked: map[int]bool{}, effects: map[string]effect{}}
	s.section, s.title, s.why, s.text = q.Texts()
	f := m.session.Facts
	for _, o := range q.Options(f, m.answers) {
		if o.Hidden == "" {
			s.options = append(s.options, o)
		}
	}
	now, _ := q.Value(f, m.answers)
	for i, o := range s.options {
		if slices.Contains(now, o.Text) {
			s.cursor = i
			s.checked[i] = q.Repeats()
		}
	}
	for _, v := range now { // an answer that was typed earlier
		if v != "" && !slices.ContainsFunc(s.options, func(o ask.Option) bool { return o.Text == v }) {
			s.options = append(s.options, ask.Option{Text: v, Help: "given before"})
			s.cursor = len(s.options) - 1
			s.checked[s.cursor] = q.Repeats()
		}
	}
	if placeholder, ok := q.FreeText(); ok {
		s.options = append(s.options, ask.Option{Text: otherText, Help: "type " + placeholder})
		s.input = textinput.New()
		s.input.Prompt = ""
		s.input.Placeholder = placeholder
		s.input.CharLimit = 4096
	}
	m.question = s
	m.foresee()
}

// otherText is the option that opens the input.
const otherText = "another …"

// foresee makes the plan of every option, and finds out which settings differ.
func (m *Model) foresee() {
	q := &m.question
	values := map[setting]map[string]bool{}
	var order []setting
	for _, o := range q.options {
		if o.Text == otherText {
			continue
		}
		e := m.effectOf([]string{o.Text})
		q.effects[o.Text] = e
		for _, c := range e.changes {
			id := settingOf(c)
			if values[id] == nil {
				values[id] = map[string]bool{}
				order = append(order, id)
			}
		}
	}
	for _, id := range order {
		for _, e := range q.effects {
			values[id][e.after(id)] = true
		}
		if len(values[id]) > 1 {
			q.affected = append(q.affected, id)
		}
	}
}

// after is what a setting will be, as one string that can be compared.
func (e effect) after(id setting) string {
	for _, c := range e.changes {
		if settingOf(c) == id {
			return fmt.Sprint(c.Kept, c.After)
		}
	}
	return "unchanged"
}

// effectOf makes the plan for an answer.
func (m *Model) effectOf(texts []string) effect {
	a := m.answers.Clone()
	if err := m.question.Set(a, texts, ask.Typed); err != nil {
		return effect{err: err}
	}
	interview.Settle(a)
	p, err := m.session.Preview(a)
	if err != nil {
		return effect{err: err}
	}
	e := effect{changes: p.Changes}
	for _, kind := range []plan.Kind{plan.MainCF, plan.MasterCF} {
		if f, ok := p.File(kind); ok {
			if d, err := diff.Compare(f.Path, f.Before, f.After, nil); err == nil {
				e.added, e.removed = e.added+d.Added, e.removed+d.Removed
			}
		}
	}
	return e
}

// chosen is the answer that the page shows now.
func (q *questionState) chosen() []string {
	if q.typing {
		return []string{strings.TrimSpace(q.input.Value())}
	}
	var out []string
	for i, o := range q.options {
		if q.checked[i] {
			out = append(out, o.Text)
		}
	}
	if len(out) == 0 && q.cursor < len(q.options) {
		out = []string{q.options[q.cursor].Text}
	}
	return out
}

func (m *Model) questionKey(k tea.KeyMsg) tea.Cmd {
	q := &m.question
	if q.waiting {
		return nil
	}
	if q.typing {
		return m.typeKey(k)
	}
	switch k.String() {
	case "up", "k":
		q.cursor, q.err = max(0, q.cursor-1), nil
	case "down", "j":
		q.cursor, q.err = min(len(q.options)-1, q.cursor+1), nil
	case " ":
		if q.Repeats() && q.options[q.cursor].Text != otherText {
			m.check()
		}
	case "enter", "right":
		if q.options[q.cursor].Text == otherText {
			q.typing, q.err = true, nil
			return q.input.Focus()
		}
		if q.Repeats() && !q.checked[q.cursor] {
			// Enter takes what the cursor is on, unless others were ticked.
			q.checked = map[int]bool{q.cursor: true}
		}
		return m.answer()
	case "left", "esc", "backspace":
		m.back()
	case "?":
		m.help = newOverlay(q.title, m.helpText())
	case "d":
		return m.startReview()
	case "a":
		return m.startReview()
	case "q":
		return m.quit()
	}
	return nil
}

// helpText is the long form of why, and what is in force now.
func (m *Model) helpText() []string {
	q := &m.question
	out := []string{q.why, ""}
	for _, paragraph := range strings.Split(q.text, "\n\n") {
		out = append(out, strings.ReplaceAll(paragraph, "\n", " "), "")
	}
	if now := q.Present(m.session.Facts); now != "" {
		out = append(out, "Now: "+now, "")
	}
	return append(out, "By flag: --"+q.Name()+". In the answers file: "+q.Name()+" = …")
}

// check ticks an option. "none" stands alone.
func (m *Model) check() {
	q := &m.question
	none := func(i int) bool { return q.options[i].Text == "none" }
	on := !q.checked[q.cursor]
	for i := range q.options {
		if on && (none(i) || none(q.cursor)) {
			q.checked[i] = false
		}
	}
	q.checked[q.cursor] = on
}

// typeKey is a key while the answer is typed.
func (m *Model) typeKey(k tea.KeyMsg) tea.Cmd {
	q := &m.question
	switch k.String() {
	case "esc":
		q.typing, q.err = false, nil
		q.input.Blur()
		return nil
	case "enter":
		return m.answer()
	}
	var cmd tea.Cmd
	q.input, cmd = q.input.Update(k)
	q.err = nil
	return cmd
}

// inspected is an answer whose files were looked at.
type inspected struct {
	gen   int
	facts *detect.Facts
	a     *ask.Answers
	err   error
}

// answer checks the answer of the page; what it names is read by a command.
func (m *Model) answer() tea.Cmd {
	q := &m.question
	a := m.answers.Clone()
	if err := q.Set(a, q.chosen(), ask.Typed); err != nil {
		q.err = err
		return nil
	}
	interview.Settle(a)
	m.gen++
	q.waiting, q.err = true, nil
	gen, ses, name := m.gen, m.session.With(m.session.Facts.Clone()), q.Name()
	return func() tea.Msg {
		ses.Inspect(a)
		out := inspected{gen: gen, facts: ses.Facts, a: a}
		if item, ok := interview.All.Lookup(name); ok {
			out.err = item.Verify(ses.Facts, a)
		}
		return out
	}
}

func (m *Model) inspected(i inspected) tea.Cmd {
	if i.gen != m.gen || m.stage != asking {
		return nil
	}
	m.question.waiting = false
	m.session = m.session.With(i.facts)
	if i.err != nil {
		m.question.err = i.err
		return nil
	}
	m.answers, m.session.Answers = i.a, i.a
	if m.list.editing {
		return m.showList()
	}
	return m.proceed(m.question.Name())
}

// back goes to the question before, whatever state this one is in.
func (m *Model) back() {
	m.gen++
	if m.list.editing {
		m.stage = overview
		return
	}
	var before item
	for _, q := range interview.All.Relevant(m.session.Facts, m.answers) {
		if q.Name() == m.question.Name() {
			break
		}
		if m.asked[q.Name()] {
			before = q
		}
	}
	if before == nil {
		m.stage = looking
		return
	}
	m.ask(before)
}

// unanswered says whether nobody has answered a question yet.
func (m *Model) unanswered(key string) bool { return m.answers.Source(key) == ask.Unset }

func (m *Model) questionPage() page {
	q := &m.question
	t := m.theme
	wide := m.width >= 76
	width := m.width - 4
	if wide {
		// The longest name of a parameter takes 34 columns.
		width = m.width - 4 - max(39, m.width*46/100)
	}
	var lines []string
	add := func(l ...string) { lines = append(lines, l...) }
	for _, l := range wrap(q.title, width) {
		add("   " + t.strong.Render(l))
	}
	add("")
	focus := 0
	for i, o := range q.options {
		if i == q.cursor {
			focus = len(lines)
		}
		add(m.option(i, o, width)...)
	}
	if q.err != nil {
		add("")
		add(m.errorLines(q.err, width+4)...)
		focus = len(lines) - 1
	}
	if q.waiting {
		add("", "   "+t.quiet.Render("looking at the files …"))
	}
	add("")
	texts, why := q.Proposal(m.session.Facts, m.answers)
	if len(texts) == 0 {
		add(indent("   ", wrap("No suggestion: "+why+".", width))...)
	} else {
		add(indent("   ", wrap("Suggested: "+strings.Join(texts, ", ")+", because "+why+".", width))...)
	}
	if now := q.Present(m.session.Facts); now != "" {
		add(indent("   ", styled(t.quiet, wrap("Now: "+now, width)))...)
	}
	if _, source := q.Value(m.session.Facts, m.answers); source > ask.Detected && source < ask.Typed {
		add("   " + t.quiet.Render("Chosen: from "+source.String()))
	}
	add("")
	add(indent("   ", wrap(q.why, width))...)
	if wide {
		lines = columns(lines, m.effectLines(m.width-width-6), width+4)
	} else {
		lines = append(lines, "")
		lines = append(lines, indent("   ", m.effectLines(m.width-6))...)
	}
	p := page{lines: lines, focus: focus, keys: []string{"↑↓ choose", "enter next", "← back", "? why", "a rest as suggested", "d diff", "q quit"}}
	if q.Repeats() {
		p.keys = slices.Insert(p.keys, 1, "space tick")
	}
	if q.typing {
		p.keys = []string{"enter next", "esc back to the list", "ctrl+c quit"}
	}
	return p
}

// option is one line of the list, or more if its help does not fit.
func (m *Model) option(i int, o ask.Option, width int) []string {
	q, t := &m.question, m.theme
	lead, style := "     ", t.plain
	if i == q.cursor {
		lead, style = "   "+t.accent.Render(signHere)+" ", t.strong
	}
	if q.Repeats() && o.Text != otherText {
		tick := "[ ] "
		if q.checked[i] {
			tick = "[x] "
		}
		lead += tick
	}
	if o.Text == otherText && q.typing {
		in := q.input
		in.Width = max(10, width-6)
		return []string{lead + in.View()}
	}
	name := report.Clean(o.Text)
	column := q.column()
	room := width - 2
	if q.Repeats() {
		room -= 4
	}
	if column+14 > room {
		out := hang(lead, styled(style, wrap(name, room)))
		return append(out, indent("       ", styled(t.quiet, wrap(o.Help, width-6)))...)
	}
	help := styled(t.quiet, wrap(o.Help, room-column-3))
	return hang(lead, columns([]string{style.Render(name)}, help, column+1))
}

// column is the width of the names of the options.
func (q *questionState) column() int {
	w := 8
	for _, o := range q.options {
		w = max(w, ansi.StringWidth(o.Text))
	}
	return w
}

func styled(s interface{ Render(...string) string }, lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = s.Render(l)
	}
	return out
}

// effectLines show what the chosen answer does to the files.
func (m *Model) effectLines(width int) []string {
	q, t := &m.question, m.theme
	if q.typing || len(q.options) == 0 || q.options[q.cursor].Text == otherText {
		return nil
	}
	e := q.effects[q.options[q.cursor].Text]
	lines := []string{t.quiet.Render("main.cf"), t.quiet.Render(strings.Repeat("─", max(0, width)))}
	if e.err != nil {
		return append(lines, styled(t.quiet, wrap(e.err.Error(), width))...)
	}
	for _, id := range q.affected {
		lines = append(lines, m.effectOn(id, e, width)...)
	}
	if len(q.affected) == 0 {
		lines = append(lines, styled(t.quiet, wrap("this changes no line by itself", width))...)
	}
	return append(lines, "", t.quiet.Render(fmt.Sprintf("in all %d lines added, %d removed", e.added, e.removed)))
}

// effectOn is one setting before and after.
func (m *Model) effectOn(id setting, e effect, width int) (out []string) {
	t := m.theme
	line := func(op, value string, style interface{ Render(...string) string }) {
		text := id.parameter + " = " + value
		if id.service != "" {
			text = id.service + " -o " + id.parameter + "=" + value
		}
		for i, l := range wrap(text, width-3) {
			if i > 0 {
				l = "  " + l
			}
			out = append(out, style.Render(op+l))
		}
	}
	for _, c := range e.changes {
		if settingOf(c) != id {
			continue
		}
		if c.Present {
			line("-", c.Before, t.bad.UnsetBold())
		}
		if c.Kept {
			line("+", c.After, t.good)
		}
		return out
	}
	if v := m.session.Facts.Config.Value(nil, id.parameter); id.service == "" && v.Set {
		line(" ", v.Raw, t.quiet)
	}
	return out
}
