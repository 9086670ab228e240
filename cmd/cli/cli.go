// Package cli is what the programs under cmd have in common: a run with its
// output and its end, the exit codes, and the verb that all have. It knows no
// session, no lineage and no wizard, and so nothing of ACME and of screens: what
// is linked makes a program large.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/report"
)

// Version is set when a release is built: -ldflags "-X postseal/cmd/cli.Version=1.2.3".
var Version = "development"

// The exit codes, the same for every verb.
const (
	Done        = 0
	Failed      = 1
	Usage       = 2
	Findings    = 3
	Risk        = 4
	RolledBack  = 5
	NotReverted = 6
	Interrupted = 130
)

// ExitCodes explains them.
var ExitCodes = []struct {
	Code int
	Text string
}{
	{Done, "done, or nothing to do"},
	{Failed, "failed, nothing was changed"},
	{Usage, "wrong usage, or answers are missing"},
	{Findings, "findings, or changes are pending"},
	{Risk, "a named risk was not accepted"},
	{RolledBack, "failed, and everything was rolled back"},
	{NotReverted, "failed, and the rollback failed too: the error names the backups"},
	{Interrupted, "interrupted, or the reader of the output closed the pipe"},
}

// ExitHelp is the part of the help about them.
func ExitHelp() string {
	var b strings.Builder
	b.WriteString("\nExit codes:\n")
	for _, c := range ExitCodes {
		fmt.Fprintf(&b, "  %-3d  %s\n", c.Code, c.Text)
	}
	return b.String()
}

// ErrFindings is how a verb says that it found something, without a message.
var ErrFindings = errors.New("findings")

// toldError is an error that the verb has printed itself: only its exit code is
// left.
type toldError struct{ error }

func (t toldError) Unwrap() error { return t.error }

// Told says that err, which may be nil, was printed already.
func Told(err error) error {
	if err == nil {
		return nil
	}
	return toldError{err}
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// Misuse makes an error of a command line that cannot be understood.
func Misuse(err error) error { return usageError{err} }

// UsageArgs makes wrong arguments a usage error. What cobra says of them is replaced by
// what the command takes.
func UsageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		switch {
		case err == nil:
			return nil
		case hint.Of(err) != "":
		case cmd.HasAvailableSubCommands() && len(args) > 0:
			err = fmt.Errorf("unknown command %.40q", args[0])
			if near := nearVerb(cmd, args[0]); near != "" {
				err = hint.Wrap(err, "did you mean "+near+"?")
			}
		default:
			_, takes, _ := strings.Cut(cmd.Use, " ")
			if takes == "" {
				takes = "no argument"
			}
			err = fmt.Errorf("%s takes %s", cmd.CommandPath(), takes)
		}
		return Misuse(err)
	}
}

// Verbs is the RunE of a command that only has others under it.
func Verbs(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return Misuse(hint.New(cmd.CommandPath()+" needs a command", "use one of "+strings.Join(names, ", ")))
}

// nearVerb is the command under cmd that was probably meant, or empty.
func nearVerb(cmd *cobra.Command, typed string) string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if name := hint.Nearest(names, typed); name != "" {
		return cmd.CommandPath() + " " + name
	}
	return ""
}

// nearFlag is the flag of cmd that was probably meant, or empty.
func nearFlag(cmd *cobra.Command, typed string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if name := hint.Nearest(names, typed); name != "" {
		return "--" + name
	}
	return ""
}

// FlagError makes a flag that cannot be understood a usage error.
func FlagError(cmd *cobra.Command, err error) error {
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
		if near := nearFlag(cmd, unknown.GetSpecifiedName()); near != "" {
			err = hint.Wrap(err, "did you mean "+near+"?")
		}
	}
	if strings.Contains(err.Error(), "missing unit in duration") { // of time.ParseDuration, which has no error to compare with
		err = hint.Wrap(err, "a time has a unit: write 20s or 10m")
	}
	if strings.Contains(err.Error(), "unknown unit \"d\" in duration") {
		err = hint.Wrap(err, "give days in hours: 24h is a day")
	}
	if strings.Contains(err.Error(), "strconv.Parse") {
		err = hint.Wrap(err, "use a number")
	}
	return Misuse(err)
}

// Run is one run of a program.
type Run struct {
	In       *os.File
	Out, Err io.Writer
	// Ctx ends when the run is interrupted.
	Ctx     context.Context
	Machine *host.Recorder
	// JSON, NoColor and Verbose are flags of every verb.
	JSON, NoColor, Verbose bool
	// ASCII: the locale has no UTF-8.
	ASCII bool
	// Unanswered is an error that is wrong usage too; it may be nil.
	Unanswered error
	// name is what the program is called, and called what was typed of it: with the
	// verb.
	name, called string
}

// Start begins a run. The caller calls stop at its end.
func Start(in *os.File, out, err io.Writer) (r *Run, stop func()) {
	ctx, forget := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx, gone := context.WithCancel(ctx)
	// Caught, and not ignored: what we start would inherit that. A connection
	// raises it too, so it is the failed write that says whose end has come.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	r = &Run{In: in, Ctx: ctx, Machine: &host.Recorder{Machine: host.Local{}}, ASCII: report.SpeaksASCII(os.Getenv)}
	r.Out, r.Err = &outlet{Writer: filter{tongue{out, r}}, gone: gone}, filter{tongue{err, r}}
	return r, func() { gone(); forget() }
}

