package wizard

import (
	"path/filepath"
	"slices"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/diff"
	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/report"
	"postseal/internal/session"
)

// reviewState is the whole plan, to be read before anything is written.
type reviewState struct {
	plan    *plan.Plan
	diffs   []diff.File
	err     error
	waiting bool
	file    int // which file is shown, of files
	files   []plan.File
	at      int // the first line shown
	message string
	// stuck is why the plan cannot be applied, with what to do; empty if it can.
	stuck string
	// lines are the file as laid out; a long one takes too long to do it for
	// every frame.
	lines []string
	laid  laidOut
}

// laidOut is what the layout of a file depends on.
type laidOut struct {
	file, width int
	colours     *lipgloss.Renderer
}

// planned is the plan, made and checked.
type planned struct {
	gen     int
	session *session.Session
	a       *ask.Answers
	plan    *plan.Plan
	diffs   []diff.File
	stuck   string
	err     error
}

// startReview makes the plan; files that answers name are read by the command.
func (m *Model) startReview() tea.Cmd {
	ses := m.session.With(m.session.Facts.Clone())
	return m.reviewOf(func() (*session.Session, error) { return ses, nil })
}

// startAfresh is startReview for who edited a file by hand meanwhile: the server is
// looked at again, and the answers stay.
func (m *Model) startAfresh() tea.Cmd {
	ses, o, ctx := m.session, m.o, m.ctx
	return m.reviewOf(func() (*session.Session, error) {
		later, err := o.open(ctx, nil)
		if err != nil {
			return ses, err
		}
		return ses.Seen(later), nil
	})
}

func (m *Model) reviewOf(seen func() (*session.Session, error)) tea.Cmd {
	m.gen++
	m.stage, m.review = reviewing, reviewState{waiting: true}
	gen, a, machine := m.gen, m.server.answers.Clone(), m.o.Machine
	return tea.Batch(nextTick(), func() tea.Msg {
		ses, err := seen()
		out := planned{gen: gen, session: ses, a: a, err: err}
		if out.err == nil {
			out.plan, out.err = ses.Plan(a)
		}
		if out.err == nil {
			out.diffs, out.err = report.Diffs(out.plan)
		}
		if out.err == nil {
			if err := apply.CannotReplace(machine, out.plan); err != nil {
				out.stuck = withHint(err)
			}
		}
		return out
	})
}

func (m *Model) planned(p planned) tea.Cmd {
	if p.gen != m.gen || m.stage != reviewing {
		return nil
	}
	m.session = p.session
	m.review = reviewState{plan: p.plan, diffs: p.diffs, err: p.err, stuck: p.stuck, message: p.stuck}
	if p.plan != nil {
		m.review.files = readingOrder(p.plan.Files)
	}
	return nil
}

// readingOrder puts first what a person wants to read first.
func readingOrder(files []plan.File) []plan.File {
	order := []plan.Kind{plan.MainCF, plan.MasterCF, plan.ChainPEM, plan.OpenSSL, plan.Answers}
	out := slices.Clone(files)
	slices.SortStableFunc(out, func(a, b plan.File) int { return slices.Index(order, a.Kind) - slices.Index(order, b.Kind) })
	return out
}

func (m *Model) reviewKey(k tea.KeyMsg) tea.Cmd {
	r := &m.review
	switch k.String() {
	case "q":
		return m.quit()
	case "left", "esc", "backspace":
		return m.leaveReview()
	}
	switch {
	case r.waiting:
		return nil
	case k.String() == "e":
		m.list.review = true
		return m.showList()
	case r.err != nil:
		m.scroll(k)
		return nil
	}
	switch k.String() {
	case "tab":
		r.file, r.at = (r.file+1)%max(1, len(r.files)), 0
	case "shift+tab":
		r.file, r.at = (r.file+max(1, len(r.files))-1)%max(1, len(r.files)), 0
	case "s":
		if !r.plan.Empty() {
			return m.savePlan()
		}
	case "enter":
		return m.leaveForApply()
	default:
		scrolled(&r.at, k, len(m.fileLines()), m.reviewRoom())
	}
	return nil
}

// leaveReview goes back to the last question, or to the list.
func (m *Model) leaveReview() tea.Cmd {
	m.list.review = false
	if m.list.opened {
		m.list.opened = false
		return m.showList()
	}
	if m.question.item != nil && m.server.asked[m.question.Name()] && !m.list.editing {
		m.ask(m.question.item)
		return nil
	}
	return m.showList()
}

// leaveForApply goes on: to the risks, if there are any, else to applying.
func (m *Model) leaveForApply() tea.Cmd {
	r := &m.review
	switch {
	case r.plan.Empty():
		m.end = endState{nothing: true}
		m.stage, m.result = ended, Result{}
	case r.stuck != "":
		r.message = r.stuck
	case m.needsRoot():
		r.message = "Only root can write this. Press s to save the plan, then: sudo postseal apply --plan " + planFile
	case len(r.plan.Risks) > 0:
		m.stage, m.risk = accepting, riskState{}
	default:
		m.risk = riskState{}
		return m.startRehearsal()
	}
	return nil
}

// needsRoot says whether this user cannot apply.
func (m *Model) needsRoot() bool { return !m.session.Facts.Root && !m.o.FilesOnly }

// planFile is where s saves the plan.
const planFile = "postseal-plan.json"

// savedPlan is the end of saving.
type savedPlan struct {
	gen  int
	text string
}

func (m *Model) savedPlan(s savedPlan) {
	if s.gen == m.gen {
		m.review.message = s.text
	}
}

func (m *Model) savePlan() tea.Cmd {
	p, machine, ses, gen := m.review.plan, m.o.Machine, m.session, m.gen
	path := filepath.Join(m.o.SaveIn, planFile)
	return func() tea.Msg {
		path, err := filepath.Abs(path)
		if err == nil {
			err = apply.Remedy(machine, p.Save(machine, path))
		}
		if err != nil {
			return savedPlan{gen, "Not saved: " + err.Error() + "; " + hint.Of(err)}
		}
		return savedPlan{gen, "Saved. Apply it with: " + hint.ShellLine(append(ses.Verb("apply"), "--plan", path))}
	}
}
