package report

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/plan"
)

// Step prints the progress of a run, one line for each step that ended. On a terminal
// the one under way stands below them, until its end is written over it.
func (p Printer) Step(e apply.Event) {
	if p.Live {
		fmt.Fprint(p.W, "\r") // ctrl+c, which the terminal shows, may have been pressed
	}
	switch e.State {
	case apply.Running:
		if line := "- " + oneLine(e.Step); p.Live && utf8.RuneCountInString(line) < p.width() {
			fmt.Fprint(p.W, line+"\r")
		}
	case apply.Done:
		text := e.Step
		if e.Text != "" {
			text += ": " + e.Text
		}
		p.signed(p.good(), "%s", text)
	case apply.Noted:
		if p.Live { // a step of another name may stand there
			fmt.Fprint(p.W, strings.Repeat(" ", p.width()-1)+"\r")
		}
		p.signed(p.note(), "%s: %s", e.Step, e.Text)
	case apply.Failed:
		p.signed(p.bad(), "%s", e.Step)
		if e.Text != "" {
			p.message("    ", 4, e.Text)
		}
	}
}

// Proof is one line about what a listener answered.
func Proof(x apply.Proof) string {
	var parts []string
	switch {
	case !x.OK && x.Stage != "":
		return fmt.Sprintf("%s %s: %s", x.Addr, x.Stage, x.Problem)
	case x.Mode == plan.GreetOnly:
		return x.Addr + " answers, without TLS as intended"
	}
	parts = append(parts, strings.TrimSpace(x.Version+" "+x.Group))
	if len(x.Names) > 0 {
		parts = append(parts, strings.Join(x.Names, ", ")+" until "+x.Until.UTC().Format(time.DateOnly))
	}
	for _, kind := range []string{"ECDSA", "Ed25519", "RSA"} {
		if f := x.Serves[kind]; f != "" {
			parts = append(parts, kind+" "+f[:min(12, len(f))])
		}
	}
	if x.Refused != "" {
		parts = append(parts, x.Refused+" refused")
	}
	return x.Addr + " " + strings.Join(parts, " · ")
}

// Proofs prints what each listener answered.
func (p Printer) Proofs(all []apply.Proof) {
	for _, x := range all {
		sign := p.good()
		if !x.OK {
			sign = p.bad()
		}
		p.signed(sign, "%s %s", x.Service, Proof(x))
	}
}

// Receipt prints what a run did. undo is the command that takes it back.
func (p Printer) Receipt(r *apply.Receipt, undo string) {
	if r == nil {
		return
	}
	p.Proofs(r.Proofs)
	for _, w := range r.Warnings {
		p.indented(p.note()+" log: ", 7, w)
	}
	const unproved = "files only: Postfix was not reloaded, and nothing was verified."
	switch {
	case r.Phase == apply.Kept && r.FilesOnly && r.Kind == "undo":
		p.signed(p.note(), "Run %s was undone, %s", r.Undoes, unproved)
	case r.Phase == apply.Kept && r.FilesOnly:
		p.signed(p.note(), "Written, %s", unproved)
	case r.Phase == apply.Kept && r.Kind == "undo":
		sign, text := p.good(), "Run "+r.Undoes+" was undone."
		if r.Unproved() != "" {
			sign, text = p.note(), text+" "+Excused(r)
		}
		p.signed(sign, "%s", text)
	case r.Phase == apply.Kept:
		sign, text := p.good(), "Applied and verified, run "+r.ID+"."
		if r.Unproved() != "" {
			sign, text = p.note(), "Applied, run "+r.ID+". "+Excused(r)
		}
		if !r.ConfirmBy.IsZero() {
			sign, text = p.note(), text+" It "+waits(r)+", unless:"
		}
		p.signed(sign, "%s", text)
		if !r.ConfirmBy.IsZero() {
			confirm := "postseal confirm"
			if undo != "" { // of this run, and no other, whatever waits or has gone back when that is typed
				undo += " --run " + r.ID
				confirm = strings.Replace(undo, "postseal undo", confirm, 1)
			}
			p.printf("  %s\n", confirm) // a line of its own, to be pasted
		}
	case r.OnRequest() && r.Kind == "undo":
		p.signed(p.good(), "The undo was reverted: run %s is in effect.", r.Undoes)
	case r.OnRequest():
		p.signed(p.good(), "Undone: every file is as it was before run %s.", r.ID)
	case r.Phase == apply.RolledBack && r.Kind == "undo" && len(r.Notes) > 0:
		p.signed(p.bad(), "Run %s could not be undone: it is in effect. %s.", r.Undoes, strings.Join(r.Notes, ". "))
	case r.Phase == apply.RolledBack && r.Kind == "undo":
		p.signed(p.bad(), "Run %s could not be undone: it is in effect, and every file is as the run wrote it.", r.Undoes)
	case r.Phase == apply.RolledBack:
		p.signed(p.bad(), "Rolled back: every file is as it was before run %s.", r.ID)
	case r.Phase == apply.Reverting:
		switch {
		case r.Restored && r.Kind == "undo":
			p.signed(p.bad(), "Run %s could not be undone: every file is as the run wrote it, but Postfix may still use the earlier settings.", r.Undoes)
		case r.Restored:
			p.signed(p.bad(), "Every file is as it was before run %s, but Postfix may still use the settings of that run.", r.ID)
		default:
			p.signed(p.bad(), "Not rolled back: run %s may have left any file old or new; the backups are kept.", r.ID)
		}
		if undo != "" {
			p.printf("Try again: %s\n", undo)
		}
	}
	if r.Phase == apply.Kept && r.FilesOnly && unread(r) {
		reload := []string{"postfix", "reload"}
		if r.ConfigDir != "/etc/postfix" {
			reload = []string{"postfix", "-c", r.ConfigDir, "reload"}
		}
		when := "Where Postfix runs"
		if r.Unloadable != "" {
			when = "After correcting that"
		}
		p.printf("%s: %s\n", when, hint.ShellLine(reload))
	}
	if r.Phase == apply.Kept && r.Kind == "apply" && undo != "" {
		p.printf("Undo: %s\n", undo)
	}
}

