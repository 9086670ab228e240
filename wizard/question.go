package wizard

import (
	"errors"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"postseal/certs"
	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/interview"
)

// item is a question as the wizard sees it.
type item = ask.Item[interview.Facts]

// questionState is the page of one question.
type questionState struct {
	item
	section, title, why, text string
	options                   []ask.Option
	cursor                    int
	besideTop                 int // the first line shown of what stands beside it
	// opened is the option that the page opened on; rest says that what it is
	// answered with is followed by what is suggested of the others.
	opened string
	rest   bool
	// checked are the options chosen, where a question takes more than one;
	// ticked says that the person chose some of them, on this page.
	checked map[int]bool
	ticked  bool
	// find narrows the options.
	find findState
	// input is open when the answer is typed.
	input   textinput.Model
	typing  bool
	waiting bool // files are being looked at
	making  bool // whether to make a self-signed certificate is asked
	err     error
	// effects are the plans of the options, so that moving is instant.
	effects map[string]effect
	// affected are the settings that this question changes at all.
	affected []setting
	// judged are the certificates that can be chosen, by path.
	judged map[string][]certs.Inspection
}

// ask opens the page of a question. The answer that counts now is chosen.
func (m *Model) ask(q item) {
	m.stage, m.help = asking, nil
	answers := m.flow().answers
	m.flow().asked[q.Name()] = true
	s := questionState{item: q, checked: map[int]bool{}, effects: map[string]effect{}}
	s.section, s.title, s.why, s.text = q.Texts()
	f := m.session.Facts
	now, _ := q.Value(f, answers)
	for _, o := range q.Options(f, answers) {
		begun := o.Open && slices.ContainsFunc(now, func(v string) bool { return strings.HasPrefix(v, o.Text) })
		if o.Hidden == "" && !begun {
			s.options = append(s.options, o)
		}
	}
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
	if q.Name() == certKey && m.order == nil {
		s.options = append(s.options, newOptions...)
	}
	if placeholder, ok := q.FreeText(); ok {
		s.options = append(s.options, ask.Option{Text: otherText, Help: "type " + placeholder})
		s.input = m.newInput(placeholder)
	}
	s.find.all = s.options
	if s.cursor < len(s.options) {
		s.opened = s.options[s.cursor].Text
	}
	m.question = s
	m.foresee()
	if strings.HasSuffix(q.Name(), certKey) && m.order == nil { // of the server, and of the client
		m.judge()
	}
}

// Options that are no answers: otherText opens the input, newText orders a
// certificate, ownText makes one without a CA.
const (
	otherText = "another …"
	newText   = "a new one …"
	ownText   = "self-signed …"
)

// newOptions lead to a certificate that is not there yet.
var newOptions = []ask.Option{
	{Text: newText, Help: "from a CA, by ACME"},
	{Text: ownText, Help: "without a CA: for DANE only"},
}

// certKey is the question that a new certificate answers.
const certKey = "cert"

// answers says whether an option is one.
func answers(o ask.Option) bool {
	return o.Text != otherText && o.Text != newText && o.Text != ownText && !o.Open
}

// typed says whether the option opens the input: to type an answer, or to
// complete one that is begun.
func typed(o ask.Option) bool { return o.Text == otherText || o.Open }

