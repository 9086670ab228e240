package wizard

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/certs/acme"
	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/lineage"
	"postseal/internal/plan"
	"postseal/internal/session"
)

// orderState is a certificate being ordered from a CA.
type orderState struct {
	flow
	questions *interview.Order
	// before is the list of the answers about the server, as it was left.
	before listState
	// meta is what the CA at address says of itself, or why it does not.
	address string
	meta    acme.Meta
	metaErr error
	asking  bool
	// limit says how often the CA may still be asked, if that is known.
	limit string
	// err is why it cannot be ordered, or why the order failed. risky says that
	// it was for a risk that nobody accepted, which is asked about.
	err   error
	risky bool
	// accepted are risks by name.
	accepted []string
	// top is the first line that is shown of what is below the answers, once
	// that was scrolled to.
	top int
}

// riskUnproved asks for the only risk of an order.
const riskUnproved = "Accept this risk, " + lineage.RiskUnprovedDANE + ", now and at each renewal? If the zone is signed, senders with DANE do not deliver."

// orderReady are the questions about an order.
type orderReady struct {
	gen     int
	order   *interview.Order
	answers *ask.Answers
	err     error
}

// startOrder opens the questions about a new certificate.
func (m *Model) startOrder() tea.Cmd {
	m.gen++
	m.question.waiting, m.question.err = true, nil
	gen, ctx, ses := m.gen, m.ctx, m.session
	return func() tea.Msg {
		o, a, err := ses.Order(ctx, nil)
		return orderReady{gen, o, a, err}
	}
}

func (m *Model) orderReady(r orderReady) tea.Cmd {
	if r.gen != m.gen || m.stage != asking {
		return nil
	}
	m.question.waiting = false
	if r.err != nil {
		m.question.err = r.err
		return nil
	}
	if m.ordered != nil {
		r.answers = m.ordered
	}
	m.order = &orderState{flow: newFlow(r.order.Set, r.answers), questions: r.order, before: m.list}
	m.list = listState{}
	return m.proceed("")
}

// leaveOrder goes back to the question that the order came from. The answers
// stay, for an order that is begun again.
func (m *Model) leaveOrder() {
	m.gen++
	m.list, m.ordered, m.order = m.order.before, m.order.answers, nil
	if q, ok := interview.All.Lookup(certKey); ok {
		m.ask(q)
	}
}

// lineage is what would be ordered.
func (m *Model) lineage() (interview.OrderDecisions, *lineage.Lineage, error) {
	o := m.order
	d, err := o.questions.Decide(m.session.Facts, o.answers)
	if err != nil || len(d.Names) == 0 {
		return d, nil, err
	}
	return d, lineage.From(d, nil), nil
}

// metaMsg is what a CA says of itself.
type metaMsg struct {
	gen     int
	address string
	meta    acme.Meta
	limit   string
	err     error
}

// metaTime is how long a CA may take to say it.
const metaTime = 20 * time.Second

// showOrder opens the page with everything about the order, and asks the CA
// about itself.
func (m *Model) showOrder() tea.Cmd {
	m.stage, m.list.editing = overview, false
	m.list.cursor = min(m.list.cursor, len(m.relevant())-1)
	d, l, err := m.lineage()
	if err != nil || l == nil || m.order.address == d.CA.Directory && m.order.metaErr == nil {
		return nil
	}
	m.gen++
	m.order.address, m.order.asking, m.order.metaErr = d.CA.Directory, true, nil
	m.order.questions.Profiles = nil
	gen, ctx, k := m.gen, m.ctx, m.session.Keeper()
	return tea.Batch(nextTick(), func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, metaTime)
		defer cancel()
		limit, _, err := k.Allowance(l)
		if err != nil {
			return metaMsg{gen: gen, address: d.CA.Directory, err: err}
		}
		meta, err := k.Meta(ctx, l)
		return metaMsg{gen, d.CA.Directory, meta, limit, err}
	})
}

