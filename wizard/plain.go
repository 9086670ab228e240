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
	"postseal/internal/interview"
	"postseal/internal/plan"
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
	answers *ask.Answers
}

// errQuit is the answer q, or the end of the input.
var errQuit = errors.New("quit")

func runPlain(ctx context.Context, o Options, in io.Reader, out io.Writer) Result {
	p := &plain{o: o, ctx: ctx, lines: readLines(ctx, in), out: out, print: report.Printer{W: out, Width: 80}}
	r := p.run()
	if errors.Is(r.Err, errQuit) {
		r.Err = ErrQuit
	}
	if ctx.Err() != nil && r.Receipt == nil {
		r.Err = context.Canceled
	}
	return r
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

// wrapped prints text in lines of 78 columns.
func (p *plain) wrapped(text string) {
	for _, l := range report.Wrap(report.Clean(text), 78) {
		fmt.Fprintln(p.out, l)
	}
}

// read waits for a line; q and the end of the input leave.
func (p *plain) read(prompt string) (string, error) {
	fmt.Fprint(p.out, report.Clean(prompt), " ")
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
	p.say("Looking at this server. Nothing is changed.")
	s, err := p.o.open(p.ctx, nil)
	if err != nil {
		return Result{Err: err}
	}
	p.session, p.answers = s, s.Answers
	p.print.Facts(s.Facts)
	if s.Pending != nil {
		return p.pending()
	}
	if err := p.interview(); err != nil {
		return Result{Err: err}
	}
	return p.review()
}

// pending asks what to do with an interrupted run.
func (p *plain) pending() Result {
	r := p.session.Pending
	p.say("\nAn earlier run was interrupted: run %s of %s came to %q. Its files now:", r.ID, r.When.Local().Format("2006-01-02 15:04"), string(r.Phase))
	for _, l := range r.State(p.o.Machine) {
		p.say("  %s", l)
	}
	answer, err := p.read("f finish it, u undo it, q quit:")
	if err != nil {
		return Result{Err: err}
	}
	o := p.o.applyOptions(p.session, nil, p.print.Step)
	var out *apply.Receipt
	switch answer {
	case "f":
		out, err = apply.Finish(p.ctx, p.o.Machine, o)
	case "u":
		out, err = apply.Undo(p.ctx, p.o.Machine, p.session.ConfigDir, o)
	default:
		return Result{Err: errQuit}
	}
	p.print.Receipt(out, "")
	return Result{Receipt: out, Err: err}
}

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
		if !back {
			asked = append(asked, q.Name())
			continue
		}
		if len(asked) > 0 {
			last := asked[len(asked)-1]
			asked = asked[:len(asked)-1]
			p.answers.Forget(last)
		}
	}
}

// next is the first question without an answer.
func (p *plain) next() item {
	for _, q := range interview.All.Relevant(p.session.Facts, p.answers) {
		if p.answers.Source(q.Name()) == ask.Unset && !q.Settled(p.session.Facts, p.answers) {
			return q
		}
	}
	return nil
}

// question asks one question until the answer can be used.
func (p *plain) question(q item) (back bool, err error) {
	f := p.session.Facts
	section, title, why, help := q.Texts()
	var options []ask.Option
	for _, o := range q.Options(f, p.answers) {
		if o.Hidden == "" {
			options = append(options, o)
		}
	}
	fmt.Fprintln(p.out)
	number, of := p.place(q, section)
	p.wrapped(fmt.Sprintf("%s %d of %d. %s", section, number, of, title))
	suggested, reason := q.Proposal(f, p.answers)
	p.list(options)
	if len(suggested) > 0 {
		p.hung("Suggested: ", strings.Join(suggested, ", ")+", because "+reason)
	} else {
		p.hung("No suggestion: ", reason)
	}
	prompt := "Answer"
	if placeholder, ok := q.FreeText(); ok {
		prompt += ", or " + placeholder
	}
	if len(suggested) > 0 {
		prompt += " [" + strings.Join(suggested, " ") + "]"
	}
	prompt += ", b back, ? why, d diff, q quit:"
	for {
		line, err := p.read(prompt)
		if err != nil {
			return false, err
		}
		switch line {
		case "b":
			return true, nil
		case "?":
			p.wrapped(why)
			p.wrapped(strings.ReplaceAll(help, "\n", " "))
			if now := q.Present(f); now != "" {
				p.wrapped("Now: " + now)
			}
			continue
		case "d":
			p.showDiff()
			continue
		case "":
			if len(suggested) == 0 {
				p.wrapped("There is no suggestion: " + reason)
				continue
			}
		}
		if err := p.take(q, line, suggested, options); err != nil {
			p.print.Errors(err)
			continue
		}
		return false, nil
	}
}

