package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"postseal/internal/diff"
	"postseal/internal/plan"
)

// Diffs compares every text file of a plan, with the reasons.
func Diffs(p *plan.Plan) ([]diff.File, error) {
	var out []diff.File
	for _, f := range p.Files {
		if f.Assemble != nil {
			continue
		}
		d, err := diff.Compare(f.Path, f.Before, f.After, reasons(p, f.Kind))
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// reasons finds the reason for a line of main.cf or master.cf that comes or
// goes. A line that comes has its reason in the comment above it in the file.
// Two services may lose the same line for different reasons: their changes are
// in the order of the file, so each is told once before one is told again.
func reasons(p *plan.Plan, k plan.Kind) diff.Reason {
	type told struct {
		op     diff.Op
		change int
	}
	seen := map[told]bool{}
	return func(op diff.Op, text string) (why, source string) {
		if k != plan.MainCF && k != plan.MasterCF {
			return "", ""
		}
		for i, c := range p.Changes {
			if (k == plan.MasterCF) != (c.Service != "") {
				continue
			}
			switch {
			case !names(text, c, k, op) || op == diff.Add && !c.Kept:
			case op == diff.Remove && c.Kept && c.Service == "" && c.Before == c.After:
				return "moves into the block", ""
			case seen[told{op, i}]:
				why, source = c.Why, c.Source
			default:
				seen[told{op, i}] = true
				return c.Why, c.Source
			}
		}
		return why, source
	}
}

// names says whether a line of the file is about the change. Several services
// may override a parameter, so in master.cf the value must be that of the
// change, as far as it stands on the same line.
func names(text string, c plan.Change, k plan.Kind, op diff.Op) bool {
	if k == plan.MasterCF {
		value := c.Before
		if op == diff.Add {
			value = c.After
		}
		value, _, _ = strings.Cut(value, " ")
		_, rest, ok := strings.Cut(text, c.Parameter)
		rest, assigned := strings.CutPrefix(strings.TrimLeft(rest, " \t"), "=")
		return ok && assigned && strings.HasPrefix(strings.TrimLeft(rest, " \t"), value)
	}
	rest, ok := strings.CutPrefix(text, c.Parameter)
	return ok && strings.HasPrefix(strings.TrimLeft(rest, " \t"), "=")
}

// Plan prints the plan: every file with its diff and reasons, then what could
// go wrong, and what happens next. undo is the command that takes it back.
func (p Printer) Plan(pl *plan.Plan, undo string, filesOnly bool) error {
	if pl.Empty() {
		p.printf("Nothing to do: the server already matches the answers.\n")
		return nil
	}
	diffs, err := Diffs(pl)
	if err != nil {
		return err
	}
	for _, f := range pl.Files {
		if f.Assemble != nil {
			p.assembly(f)
			continue
		}
		for _, d := range diffs {
			if d.Path == f.Path {
				p.diff(d, f.New)
			}
		}
	}
	p.Risks(pl.Risks)
	for _, n := range pl.Notes {
		p.indented(p.paint(quiet, "note  "), 6, n)
	}
	p.next(pl, undo, filesOnly)
	return nil
}

// assembly prints what will be in a file whose content is not shown.
func (p Printer) assembly(f plan.File) {
	what := "changed"
	if f.New {
		what = "new"
	}
	what += fmt.Sprintf(", mode %04o, holds a private key and is not shown", f.Mode.Perm())
	if !p.piped() && utf8.RuneCountInString(oneLine(f.Path))+2+len(what) > p.width() {
		p.printf("%s\n", p.paint(bold, f.Path))
		p.indented("  ", 2, what)
	} else {
		p.printf("%s  %s\n", p.paint(bold, f.Path), what)
	}
	p.printf("%s private key of the certificate below\n", p.paint(green, "+"))
	for _, c := range f.Assemble.Contents {
		p.printf("%s certificate %s\n", p.paint(green, "+"), c)
	}
	p.printf("  from %s\n\n", strings.Join(f.Assemble.From, " and "))
}

// Lines says how much of a file changes.
func Lines(added, removed int) string {
	lines := "lines"
	if added == 1 {
		lines = "line"
	}
	return fmt.Sprintf("%d %s added, %d removed", added, lines, removed)
}

// Diff prints what changes in a file that is there.
func (p Printer) Diff(d diff.File) { p.diff(d, false) }

func (p Printer) diff(d diff.File, isNew bool) {
	what := ""
	if isNew {
		what = "  new"
	}
	p.printf("%s%s  %s\n", p.paint(bold, d.Path), what, Lines(d.Added, d.Removed))
	for _, h := range d.Hunks {
		p.printf("%s\n", p.paint(quiet, h.Header()))
		for _, l := range h.Lines {
			p.line(l)
		}
	}
	p.printf("\n")
}

// reasonColumn is where reasons start beside short lines.
const reasonColumn = 44

// line prints one line of a diff. The reason of a line that goes stands beside
// it, or under it where there is no room; a line that comes has its reason in
// the comment above it.
func (p Printer) line(l diff.Line) {
	text := string(l.Op) + Clean(l.Text)
	c := map[diff.Op]colour{diff.Add: green, diff.Remove: red}[l.Op]
	if l.Op == diff.Keep {
		fmt.Fprintln(p.W, text)
		return
	}
	if l.Why == "" || l.Op == diff.Add && !strings.Contains(l.Text, "-o ") {
		fmt.Fprintln(p.W, p.paint(c, text))
		return
	}
	why := "  " + oneLine(l.Why)
	used := max(reasonColumn, utf8.RuneCountInString(text))
	if used+utf8.RuneCountInString(why) <= p.width() {
		fmt.Fprintf(p.W, "%s%s%s\n", p.paint(c, text), strings.Repeat(" ", used-utf8.RuneCountInString(text)), p.paint(quiet, why))
		return
	}
	fmt.Fprintln(p.W, p.paint(c, text))
	for _, w := range Wrap(oneLine(l.Why), p.width()-4) {
		fmt.Fprintf(p.W, "    %s\n", p.paint(quiet, w))
	}
}

// Risks prints what must be accepted by name.
func (p Printer) Risks(risks []plan.Risk) {
	if len(risks) == 0 {
		return
	}
	p.printf("Risks to accept by name:\n")
	for _, r := range risks {
		p.printf("%s %s\n", p.note(), p.paint(bold, r.Name))
		p.indented("  ", 2, r.Text)
	}
	p.printf("\n")
}

// next says what applying does beside writing.
func (p Printer) next(pl *plan.Plan, undo string, filesOnly bool) {
	if !pl.Reload() {
		return
	}
	var addrs []string
	for _, c := range pl.Checks {
		addrs = append(addrs, c.Addr)
	}
	text := "postfix reload"
	if filesOnly {
		text = "nothing: no reload, and no handshake"
	} else if len(addrs) > 0 {
		text += ", and a handshake on " + strings.Join(addrs, ", ")
	}
	p.indented("Then  ", 6, text)
	p.printf("Undo  %s\n", undo)
}

// planJSON is the plan as data, for other programs.
type planJSON struct {
	Pending   bool                `json:"pending"`
	ConfigDir string              `json:"config_dir"`
	Postfix   string              `json:"postfix"`
	Files     []fileJSON          `json:"files"`
	Changes   []plan.Change       `json:"changes"`
	Risks     []plan.Risk         `json:"risks"`
	Notes     []string            `json:"notes"`
	Checks    []plan.Check        `json:"checks"`
	Answers   map[string][]string `json:"answers"`
}

type fileJSON struct {
	Path string    `json:"path"`
	Kind plan.Kind `json:"kind"`
	New  bool      `json:"new"`
	// Diff is what patch(1) reads; empty for a file with a private key.
	Diff string `json:"diff"`
	// Bytes is the diff of a file that is not UTF-8: JSON text cannot carry it.
	Bytes    []byte   `json:"diff_base64,omitempty"`
	From     []string `json:"from,omitempty"`
	Contents []string `json:"contents,omitempty"`
}

// PlanJSON gives the plan as data.
func PlanJSON(pl *plan.Plan) (any, error) {
	out := planJSON{
		Pending: !pl.Empty(), ConfigDir: pl.ConfigDir, Postfix: pl.Postfix, Files: []fileJSON{}, Changes: list(pl.Changes),
		Risks: list(pl.Risks), Notes: list(pl.Notes), Checks: list(pl.Checks), Answers: map[string][]string{},
	}
	for key, values := range pl.Answers {
		out.Answers[key] = list(values)
	}
	diffs, err := Diffs(pl)
	if err != nil {
		return nil, err
	}
	for _, f := range pl.Files {
		j := fileJSON{Path: f.Path, Kind: f.Kind, New: f.New}
		if f.Assemble != nil {
			j.From, j.Contents = f.Assemble.From, f.Assemble.Contents
		}
		for _, d := range diffs {
			if d.Path == f.Path {
				j.Diff = d.Unified()
				if !utf8.ValidString(j.Diff) {
					j.Bytes = []byte(j.Diff)
				}
			}
		}
		out.Files = append(out.Files, j)
	}
	return out, nil
}

// JSON writes v as indented JSON. What a terminal would act on is escaped: it
// means the same to a program, and JSON is read by people too.
func (p Printer) JSON(v any) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range b.String() {
		if !unsafe(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&out, "\\u%04x", unit)
		}
	}
	_, err := io.WriteString(p.W, out.String())
	return err
}