func (m *Model) metaMsg(r metaMsg) {
	if m.order == nil || m.order.address != r.address {
		return
	}
	m.order.asking, m.order.meta, m.order.limit, m.order.metaErr = false, r.meta, r.limit, r.err
	m.order.questions.Profiles = r.meta.Profiles
}

// orderKey is a key on the page with everything about the order.
func (m *Model) orderKey(k tea.KeyMsg) tea.Cmd {
	if m.order.risky {
		m.order.risky = false
		if k.String() == "y" {
			m.order.accepted = []string{lineage.RiskUnprovedDANE}
			return m.startOrdering()
		}
		return nil
	}
	switch k.String() {
	case "y":
		switch {
		case m.order.asking: // nobody can accept terms that are not shown yet
			return nil
		case m.order.metaErr != nil:
			return m.showOrder() // which asks again
		}
		return m.startOrdering()
	case "left", "esc", "backspace":
		m.leaveOrder()
	case "q":
		return m.quit()
	default:
		if !m.scrollOrder(k) {
			m.order.top = 0
			m.pick(k)
		}
	}
	return nil
}

// scrollOrder scrolls to what is below the answers, and back to them: by the
// keys for pages, and by the arrows beyond the last answer.
func (m *Model) scrollOrder(k tea.KeyMsg) bool {
	o, p := m.order, m.orderPage()
	room := m.room(p)
	here := p.first(room)
	switch key := k.String(); {
	case key == "pgup" || key == "pgdown" || key == "end" || key == "home":
	case (key == "down" || key == "j") && m.list.cursor == len(m.relevant())-1:
	case (key == "up" || key == "k") && o.top > 0 && here > p.centred(room):
	default:
		return false
	}
	o.top = here
	return scrolled(&o.top, k, len(p.lines), room)
}

// obtained is the end of an order.
type obtained struct {
	gen   int
	files []string
	// session has the facts after it.
	session *session.Session
	err     error
}

// startOrdering orders, and shows the steps.
func (m *Model) startOrdering() tea.Cmd {
	o := m.order
	m.list.cursor = 0 // what is wrong is said above the first answer
	if o.err = o.questions.Check(m.session.Facts, o.answers); o.err != nil {
		return nil
	}
	d, l, err := m.lineage()
	if o.err = err; err != nil {
		return nil
	}
	if !m.session.Facts.Root {
		o.err = hint.New("keys are kept where only root can read them", "quit, and run it as root: sudo postseal")
		return nil
	}
	open, k, accepted := m.o.open, m.session.Keeper(), o.accepted
	m.made = true
	done := make(chan struct{}, 1)
	k.ByHand = &acme.Manual{Done: done}
	return m.begin(runState{title: "Ordering from " + d.CA.Title + ".", done: done}, func(ctx context.Context, gen int, step func(apply.Event)) tea.Msg {
		tell := m.tell()
		k.Step = step
		k.Record = func(line string, made bool) { tell(recordMsg{gen, line, made}) }
		out := obtained{gen: gen}
		if out.err = placeOrder(ctx, k, d, l, accepted, step); out.err == nil {
			out.files = k.Ordered(l)
			out.session, out.err = open(ctx, nil)
		}
		return out
	})
}

// placeOrder tries an order at the CA's staging place, if it has one, and makes
// it. accepted are risks by name.
func placeOrder(ctx context.Context, k *lineage.Keeper, d interview.OrderDecisions, l *lineage.Lineage, accepted []string, step func(apply.Event)) error {
	terms, err := k.Terms(d, true)
	if err != nil {
		return err
	}
	if d.CA.Staging != "" {
		k.Step = func(e apply.Event) { e.Step = "rehearsal: " + e.Step; step(e) }
		if err := k.Rehearse(ctx, l, d.CA.Staging, terms); err != nil {
			return err
		}
		k.Step = step
	}
	order, release, err := k.Begin(d, accepted)
	if err != nil {
		return err
	}
	defer func() { _ = release() }()
	*l = *order
	return k.Obtain(ctx, l, terms)
}

// recordMsg is a DNS record that a person is to make, or to take away.
type recordMsg struct {
	gen  int
	line string
	made bool
}

