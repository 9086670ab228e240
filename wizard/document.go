package wizard

import (
	"bytes"
	"context"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"postseal/internal/report"
)

// document is a page of text that is as a verb of the command line prints it.
type document struct {
	title, waiting string
	// load finds out what is to be printed.
	load func(context.Context) (content, error)
	// act is what can be done about it; it may be nil.
	act func(content) []action
}

// content is what a document says. risky: what it is about has risks, which it names.
type content struct {
	print func(report.Printer)
	risky bool
}

// action is what a key of a document does.
type action struct {
	key, what string
	do        func(*Model) tea.Cmd
}

// documentState is the document that is open.
type documentState struct {
	document
	content
	ready bool
	err   error
	// lines are the document as laid out.
	lines  []string
	laid   laidOut
	cancel context.CancelFunc
}

// loaded is the end of loading a document.
type loaded struct {
	gen     int
	content content
	err     error
}

// openDocument opens a page, and loads what it shows.
func (m *Model) openDocument(d document) tea.Cmd {
	m.gen++
	gen := m.gen
	ctx, cancel := context.WithCancel(m.ctx)
	m.stage, m.document = reading, documentState{document: d, cancel: cancel}
	m.top = 0
	m.gathering.Add(1)
	return tea.Batch(nextTick(), func() tea.Msg {
		defer m.gathering.Done()
		defer cancel()
		text, err := d.load(ctx)
		return loaded{gen, text, err}
	})
}

func (m *Model) loaded(l loaded) {
	if l.gen == m.gen && m.stage == reading {
		m.document.ready, m.document.content, m.document.err = true, l.content, l.err
	}
}

// actions are what can be done about a document that is there.
func (d *documentState) actions() []action {
	if d.act == nil || !d.ready || d.err != nil {
		return nil
	}
	return d.act(d.content)
}

func (m *Model) documentKey(k tea.KeyMsg) tea.Cmd {
	d := &m.document
	switch k.String() {
	case "left", "esc", "backspace":
		m.gen++
		d.cancel()
		return m.showHome()
	case "q":
		return m.quit()
	}
	for _, a := range d.actions() {
		if a.key == k.String() {
			return a.do(m)
		}
	}
	m.scroll(k)
	return nil
}

func (m *Model) documentPage() page {
	d, t := &m.document, m.theme
	p := page{keys: []string{"← back", "q quit"}}
	if m.height < 20 { // else the header says it
		p.title = []string{"   " + t.strong.Render(d.title)}
	}
	switch {
	case !d.ready:
		p.lines = []string{"   " + t.quiet.Render(m.spinner()+" "+d.waiting)}
	case d.err != nil:
		p.lines = m.errorLines(d.err, m.width-2)
	default:
		p.lines = m.documentLines()
		for i, a := range d.actions() {
			p.keys = slices.Insert(p.keys, i, a.key+" "+a.what)
		}
	}
	return p
}

// documentLines lay the document out; a long one takes too long to do it for every frame.
func (m *Model) documentLines() []string {
	d := &m.document
	now := laidOut{width: m.width, colours: m.theme.renderer}
	if d.lines != nil && d.laid == now {
		return d.lines
	}
	var b bytes.Buffer
	d.print(report.Printer{W: &b, Width: max(20, m.width-5)})
	d.laid, d.lines = now, []string{}
	for _, l := range strings.Split(strings.TrimRight(b.String(), "\n"), "\n") {
		for _, part := range strings.Split(ansi.Hardwrap(report.Clean(l), max(20, m.width-4), true), "\n") {
			d.lines = append(d.lines, "   "+m.coloured(part))
		}
	}
	return d.lines
}

// coloured gives a line of a report the colours of this screen.
func (m *Model) coloured(line string) string {
	t := m.theme
	text := strings.TrimLeft(line, " ")
	lead := line[:len(line)-len(text)]
	for _, sign := range []string{signGood, signNote, signBad} {
		if rest, ok := strings.CutPrefix(text, sign+" "); ok {
			return lead + t.sign(sign) + " " + rest
		}
	}
	switch {
	case lead == "" && strings.HasPrefix(text, "+"):
		return t.good.Render(text)
	case lead == "" && strings.HasPrefix(text, "-"):
		return t.bad.UnsetBold().Render(text)
	case strings.HasPrefix(text, "@@"), strings.HasPrefix(text, "→ "):
		return lead + t.quiet.Render(text)
	}
	return line
}