// Excused says what was not proved; empty if all was.
func Excused(r *apply.Receipt) string {
	if r.Unproved() == "" {
		return ""
	}
	return "Not verified: " + r.Unproved() + "."
}

// waits says how a run stands that waits to be confirmed.
func waits(r *apply.Receipt) string {
	if r.Stands != "" {
		return Clean(r.Stands)
	}
	return apply.GoesBack(r.ConfirmBy)
}

// Note prints what is to be known before anything else.
func (p Printer) Note(text string) { p.signed(p.note(), "%s", text) }

// Kept says that a run stays.
func (p Printer) Kept(run string) { p.signed(p.good(), "Run %s is confirmed.", run) }

// Undone says that a run is in force no more, and why.
func (p Printer) Undone(run string, why error) {
	p.signed(p.good(), "Nothing to do: run %s is not in effect: %v.", run, why)
}

// Tally is one line of counters.
func Tally(t apply.Tally) string {
	text := fmt.Sprintf("in %d ok %d failed, out %d ok %d failed, deferred %d", t.InOK, t.InFailed, t.OutOK, t.OutFailed, t.Deferred)
	if len(t.Warnings) > 0 {
		text += fmt.Sprintf(", warnings %d", len(t.Warnings))
	}
	if t.Died > 0 {
		text += fmt.Sprintf(", died %d", t.Died)
	}
	return text
}

// unread says whether a run wrote something that Postfix has yet to read.
func unread(r *apply.Receipt) bool {
	return (r.Kind == "apply" || r.Kind == "undo") && slices.ContainsFunc(r.Entries, func(e apply.Entry) bool { return e.Kind != plan.Answers })
}

// History prints runs, newest first.
func (p Printer) History(all []*apply.Receipt) {
	if len(all) == 0 {
		p.printf("No run is recorded.\n")
		return
	}
	width := 0
	for _, r := range all {
		width = max(width, utf8.RuneCountInString(kind(r)))
	}
	for i, r := range all {
		var files []string
		for _, e := range r.Entries {
			files = append(files, filepath.Base(e.Path))
		}
		head := oneLine(fmt.Sprintf("%s  %s  %-*s  %-11s", r.ID, r.When.Local().Format("2006-01-02 15:04"), width, kind(r), r.Phase))
		where := oneLine(r.ConfigDir + ": " + strings.Join(files, ", "))
		if !p.piped() && utf8.RuneCountInString(head)+2+utf8.RuneCountInString(where) > p.width() {
			p.indented("", 6, head)
			p.indented("      ", 6, where)
		} else {
			p.printf("%s  %s\n", head, where)
		}
		for _, text := range append([]string{r.Stands, r.Why, r.Failure, r.Unloadable, answered(all, i)}, r.Notes...) {
			if text != "" {
				p.message("      ", 6, text)
			}
		}
	}
}

// kind is what a run did, in a word or two. The number of a run says which is meant.
func kind(r *apply.Receipt) string {
	if r.Undoes == "" {
		return r.Kind
	}
	number, _, _ := strings.Cut(r.Undoes, "-")
	return r.Kind + " of " + number
}

// answered says which answers the run at i of all, newest first, was given that the
// apply before it was not.
func answered(all []*apply.Receipt, i int) string {
	r, before := all[i], map[string][]string{}
	for _, older := range all[i+1:] {
		if older.Kind == "apply" && older.ConfigDir == r.ConfigDir {
			before = older.Answers
			break
		}
	}
	var out []string
	for _, key := range slices.Sorted(maps.Keys(r.Answers)) {
		if !slices.Equal(r.Answers[key], before[key]) {
			out = append(out, key+" "+strings.Join(r.Answers[key], " "))
		}
	}
	if len(out) == 0 || r.Kind != "apply" {
		return ""
	}
	return "answers: " + strings.Join(out, ", ")
}

// hint prints what can be typed after an error: commands on lines of their own, unless
// all fits on one.
func (p Printer) hint(err error, whole string) {
	lead := p.paint(quiet, "  hint: ")
	text, commands := hint.Parts(err)
	if len(commands) == 0 || utf8.RuneCountInString(whole)+8 <= p.width() {
		p.indented(lead, 8, whole)
		return
	}
	p.indented(lead, 8, text+":")
	for _, c := range commands {
		p.command(8, c)
	}
}

// Errors prints every part of an error with its hint.
func (p Printer) Errors(err error) {
	who := cmp.Or(p.Program, "postseal") + ": "
	for _, e := range hint.All(err) {
		p.message(painted(who), len(who), e.Error())
		if h := hint.Of(e); h != "" {
			p.hint(e, h)
		}
	}
}

// errorJSON is an error as data.
type errorJSON struct {
	Exit   int          `json:"exit"`
	Errors []reasonJSON `json:"errors"`
}

type reasonJSON struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// ErrorsJSON gives an error as data.
func ErrorsJSON(err error, exit int) any {
	out := errorJSON{Exit: exit, Errors: []reasonJSON{}}
	for _, e := range hint.All(err) {
		out.Errors = append(out.Errors, reasonJSON{e.Error(), hint.Of(e)})
	}
	return out
}