func (m *Model) obtained(r obtained) tea.Cmd {
	if r.gen != m.gen {
		return nil
	}
	if m.ctx.Err() != nil {
		m.result = leftBy(true, true)
		return tea.Quit
	}
	m.stage = overview
	if m.order.err = r.err; r.err != nil {
		m.order.risky = errors.Is(r.err, apply.ErrRisk)
		return nil
	}
	m.session = m.session.Seen(r.session)
	next := func() tea.Cmd {
		m.leaveOrder()
		m.ordered = nil
		return m.take(r.files)
	}
	if m.run.title == "" {
		return next()
	}
	m.stage = applying // what was done is read before the next question comes
	m.run.said, m.run.next = "Ordered: "+strings.Join(r.files, ", ")+". Postfix uses it once the plan is applied.", next
	if plan.Uses(m.session.Facts, r.files[0]) {
		m.run.said = "Ordered: " + strings.Join(r.files, ", ") + ". Postfix uses it now."
	}
	return nil
}

// orderPage shows everything about the order before it is made.
func (m *Model) orderPage() page {
	o, t := m.order, m.theme
	d, l, err := m.lineage()
	var lines []string
	if o.err != nil {
		lines = append(m.errorLines(o.err, m.width-2), "")
	}
	if o.risky {
		lines = append(lines, hang("   "+t.caution.Render(signNote)+" ", wrap(riskUnproved, m.width-7))...)
		return page{lines: lines, focus: len(lines), keys: []string{"y accept and order", "n cancel"}}
	}
	answers, focus := m.answerLines()
	focus += len(lines)
	lines = append(append(lines, answers...), "")
	say := func(text string) { lines = append(lines, indent("   ", wrap(text, m.width-6))...) }
	quiet := func(text string) { lines = append(lines, indent("   ", styled(t.quiet, wrap(text, m.width-6)))...) }
	switch {
	case err != nil:
		lines = append(lines, m.errorLines(err, m.width-2)...)
	case o.asking:
		quiet(m.spinner() + " asking the CA for its terms")
	case o.metaErr != nil && o.err == nil:
		lines = append(lines, m.errorLines(o.metaErr, m.width-2)...)
	case o.meta.Terms != "":
		say("Ordering accepts the CA's terms of service: " + o.meta.Terms)
	}
	if o.limit != "" && err == nil && !o.asking {
		quiet("The CA's limits: " + o.limit + ".")
	}
	if err == nil && d.CA.Staging != "" {
		quiet("The order is tested in the CA's staging environment first: mistakes there cost nothing.")
	}
	if err == nil && l != nil {
		quiet("Key and chain go to " + strings.Join(m.session.Keeper().Ordered(l), ", ") + ", readable by root only. Renewals keep the key, so that TLSA records stay valid.")
	}
	keys := []string{"y order", "↑↓ choose", "enter change", "← back", "q quit"}
	switch {
	case o.asking:
		keys = keys[1:]
	case o.metaErr != nil:
		keys[0] = "y try again"
	}
	return page{lines: lines, focus: focus, top: o.top, keys: keys}
}

// orderLines show, beside a question, what would be ordered so far.
func (m *Model) orderLines(width int) []string {
	t := m.theme
	lines := []string{t.quiet.Render("the order"), t.quiet.Render(strings.Repeat("─", max(0, width)))}
	a := m.order.answers.Clone()
	if q := &m.question; !q.typing && len(q.options) > 0 && answers(q.options[q.cursor]) {
		_ = q.Set(a, q.chosen(), ask.Typed) // what cannot be is said when it is chosen
	}
	for _, q := range m.order.set.Relevant(m.session.Facts, a) {
		values, source := q.Value(m.session.Facts, a)
		if len(values) == 0 || source == ask.Default && q.Settled(m.session.Facts, a) {
			continue
		}
		style := t.quiet
		if q.Name() == m.question.Name() {
			style = t.plain
		}
		lines = append(lines, styled(style, wrap(fmt.Sprintf("%s %s", q.Name(), strings.Join(values, ", ")), width))...)
	}
	return lines
}