// chosen is the answer that the page shows now.
func (q *questionState) chosen() []string {
	if q.typing {
		if text := q.input.Value(); q.Repeats() && strings.TrimSpace(text) != "" {
			return strings.Fields(text) // as on a command line
		}
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
	switch {
	case q.waiting: // for files, perhaps on a disk that is gone: only leaving is heard
		switch k.String() {
		case "left", "esc", "backspace":
			return m.back()
		case "q":
			return m.quit()
		}
		return nil
	case q.making:
		q.making = false
		if k.String() == "y" {
			return m.selfSign()
		}
		return nil
	case q.typing:
		return m.typeKey(k)
	case q.find.open:
		return m.findKey(k)
	}
	switch k.String() {
	case "up", "k":
		q.cursor, q.besideTop, q.err = max(0, q.cursor-1), 0, nil
	case "down", "j":
		q.cursor, q.besideTop, q.err = min(len(q.options)-1, q.cursor+1), 0, nil
	case "pgup", "pgdown":
		_ = scrolled(&q.besideTop, k, len(m.beside(besideWidth(m.width))), m.height-len(m.header())-2)
	case "/":
		if q.findable() {
			return m.openFind()
		}
	case " ":
		if q.options[q.cursor].Open {
			return m.openInput()
		}
		if q.Repeats() && answers(q.options[q.cursor]) {
			m.check()
		}
	case "enter", "right":
		if typed(q.options[q.cursor]) {
			return m.openInput()
		}
		switch q.options[q.cursor].Text {
		case newText:
			return m.startOrder()
		case ownText:
			if q.making, q.err = len(interview.Names(m.session.Facts)) > 0, nil; !q.making {
				q.err = errors.New("this server has no name that a certificate could cover")
			}
			return nil
		}
		return m.answerHere()
	case "left", "esc", "backspace":
		return m.back()
	case "?":
		m.help = newOverlay(q.title, m.helpText())
	case "a", "d":
		if k.String() == "d" && m.order != nil { // an order changes no file of Postfix
			return nil
		}
		switch here := q.options[q.cursor]; {
		case here.Text == q.opened && !q.ticked, k.String() == "d" && !answers(here):
			return m.showAll()
		case !answers(here):
			q.err = errors.New("no answer yet: press Enter, or choose another line")
		default:
			q.rest = true
			return m.answerHere()
		}
	case "q":
		return m.quit()
	}
	return nil
}

// showAll is the review, or of an order the list.
func (m *Model) showAll() tea.Cmd {
	if m.order != nil {
		return m.showList()
	}
	return m.startReview()
}

// answerHere takes what the cursor is on, unless something was ticked here.
func (m *Model) answerHere() tea.Cmd {
	if q := &m.question; q.Repeats() && !q.ticked && !q.checked[q.cursor] {
		q.checked = map[int]bool{q.cursor: true}
	}
	return m.answer()
}

// openInput opens the line to type an answer into.
func (m *Model) openInput() tea.Cmd {
	q := &m.question
	q.typing, q.err = true, nil
	if o := q.options[q.cursor]; o.Open {
		q.input.SetValue(o.Text)
		q.input.CursorEnd()
	} else if q.begun() {
		q.input.SetValue("")
	}
	return q.input.Focus()
}

// begun says whether what stands in the input is what an option begins.
func (q *questionState) begun() bool {
	return slices.ContainsFunc(q.options, func(o ask.Option) bool { return o.Open && strings.HasPrefix(q.input.Value(), o.Text) })
}

// complete makes an answer of what was begun, and ticks it.
func (m *Model) complete() {
	q := &m.question
	text := strings.TrimSpace(q.input.Value())
	if q.err = q.Set(m.flow().answers.Clone(), []string{text}, ask.Typed); q.err != nil {
		return
	}
	q.options = slices.Clone(q.options)
	q.options[q.cursor] = ask.Option{Text: text, Help: q.options[q.cursor].Help}
	q.checked[q.cursor], q.ticked, q.typing = q.Repeats(), true, false
	for i, o := range q.options {
		q.checked[i] = q.checked[i] && o.Text != "none"
	}
	q.input.SetValue("")
	q.input.Blur()
}

// check ticks an option. "none" stands alone.
func (m *Model) check() {
	q := &m.question
	q.ticked = true
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
		if q.options[q.cursor].Open {
			m.complete()
			return nil
		}
		return m.answer()
	}
	// What is pasted may bring marks that turn the direction of writing.
	k.Runes = slices.DeleteFunc(slices.Clone(k.Runes), func(r rune) bool { return r != '\t' && oneLine(string(r)) != string(r) })
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
	return m.take(m.question.chosen())
}

// take is answer, for texts that need not be an option of the page.
func (m *Model) take(texts []string) tea.Cmd {
	q := &m.question
	a := m.flow().answers.Clone()
	if err := q.Set(a, texts, ask.Typed); err != nil {
		q.err, q.rest = err, false
		return nil
	}
	interview.Settle(a)
	m.gen++
	q.waiting, q.err = true, nil
	gen, ses, set, name := m.gen, m.session.With(m.session.Facts.Clone()), m.flow().set, q.Name()
	ordering := m.order != nil
	return func() tea.Msg {
		if !ordering { // an order names files of others, which are read when it is made
			ses.Inspect(a)
		}
		out := inspected{gen: gen, facts: ses.Facts, a: a}
		if item, ok := set.Lookup(name); ok {
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
		m.question.err, m.question.rest = i.err, false
		return nil
	}
	m.flow().answers = i.a
	if m.order == nil {
		m.session.Answers = i.a
	} else {
		m.order.err = nil // it was about other answers
	}
	switch {
	case m.question.rest:
		return m.showAll()
	case m.list.editing:
		return m.showList()
	}
	return m.proceed(m.question.Name())
}

// back goes to the question before, whatever state this one is in.
func (m *Model) back() tea.Cmd {
	m.gen++
	if m.list.editing {
		return m.showList()
	}
	var before item
	for _, q := range m.relevant() {
		if q.Name() == m.question.Name() {
			break
		}
		if m.flow().asked[q.Name()] {
			before = q
		}
	}
	switch {
	case before == nil && m.order != nil:
		m.leaveOrder()
	case before == nil:
		return m.showHome()
	default:
		m.ask(before)
	}
	return nil
}
