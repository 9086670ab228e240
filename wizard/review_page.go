package wizard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"postseal/internal/diff"
	"postseal/internal/plan"
)

// refusedPage says why there is no plan.
func (m *Model) refusedPage() page {
	lines := []string{"   " + m.theme.strong.Render("These answers cannot be used:"), ""}
	return page{lines: append(lines, m.errorLines(m.review.err, m.width-2)...), keys: []string{"e change an answer", "← back", "q quit"}}
}

func (m *Model) reviewPage() page {
	r, t := &m.review, m.theme
	switch {
	case r.waiting:
		return page{lines: []string{"   " + t.quiet.Render(m.spinner()+" making the plan")}, keys: []string{"← back", "q quit"}}
	case r.plan.Empty():
		lines := hang("   "+t.good.Render(signGood)+" ", wrap("Nothing to do: the server already matches the answers.", m.width-8))
		return page{lines: lines, keys: []string{"enter done", "e change an answer", "q quit"}}
	}
	f := r.files[r.file]
	summary, path := m.fileSummary(f), oneLine(f.Path)
	if over := 6 + ansi.StringWidth(path) + ansi.StringWidth(summary) - m.width; over > 0 { // its end says which file it is
		path = ansi.TruncateLeft(path, over+ansi.StringWidth(signFolded), signFolded)
	}
	lines := []string{"   " + t.strong.Render(path) + "   " + t.quiet.Render(summary)}
	body := m.fileLines()
	foot := m.reviewFoot()
	room := m.reviewRoom()
	at := max(0, min(r.at, len(body)-room))
	shown := body[at:min(len(body), at+room)]
	lines = append(lines, shown...)
	for range room - len(shown) {
		lines = append(lines, "")
	}
	if at+room < len(body) && len(lines) > 2 {
		lines[len(lines)-1] = "   " + t.quiet.Render(fmt.Sprintf("↓ %d more lines", len(body)-at-room+1))
	}
	return page{lines: append(lines, foot...), keys: m.reviewKeys()}
}

func (m *Model) reviewKeys() []string {
	next := "enter rehearse"
	if m.o.FilesOnly {
		next = "enter apply"
	}
	if len(m.review.plan.Risks) > 0 {
		next = "enter continue"
	}
	keys := []string{next, "↑↓ scroll", "e change", "s save plan", "← back", "q quit"}
	if len(m.review.plan.Files) > 1 {
		keys = slices.Insert(keys, 1, "tab file")
	}
	return keys
}

// reviewRoom is how many lines of the file are shown: what its name, the foot
// and the keys leave.
func (m *Model) reviewRoom() int {
	return max(1, m.height-len(m.header())-1-len(m.reviewFoot())-len(m.theme.keyLines(m.reviewKeys(), m.width, m.height)))
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
		then := "Then: a rehearsal, postfix reload, and a handshake with every listener."
		if m.o.FilesOnly {
			then = "Files only: no reload, and no handshake."
		} else if m.needsRoot() {
			then = "Only root can apply this; everything up to here works without root."
		}
		out = append(out, indent("   ", styled(t.quiet, wrap(then, m.width-6)))...)
	}
	return append([]string{""}, out...)
}

// fileLines are the lines of the file that is shown, with their reasons.
func (m *Model) fileLines() []string {
	r := &m.review
	if len(r.files) == 0 {
		return nil
	}
	if now := (laidOut{r.file, m.width, m.theme.renderer}); r.laid != now {
		r.lines, r.laid = m.layOut(r.files[r.file]), now
	}
	return r.lines
}

func (m *Model) layOut(f plan.File) []string {
	r, t := &m.review, m.theme
	var out []string
	if f.Assemble != nil {
		out = append(out, "")
		out = append(out, indent("   ", wrap(fmt.Sprintf("mode %04o; contains a private key, not shown", f.Mode.Perm()), m.width-6))...)
		out = append(out, "")
		out = append(out, "  "+t.good.Render("+ the private key of the certificate below"))
		for _, c := range f.Assemble.Contents {
			out = append(out, hang("  "+t.good.Render("+ "), styled(t.good, wrap("certificate "+c, m.width-8)))...)
		}
		out = append(out, "", "   from")
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

// From so many columns on, the reasons stand in a column of their own, behind so much of a
// hundred of the width.
const wideReview, reasonShare = 120, 58

// diffLine is a line of the diff; its reason stands beside it where there is
// room, else under it.
func (m *Model) diffLine(l diff.Line) []string {
	t := m.theme
	text := oneLine(l.Text)
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
	if m.width >= wideReview {
		width = m.width*reasonShare/100 - 4
	}
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
	if m.width >= wideReview {
		column := m.width * reasonShare / 100
		return columns(out, styled(t.quiet, wrap(l.Why, m.width-column-3)), column)
	}
	last, why := &out[len(out)-1], oneLine(l.Why)
	const gap = 3
	column := max(ansi.StringWidth(*last)+gap, m.width*52/100)
	if column+ansi.StringWidth(why) < m.width-1 {
		*last += strings.Repeat(" ", column-ansi.StringWidth(*last)) + t.quiet.Render(why)
		return out
	}
	return append(out, indent("      ", styled(t.quiet, wrap(why, m.width-8)))...)
}