// place says which question of its section this is.
func (p *plain) place(q item, section string) (number, of int) {
	for _, x := range interview.All.Relevant(p.session.Facts, p.answers) {
		if s, _, _, _ := x.Texts(); s == section && !x.Settled(p.session.Facts, p.answers) {
			of++
			if x.Name() == q.Name() {
				number = of
			}
		}
	}
	return number, of
}

// list prints the options with the numbers that choose them; an option that
// is a number itself needs none.
func (p *plain) list(options []ask.Option) {
	width := 0
	for _, o := range options {
		width = max(width, min(24, utf8.RuneCountInString(o.Text)))
	}
	for i, o := range options {
		lead := fmt.Sprintf("  %d %-*s  ", i+1, width, o.Text)
		if _, err := strconv.Atoi(o.Text); err == nil {
			lead = fmt.Sprintf("  %-*s  ", width, o.Text)
		}
		if utf8.RuneCountInString(o.Text) > width {
			p.say("%s", lead)
			lead = "      "
		}
		p.hung(lead, o.Help)
	}
}

// hung prints text after a lead, the other lines under the first.
func (p *plain) hung(lead, text string) {
	n := utf8.RuneCountInString(lead)
	for i, l := range report.Wrap(report.Clean(text), 78-n) {
		if i > 0 {
			lead = strings.Repeat(" ", n)
		}
		fmt.Fprintln(p.out, report.Clean(lead)+l)
	}
}

// take sets and checks an answer: a number of the list, a word, or nothing
// for the suggestion. Several are separated by blanks.
func (p *plain) take(q item, line string, suggested []string, options []ask.Option) error {
	texts := strings.Fields(line)
	for i, t := range texts {
		if n, err := strconv.Atoi(t); err == nil && n >= 1 && n <= len(options) && !named(options, t) {
			texts[i] = options[n-1].Text
		}
	}
	if len(texts) == 0 {
		texts = suggested
	}
	a := p.answers.Clone()
	if err := q.Set(a, texts, ask.Typed); err != nil {
		return err
	}
	interview.Settle(a)
	p.session.Inspect(a)
	if err := q.Verify(p.session.Facts, a); err != nil {
		return err
	}
	p.answers, p.session.Answers = a, a
	return nil
}

// named says whether an option is called t, so that 1 means that option.
func named(options []ask.Option, t string) bool {
	for _, o := range options {
		if o.Text == t {
			return true
		}
	}
	return false
}

func (p *plain) showDiff() {
	pl, err := p.session.Preview(p.answers)
	if err == nil {
		err = p.print.Plan(pl)
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
	if err := p.print.Plan(pl); err != nil {
		return Result{Err: err}
	}
	if pl.Empty() {
		return Result{}
	}
	if !p.session.Facts.Root && !p.o.FilesOnly {
		p.say("\nOnly root can write this. The same as root: sudo %s", report.ShellLine(p.session.Command(pl)))
		return Result{Err: ErrQuit}
	}
	accepted, err := p.accept(pl)
	if err != nil {
		return Result{Err: err}
	}
	answer, err := p.read("\nApply this? y yes, anything else leaves:")
	if err != nil || answer != "y" {
		return Result{Err: ErrQuit}
	}
	r, err := apply.Run(p.ctx, p.o.Machine, pl, p.o.applyOptions(p.session, accepted, p.print.Step))
	return Result{Receipt: r, Err: err, Command: p.session.Command(pl), Undo: p.session.UndoCommand()}
}

// accept asks for the risks one by one.
func (p *plain) accept(pl *plan.Plan) (accepted []string, err error) {
	for _, r := range pl.Risks {
		fmt.Fprintln(p.out)
		p.wrapped(r.Name + ": " + r.Text)
		answer, err := p.read("Accept this? y yes, anything else leaves:")
		if err != nil {
			return nil, err
		}
		if answer != "y" {
			return nil, errQuit
		}
		accepted = append(accepted, r.Name)
	}
	return accepted, nil
}
