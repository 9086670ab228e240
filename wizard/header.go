package wizard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"postseal/internal/interview"
)

// header is the brand, what we look at, and how far we are.
func (m *Model) header() []string {
	brand := " " + m.theme.accent.Render(signBrand) + " " + m.theme.strong.Render("postseal")
	if m.session == nil {
		return []string{brand, ""}
	}
	f := m.session.Facts
	about := f.Hostname
	if m.width >= 60 {
		about += " " + signLater + " Postfix " + f.Config.Version.String() + " " + signLater + " " + string(interview.Decide(f, m.server.answers).Role)
	}
	brand += "   " + m.theme.quiet.Render(oneLine(about))
	if m.height < 20 { // the step as a number
		if names, at := m.parts(); at >= 0 && m.stage != homing && m.stage != reading {
			step := fmt.Sprintf("%d/%d", at+1, len(names))
			brand = ansi.Truncate(brand, m.width-len(step)-2, signFolded) + "  " + m.theme.strong.Render(step)
		}
		return []string{brand}
	}
	return []string{brand, "   " + m.steps(), ""}
}

// steps are the parts of the way: done, here, to come.
func (m *Model) steps() string {
	switch m.stage {
	case homing:
		return m.theme.strong.Render("Home")
	case reading:
		return m.theme.quiet.Render("Home") + " " + signHere + " " + m.theme.strong.Render(m.document.title)
	}
	names, at := m.parts()
	out := make([]string, len(names))
	for i, n := range names {
		switch {
		case i < at || m.stage == ended && m.end.err == nil:
			out[i] = m.theme.quiet.Render(n) + " " + m.theme.good.Render(signGood)
		case i == at:
			out[i] = m.theme.accent.Render(signHere) + m.theme.strong.Render(n)
		default:
			out[i] = m.theme.quiet.Render(n)
		}
	}
	// Where it gets narrow, what is done goes first.
	gap := "  "
	for ansi.StringWidth(strings.Join(out, gap))+4 > m.width && len(out) > 1 && at > 0 {
		if gap == "  " {
			gap = " "
			continue
		}
		out, at = out[1:], at-1
	}
	return strings.Join(out, gap)
}

// parts are the names of the parts of the way, and which of them is here; -1 for none.
func (m *Model) parts() (names []string, at int) {
	names = []string{"Look"}
	current := ""
	if m.stage == asking {
		current = m.question.section
	}
	for _, q := range interview.All.Relevant(m.session.Facts, m.server.answers) {
		if section, _, _, _ := q.Texts(); !slices.Contains(names, section) {
			names = append(names, section)
		}
	}
	names = append(names, "Review")
	if !m.o.FilesOnly {
		names = append(names, "Rehearse")
	}
	names = append(names, "Apply")
	switch m.stage {
	case looking, carding, pending, failed:
		current = "Look"
	case overview, reviewing, accepting:
		current = "Review"
	case rehearsing:
		current = "Rehearse"
	case applying, keeping, ended:
		current = "Apply"
	}
	if m.order != nil {
		current = interview.SectionCertificate
	}
	return names, slices.Index(names, current)
}

// spinner is the plain line one: every font has it.
func (m *Model) spinner() string { return string(`|/-\`[m.tick%4]) }