// Flags adds the flags of every verb.
func (r *Run) Flags(f *pflag.FlagSet) {
	f.BoolVar(&r.JSON, "json", false, "print data instead of text, errors too")
	f.BoolVar(&r.NoColor, "no-color", false, "print without colours (as the variable NO_COLOR)")
	f.BoolVar(&r.Verbose, "verbose", false, "list the commands that were run")
}

// Execute runs root with these arguments and returns the exit code.
func (r *Run) Execute(root *cobra.Command, args []string) int {
	r.name = root.Name()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(FlagError)
	root.SetArgs(args)
	root.SetOut(r.Out)
	root.SetErr(r.Err)
	r.helps(root)
	ran, e := root.ExecuteContextC(r.Ctx)
	r.called = ran.CommandPath()
	if errors.As(e, new(usageError)) && slices.Contains(args, "--json") {
		r.JSON = true // a wrong flag before it ended the parsing
	}
	if r.Verbose {
		for _, l := range r.Machine.Lines() {
			fmt.Fprintln(r.Err, report.Clean(l))
		}
	}
	var failed error
	if o, ok := r.Out.(*outlet); ok {
		failed = o.failed
	}
	switch {
	case errors.Is(failed, syscall.EPIPE) && !errors.Is(e, apply.ErrRolledBack) && !errors.Is(e, apply.ErrNotRolledBack):
		return Interrupted // as by Ctrl-C, and nobody is there to be told
	case failed != nil && (e == nil || errors.Is(e, ErrFindings)):
		e = fmt.Errorf("the output could not be written: %w", failed)
		if slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == "history" }) {
			e = hint.Wrap(e, r.name+" history shows whether something was changed")
		}
	}
	return r.Finish(e)
}

// outlet is where output goes; it remembers that some could not. When the
// reader of a pipe has gone, what is under way is brought to an end.
type outlet struct {
	io.Writer
	failed error
	gone   func()
}

func (o *outlet) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if err != nil && o.failed == nil {
		o.failed = err
	}
	if errors.Is(err, syscall.EPIPE) {
		o.gone()
	}
	return n, err
}

// tongue writes the signs of the house as the locale has them. JSON is UTF-8 anywhere.
type tongue struct {
	io.Writer
	run *Run
}

func (t tongue) Write(b []byte) (int, error) {
	if t.run.ASCII && !t.run.JSON {
		return report.ASCIIWriter{Writer: t.Writer}.Write(b)
	}
	return t.Writer.Write(b)
}

// File is the file that is written to, if it is one.
func File(w io.Writer) (*os.File, bool) {
	if o, ok := w.(*outlet); ok {
		w = o.Writer
	}
	if v, ok := w.(filter); ok {
		w = v.Writer
	}
	if v, ok := w.(tongue); ok {
		w = v.Writer
	}
	f, ok := w.(*os.File)
	return f, ok
}

// Finish prints an error and maps it to an exit code.
func (r *Run) Finish(err error) int {
	code := r.Code(err)
	if err == nil || errors.Is(err, ErrFindings) || errors.As(err, new(toldError)) {
		return code
	}
	if err == context.Canceled || r.Ctx.Err() != nil && err == context.Cause(r.Ctx) { //nolint:errorlint // with more around it, it says what was interrupted
		err = errors.New("interrupted")
	}
	if r.JSON {
		_ = r.Printer(r.Out).JSON(report.ErrorsJSON(err, code))
		return code
	}
	p := r.Printer(r.Err)
	if p.Width == 0 {
		p.Width = 1 << 16 // on a pipe an error is one line, for grep and logs
	}
	p.Errors(err)
	if errors.As(err, new(usageError)) {
		fmt.Fprintln(r.Err, r.called+" --help shows the usage.")
	}
	return code
}

// Code is the exit code that an error stands for.
func (r *Run) Code(err error) int {
	switch {
	case err == nil:
		return Done
	case errors.Is(err, apply.ErrNotRolledBack):
		return NotReverted
	case r.Ctx.Err() != nil || errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, apply.ErrRolledBack):
		return RolledBack
	case errors.Is(err, apply.ErrRisk):
		return Risk
	case errors.Is(err, ErrFindings):
		return Findings
	case r.Unanswered != nil && errors.Is(err, r.Unanswered), errors.As(err, new(usageError)):
		return Usage
	}
	return Failed
}

// Printer writes to w as its terminal, if it is one, allows.
func (r *Run) Printer(w io.Writer) report.Printer {
	p := report.Printer{W: w, Program: r.name}
	f, ok := File(w)
	if ok && term.IsTerminal(f.Fd()) {
		p.Live = os.Getenv("TERM") != "dumb"
		p.Color = !r.NoColor && os.Getenv("NO_COLOR") == "" && p.Live
		if width, _, err := term.GetSize(f.Fd()); err == nil {
			p.Width = width
		}
		if p.Width <= 0 { // a serial line, or a pty that nobody has sized
			p.Width = 80
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && p.Width == 0 {
		p.Width = n
	}
	return p
}

// OnTerminal says whether a person can be asked.
func (r *Run) OnTerminal() bool {
	out, ok := File(r.Out)
	return ok && r.In != nil && term.IsTerminal(r.In.Fd()) && term.IsTerminal(out.Fd())
}

// Waiting says on the terminal what is waited for, until done is called.
func (r *Run) Waiting(what string) (done func()) {
	if r.JSON || !r.OnTerminal() {
		return func() {}
	}
	fmt.Fprintf(r.Err, "%s ...\r", what)
	return func() { fmt.Fprint(r.Err, strings.Repeat(" ", len(what)+4)+"\r") }
}
