package wizard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/audit"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/plan"
	"postseal/internal/rehearse"
	"postseal/internal/report"
	"postseal/internal/session"
)

// plain is the wizard line by line: for screen readers, for terminals that
// cannot draw, and for whoever prefers it. It asks the same questions.
type plain struct {
	o       Options
	ctx     context.Context
	lines   <-chan string
	out     io.Writer
	print   report.Printer
	session *session.Session
	// flow are the questions; ordering says that they are about a certificate
	// to be got.
	flow
	ordering bool
	// made: a certificate was ordered or made.
	made bool
	// grades are those before a run.
	grades []audit.Grade
	// ordered are the answers about an order that was left, or nil.
	ordered *ask.Answers
}

// errQuit is the answer q, or the end of the input.
var errQuit = errors.New("quit")

func runPlain(ctx context.Context, o Options, in io.Reader, out io.Writer) Result {
	p := newPlain(ctx, o, in, out)
	r := p.run()
	switch {
	case ctx.Err() != nil && r.Receipt == nil:
		return leftBy(true, p.made)
	case errors.Is(r.Err, errQuit), errors.Is(r.Err, ErrQuit):
		return leftBy(false, p.made)
	}
	return r
}

func newPlain(ctx context.Context, o Options, in io.Reader, out io.Writer) *plain {
	width := 80 // on a wide terminal too: longer lines read badly
	if o.Width > 0 {
		width = min(width, o.Width)
	}
	return &plain{o: o, ctx: ctx, lines: readLines(ctx, in), out: out, print: report.Printer{W: out, Width: width}, flow: newFlow(interview.All, nil)}
}

