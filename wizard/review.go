package wizard

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/diff"
	"postseal/internal/plan"
	"postseal/internal/report"
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
}

// planned is the plan, made and checked.
type planned struct {
	gen   int
	facts *detect.Facts
	a     *ask.Answers
	plan  *plan.Plan
	diffs []diff.File
	err   error
}

// startReview makes the plan; files that answers name are read by the command.
func (m *Model) startReview() tea.Cmd {
	m.gen++
	m.stage, m.review = reviewing, reviewState{waiting: true}
	gen, ses, a := m.gen, m.session.With(m.session.Facts.Clone()), m.answers.Clone()
	return tea.Batch(nextTick(), func() tea.Msg {
		p, err := ses.Plan(a)
		out := planned{gen: gen, facts: ses.Facts, a: a, plan: p, err: err}
		if err == nil {
			out.diffs, out.err = report.Diffs(p)
		}
		return out
	})
}

func (m *Model) planned(p planned) tea.Cmd {
	if p.gen != m.gen || m.stage != reviewing {
		return nil
	}
	m.session = m.session.With(p.facts)
	m.review = reviewState{plan: p.plan, diffs: p.diffs, err: p.err}
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
	case "e", "o":
		return m.showList()
	}
	if r.waiting || r.plan == nil {
		return nil
	}
	page := max(1, m.height-10)
	switch k.String() {
	case "up", "k":
		r.at--
	case "down", "j":
		r.at++
	case "pgup":
		r.at -= page
	case "pgdown", " ":
		r.at += page
	case "home", "g":
		r.at = 0
	case "end", "G":
		r.at = 1 << 20
	case "tab":
		r.file, r.at = (r.file+1)%max(1, len(r.files)), 0
	case "shift+tab":
		r.file, r.at = (r.file+max(1, len(r.files))-1)%max(1, len(r.files)), 0
	case "s":
		return m.savePlan()
	case "enter":
		return m.leaveForApply()
	}
	r.at = max(0, min(r.at, len(m.fileLines())-1))
	return nil
}

// leaveReview goes back to the last question, or to the list.
func (m *Model) leaveReview() tea.Cmd {
	if m.question.item != nil && m.asked[m.question.Name()] && !m.list.editing {
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
	case m.needsRoot():
		r.message = "Only root can write this. Press s to save the plan, then: sudo postseal apply --plan " + planFile
	case len(r.plan.Risks) > 0:
		m.stage, m.risk = accepting, riskState{}
	default:
		return m.startApply()
	}
	return nil
}

// needsRoot says whether this user cannot apply.
func (m *Model) needsRoot() bool { return !m.session.Facts.Root && !m.o.FilesOnly }

// planFile is where s saves the plan.
const planFile = "postseal-plan.json"

// savedPlan is the end of saving.
type savedPlan struct{ text string }

func (m *Model) savePlan() tea.Cmd {
	p, machine := m.review.plan, m.o.Machine
	return func() tea.Msg {
		data, err := json.MarshalIndent(p, "", "  ")
		if err == nil {
			err = machine.Replace(planFile, append(data, '\n'), 0o600)
		}
		if err != nil {
			return savedPlan{"Not saved: " + err.Error()}
		}
		return savedPlan{"Saved in " + planFile + ". Carry it out with: postseal apply --plan " + planFile}
	}
}

func (m *Model) reviewPage() page {
	r, t := &m.review, m.theme
	switch {
	case r.waiting:
		return page{lines: []string{"   " + t.quiet.Render(m.spinner()+" putting the plan together")}, keys: []string{"← back", "q quit"}}
	case r.err != nil:
		lines := []string{"   " + t.strong.Render("These answers cannot be used:"), ""}
		return page{lines: append(lines, m.errorLines(r.err, m.width-2)...), keys: []string{"e change an answer", "← back", "q quit"}}
	case r.plan.Empty():
		lines := hang("   "+t.good.Render(signGood)+" ", wrap("Nothing to do: the server already is as the answers say.", m.width-8))
		return page{lines: lines, keys: []string{"enter done", "e change an answer", "q quit"}}
	}
	f := r.files[r.file]
	lines := []string{"   " + t.strong.Render(report.Clean(f.Path)) + "   " + t.quiet.Render(m.fileSummary(f))}
	body := m.fileLines()
	foot := m.reviewFoot()
	room := max(1, m.height-len(m.header())-len(lines)-len(foot)-2)
	at := max(0, min(r.at, len(body)-room))
	shown := body[at:min(len(body), at+room)]
	lines = append(lines, shown...)
	for range room - len(shown) {
		lines = append(lines, "")
	}
	if at+room < len(body) && len(lines) > 2 {
		lines[len(lines)-1] = "   " + t.quiet.Render(fmt.Sprintf("↓ %d more lines", len(body)-at-room+1))
	}
	next := "enter apply"
	if len(r.plan.Risks) > 0 {
		next = "enter go on"
	}
	keys := []string{next, "↑↓ scroll", "e change an answer", "s save plan", "← back", "q quit"}
	if len(r.plan.Files) > 1 {
		keys = slices.Insert(keys, 1, "tab next file")
	}
	return page{lines: append(lines, foot...), keys: keys}
}