// readLines reads in the background, so that a signal ends the wait.
func readLines(ctx context.Context, in io.Reader) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		s := bufio.NewScanner(in)
		for s.Scan() {
			select {
			case out <- strings.TrimSpace(s.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (p *plain) say(format string, args ...any) {
	fmt.Fprint(p.out, report.Clean(fmt.Sprintf(format, args...)), "\n")
}

// columns is how long a line of text may be.
func (p *plain) columns() int { return max(20, p.print.Width-2) }

// wrapped prints a paragraph.
func (p *plain) wrapped(text string) { p.hung("", text) }

// hung prints text after a lead, the other lines under the first; after a lead that
// leaves little room, on lines of its own.
func (p *plain) hung(lead, text string) {
	n := utf8.RuneCountInString(lead)
	if n > p.columns()/2 {
		fmt.Fprintln(p.out, strings.TrimRight(oneLine(lead), " "))
		lead, n = "      ", 6
	}
	for i, l := range report.Wrap(oneLine(text), p.columns()-n) {
		if i > 0 {
			lead = strings.Repeat(" ", n)
		}
		fmt.Fprintln(p.out, oneLine(lead)+l)
	}
}

// read waits for a line; q and the end of the input leave.
func (p *plain) read(prompt string) (string, error) {
	if prompt = report.Clean(prompt); utf8.RuneCountInString(prompt) > p.columns() {
		prompt = strings.Join(report.Wrap(prompt, p.columns()), "\n")
	}
	fmt.Fprint(p.out, prompt, " ")
	select {
	case l, ok := <-p.lines:
		if !ok || l == "q" {
			fmt.Fprintln(p.out)
			return "", errQuit
		}
		return l, nil
	case <-p.ctx.Done():
		fmt.Fprintln(p.out)
		return "", errQuit
	}
}

func (p *plain) run() Result {
	p.wrapped("Looking at this server. Nothing is changed.")
	s, err := p.o.open(p.ctx, nil)
	if err != nil {
		return Result{Err: err}
	}
	p.session, p.answers = s, s.Answers
	p.print.Facts(s.Facts)
	if s.Pending != nil {
		return p.pending()
	}
	if u := s.Net; u != nil && u.Lost() {
		return Result{Err: u.Err(s.StateDir, p.o.Machine.Now())}
	}
	if u := s.Unconfirmed; u != nil {
		return p.keep(Result{Receipt: u, Undo: s.UndoCommand()}, "Run "+u.ID+" is applied and waits to be confirmed.")
	}
	if past := pastOf(p.o.Machine, s); past != nil {
		if r, err := p.home(past); errors.Is(err, errDone) {
			return r
		} else if err != nil {
			return Result{Err: err}
		}
	} else if err := p.card(); err != nil {
		return Result{Err: err}
	}
	if err := p.interview(); err != nil {
		return Result{Err: err}
	}
	change := len(p.asked) == 0 // all was answered before, and can be answered anew
	for {
		if change {
			if err := p.change(); err != nil {
				return Result{Err: err}
			}
		}
		r := p.review()
		if !errors.Is(r.Err, errBack) {
			return r
		}
		change = true
	}
}

// card prints the report card, and findings by their number.
func (p *plain) card() error {
	fmt.Fprintln(p.out)
	p.wrapped("Testing the listeners, and rehearsing.")
	e, err := p.o.evidence(p.ctx, p.session)
	if err != nil {
		return err
	}
	c := audit.Audit(e, p.session.Suppressions...)
	p.print.Grades(c)
	p.grades = c.Grades
	return p.findings(c, "continue to the questions")
}

// findings prints the findings of a card, and one by its number; Enter does what then says.
func (p *plain) findings(c audit.Card, then string) error {
	for i, f := range c.Findings {
		p.hung(fmt.Sprintf("%3d  ", i+1), fmt.Sprintf("%s: %s", f.Severity, f.Title))
	}
	for len(c.Findings) > 0 {
		answer, err := p.read("Number of a finding to show, or Enter to " + then + ":")
		if err != nil || answer == "" {
			return err
		}
		n, err := strconv.Atoi(answer)
		if err != nil || n < 1 || n > len(c.Findings) {
			p.say("There are 1 to %d.", len(c.Findings))
			continue
		}
		p.print.Finding(c.Findings[n-1])
	}
	return nil
}

// errBack is the answer b to the first question, or an answer other than yes where
// yes is needed.
var errBack = errors.New("back")

// interview asks what nobody has answered yet, in order; b goes back.
func (p *plain) interview() error {
	var asked []string
	for {
		q := p.next()
		if q == nil {
			return nil
		}
		back, err := p.question(q)
		if err != nil {
			return err
		}
		p.asked[q.Name()] = true
		if !back {
			asked = append(asked, q.Name())
			continue
		}
		if len(asked) == 0 && p.ordering {
			return errBack
		}
		if len(asked) > 0 {
			last := asked[len(asked)-1]
			asked = asked[:len(asked)-1]
			p.answers.Forget(last)
		}
	}
}

// change lists all answers, and asks those anew that are named by their number.
func (p *plain) change() error {
	for {
		all := p.set.Relevant(p.session.Facts, p.answers)
		fmt.Fprintln(p.out)
		p.wrapped("All answers and their sources:")
		p.listAnswers(all)
		answer, err := p.read("Number of an answer to change, Enter to continue, q quit:")
		if err != nil || answer == "" {
			return err
		}
		q, ok := p.numbered(answer, all)
		if !ok {
			continue
		}
		if _, err := p.question(q); err != nil {
			return err
		}
		if err := p.interview(); err != nil { // what this answer brings up
			return err
		}
	}
}

// listAnswers prints answers, with the numbers that change them.
func (p *plain) listAnswers(all []item) {
	width := 0
	for _, q := range all {
		width = max(width, len(q.Name()))
	}
	for i, q := range all {
		values, source := q.Value(p.session.Facts, p.answers)
		text := strings.Join(values, ", ")
		if len(values) == 0 {
			text = "no answer"
		}
		p.hung(fmt.Sprintf("%3d  %-*s  ", i+1, width, q.Name()), text+" (from "+source.String()+")")
	}
}

// numbered is the question with this number.
func (p *plain) numbered(number string, all []item) (item, bool) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(all) {
		p.say("There are 1 to %d.", len(all))
		return nil, false
	}
	return all[n-1], true
}

// next is the first question without an answer.
func (p *plain) next() item {
	for _, q := range p.set.Relevant(p.session.Facts, p.answers) {
		if p.answers.Source(q.Name()) == ask.Unset && !q.Settled(p.session.Facts, p.answers) {
			return q
		}
	}
	return nil
}

func (p *plain) showDiff() {
	pl, err := p.session.Preview(p.answers)
	if err == nil {
		err = p.print.Plan(pl, hint.ShellLine(p.session.UndoCommand()), p.o.FilesOnly)
	}
	if err != nil {
		p.print.Errors(err)
	}
}

// review shows the plan, asks for each risk, and applies.
func (p *plain) review() Result {
	pl, err := p.session.Plan(p.answers)
	if err != nil {
		return Result{Err: err}
	}
	fmt.Fprintln(p.out)
	if err := p.print.Plan(pl, hint.ShellLine(p.session.UndoCommand()), p.o.FilesOnly); err != nil {
		return Result{Err: err}
	}
	if pl.Empty() {
		return Result{}
	}
	if err := apply.CannotReplace(p.o.Machine, pl); err != nil {
		return Result{Err: err}
	}
	if !p.session.Facts.Root && !p.o.FilesOnly {
		p.say("\nOnly root can write this. To do the same as root: sudo %s", hint.ShellLine(p.session.Command(pl)))
		return Result{Err: ErrQuit}
	}
	accepted, err := p.accept(pl)
	if err != nil {
		return Result{Err: err}
	}
	if err := p.rehearse(pl); err != nil {
		return Result{Err: err}
	}
	fmt.Fprintln(p.out)
	if err := p.agree("Apply this?"); err != nil {
		return Result{Err: err}
	}
	o := p.o.applyOptions(p.session, accepted, p.print.Step)
	o.Rehearse, o.Net = nil, p.o.net(p.session)
	r, err := apply.Run(p.ctx, p.o.Machine, pl, o)
	out := Result{Receipt: r, Err: err, Command: p.session.Command(pl), Undo: p.session.UndoCommand()}
	switch {
	case err != nil:
		return out
	case r.ConfirmBy.IsZero():
		p.summary(r)
		return out
	}
	return p.keep(out, applied(r))
}

// rehearse plays the plan on a private Postfix, and says what is worth a look.
func (p *plain) rehearse(pl *plan.Plan) error {
	if p.o.FilesOnly || !pl.Reload() {
		return nil
	}
	fmt.Fprintln(p.out)
	p.wrapped("Rehearsing on a private Postfix. Mail is not touched.")
	files, err := apply.Assembled(p.o.Machine, pl)
	if err != nil {
		return err
	}
	r, err := p.o.rehearsal(p.session, nil)(p.ctx, pl, files)
	if p.ctx.Err() != nil {
		return p.ctx.Err()
	}
	if err == nil {
		for _, t := range r.Trials {
			if t.Verdict != rehearse.Fine {
				p.print.Trial(t)
			}
		}
		p.print.Rehearsed(r)
	}
	risks := apply.Doubts(r, err)
	if len(risks) == 0 {
		return nil
	}
	for _, risk := range risks {
		p.wrapped(doubt(risk))
	}
	return p.agree("Accept this?")
}

// agree asks a question that only y is a yes to; all else goes back to the answers.
func (p *plain) agree(question string) error {
	answer, err := p.read(question + " y yes, q quit, anything else returns to the answers:")
	if err == nil && answer != "y" {
		err = errBack
	}
	return err
}

// accept asks for the risks one by one.
func (p *plain) accept(pl *plan.Plan) (accepted []string, err error) {
	for _, r := range pl.Risks {
		fmt.Fprintln(p.out)
		p.wrapped(r.Name + ": " + r.Text)
		if err := p.agree("Accept this?"); err != nil {
			return nil, err
		}
		accepted = append(accepted, r.Name)
	}
	return accepted, nil
}