// fileSummary says which file of how many, and how much of it changes.
func (m *Model) fileSummary(f plan.File) string {
	text := fmt.Sprintf("file %d of %d", m.review.file+1, len(m.review.plan.Files))
	for _, d := range m.review.diffs {
		if d.Path == f.Path && f.Assemble == nil {
			text += fmt.Sprintf(", +%d −%d", d.Added, d.Removed)
		}
	}
	if f.New {
		text += ", new"
	}
	return text
}

// reviewFoot says what comes after writing.
func (m *Model) reviewFoot() []string {
	r, t := &m.review, m.theme
	var out []string
	if n := len(r.plan.Risks); n > 0 {
		var names []string
		for _, x := range r.plan.Risks {
			names = append(names, x.Name)
		}
		out = append(out, hang("   "+t.caution.Render(signNote)+" ", wrap(fmt.Sprintf("%d to accept first: %s", n, strings.Join(names, ", ")), m.width-8))...)
	}
	if r.message != "" {
		out = append(out, indent("   ", styled(t.caution, wrap(r.message, m.width-6)))...)
	} else if m.height >= 20 {
		then := "Then: postfix reload, and a handshake with every listener."
		if m.o.FilesOnly {
			then = "Files only: no reload, and no handshake."
		} else if m.needsRoot() {
			then = "Only root can write this; everything up to here works without."
		}
		out = append(out, indent("   ", styled(t.quiet, wrap(then, m.width-6)))...)
	}
	return append([]string{""}, out...)
}

// fileLines are the lines of the file that is shown, with their reasons.
func (m *Model) fileLines() []string {
	r, t := &m.review, m.theme
	if len(r.files) == 0 {
		return nil
	}
	f := r.files[r.file]
	var out []string
	if f.Assemble != nil {
		out = append(out, "", "   "+fmt.Sprintf("mode %04o; it holds a private key and is not shown", f.Mode.Perm()), "")
		out = append(out, "  "+t.good.Render("+ private key of the certificate below"))
		for _, c := range f.Assemble.Contents {
			out = append(out, hang("  "+t.good.Render("+ "), styled(t.good, wrap("certificate "+c, m.width-8)))...)
		}
		out = append(out, "", "   made of")
		for _, from := range f.Assemble.From {
			out = append(out, indent("     ", wrap(from, m.width-8))...)
		}
		for _, n := range r.plan.Notes {
			out = append(out, "")
			out = append(out, indent("   ", styled(t.quiet, wrap(n, m.width-6)))...)
		}
		return out
	}
	for _, d := range r.diffs {
		if d.Path != f.Path {
			continue
		}
		for _, h := range d.Hunks {
			out = append(out, "  "+t.quiet.Render(h.Header()))
			for _, l := range h.Lines {
				out = append(out, m.diffLine(l)...)
			}
		}
	}
	return out
}

// diffLine is a line of the diff; its reason stands beside it where there is
// room, else under it.
func (m *Model) diffLine(l diff.Line) []string {
	t := m.theme
	text := report.Clean(l.Text)
	style := t.plain
	switch l.Op {
	case diff.Add:
		style = t.good
		if strings.HasPrefix(l.Text, "#") {
			style = t.quiet
		}
	case diff.Remove:
		style = t.bad.UnsetBold()
	}
	width := m.width - 4
	var out []string
	for i, w := range strings.Split(ansi.Hardwrap(text, width, true), "\n") {
		op := string(l.Op)
		if i > 0 {
			op = " "
		}
		out = append(out, "  "+style.Render(op+w))
	}
	// A line that comes has its reason in the comment above it.
	if l.Why == "" || l.Op == diff.Add && !strings.Contains(l.Text, "-o ") {
		return out
	}
	last := &out[len(out)-1]
	const gap = 3
	column := max(ansi.StringWidth(*last)+gap, m.width*52/100)
	if column+ansi.StringWidth(l.Why) < m.width-1 {
		*last += strings.Repeat(" ", column-ansi.StringWidth(*last)) + t.quiet.Render(report.Clean(l.Why))
		return out
	}
	return append(out, indent("      ", styled(t.quiet, wrap(l.Why, m.width-8)))...)
}
