package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/report"
	"postseal/internal/session"
)

// The exit codes, the same for every verb.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitFindings    = 3
	exitRisk        = 4
	exitRolledBack  = 5
	exitNotReverted = 6
	exitInterrupted = 130
)

const exitHelp = `
Exit codes:
  0    done, or nothing to do
  1    failed, nothing was changed
  2    wrong usage, or answers are missing
  3    findings, or changes are pending
  4    a named risk was not accepted
  5    failed, and everything was put back
  6    failed, and putting it back failed too: the error names the backups
  130  interrupted, or whoever read the output went away
`

// errFindings is how a verb says that it found something, without a message.
var errFindings = errors.New("findings")

// toldError is an error that the verb has printed itself: only its exit code is
// left.
type toldError struct{ error }

func (t toldError) Unwrap() error { return t.error }

func told(err error) error {
	if err == nil {
		return nil
	}
	return toldError{err}
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// app is one run of the program.
type app struct {
	in       *os.File
	out, err io.Writer
	ctx      context.Context

	settings session.Settings
	machine  *host.Recorder
	json     bool
	noColor  bool
	verbose  bool
	plain    bool
	within   time.Duration
}

// Main runs the program with these arguments and returns its exit code.
func Main(args []string, in *os.File, out, err io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, gone := context.WithCancel(ctx)
	defer gone()
	// Caught, and not ignored: what we start would inherit that. A connection
	// raises it too, so it is the failed write that says whose end has come.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	out = &outlet{Writer: out, gone: gone}
	a := &app{in: in, out: out, err: err, ctx: ctx, machine: &host.Recorder{Machine: host.Local{}}}
	a.settings.Guard = guard
	root := a.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(err)
	e := root.ExecuteContext(ctx)
	if a.verbose {
		for _, l := range a.machine.Lines() {
			fmt.Fprintln(err, report.Clean(l))
		}
	}
	switch failed := out.(*outlet).failed; {
	case errors.Is(failed, syscall.EPIPE) && !errors.Is(e, apply.ErrRolledBack) && !errors.Is(e, apply.ErrNotRolledBack):
		return exitInterrupted // as by Ctrl-C, and nobody is there to be told
	case failed != nil && (e == nil || errors.Is(e, errFindings)):
		e = hint.Wrap(fmt.Errorf("what there was to print could not be printed: %w", failed), "postseal history shows whether something was changed")
	}
	return a.finish(e)
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

// file is the file that is written to, if it is one.
func file(w io.Writer) (*os.File, bool) {
	if o, ok := w.(*outlet); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	return f, ok
}

// finish prints an error and maps it to an exit code.
func (a *app) finish(err error) int {
	code := exitCode(a.ctx, err)
	if err == nil || errors.Is(err, errFindings) || errors.As(err, new(toldError)) {
		return code
	}
	if err == context.Canceled { //nolint:errorlint // with more around it, it says what was interrupted
		err = errors.New("interrupted")
	}
	if a.json {
		_ = a.printer(a.out).JSON(report.ErrorsJSON(err, code))
		return code
	}
	p := a.printer(a.err)
	if p.Width == 0 {
		p.Width = 1 << 16 // on a pipe an error is one line, for grep and logs
	}
	p.Errors(err)
	if errors.As(err, new(usageError)) {
		fmt.Fprintln(a.err, "postseal --help shows the usage.")
	}
	return code
}

func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, apply.ErrNotRolledBack):
		return exitNotReverted
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, apply.ErrRolledBack):
		return exitRolledBack
	case errors.Is(err, apply.ErrRisk):
		return exitRisk
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.Is(err, session.ErrAnswers), errors.As(err, new(usageError)):
		return exitUsage
	}
	return exitFailed
}

// root builds the command tree.
func (a *app) root() *cobra.Command {
	var flags answerFlags
	root := &cobra.Command{
		Use:   "postseal",
		Short: "Harden the TLS of a Postfix mail server",
		Long: `postseal hardens the TLS of a Postfix mail server. It looks at the server as it is, asks what should hold,
shows every line that it would write with the reason for it, writes in one step, proves the result by
handshakes with every listener, and can undo it.

Without a verb it is a wizard, on a terminal. The verbs do the same without questions.
` + exitHelp,
		Args:              usageArgs(cobra.NoArgs),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.absolute() },
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.settings.Flags = flags.given()
			return a.runWizard(cmd)
		},
	}
	flags.add(root, interview.All)
	root.Flags().DurationVar(&a.within, "confirm-within", 10*time.Minute, "put what the wizard applied back after this `time` unless it is kept there, or by postseal confirm; 0 is never")
	root.Flags().BoolVar(&a.plain, "plain", false, "ask line by line, without drawing on the screen")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if strings.Contains(err.Error(), "missing unit in duration") { // of time.ParseDuration, which has no error to compare with
			err = hint.Wrap(err, "a time has a unit: write 20s or 10m")
		}
		return usageError{err}
	})
	p := root.PersistentFlags()
	p.StringVar(&a.settings.ConfigDir, "config-dir", "", "Postfix configuration `directory` (default: what postconf says)")
	p.StringVar(&a.settings.StateDir, "state-dir", "", "`directory` for journal, receipts and backups (default /var/lib/postseal)")
	p.StringVar(&a.settings.CertsDir, "certs-dir", "", "`directory` for files of key and chain (default /etc/postseal/certs)")
	p.StringVar(&a.settings.AnswersFile, "answers", "", "`file` with answers, only read (default /etc/postseal/postseal.toml, kept up to date)")
	p.BoolVar(&a.json, "json", false, "print data instead of text, errors too")
	p.BoolVar(&a.noColor, "no-color", false, "print without colours (as the variable NO_COLOR)")
	p.BoolVar(&a.verbose, "verbose", false, "say at the end what was run")
	root.AddCommand(a.auditCmd(), a.certCmd(), a.planCmd(), a.applyCmd(), a.undoCmd(), a.historyCmd(), a.questionsCmd(), a.demoCmd(), a.manCmd(), a.versionCmd(), a.watchCmd(), a.publishCmd(), a.probeCmd(), a.rehearseCmd(), a.sinkCmd(), a.guardCmd(), a.confirmCmd(), a.revertCmd())
	for _, c := range root.Commands() {
		c.Long += exitHelp
	}
	return root
}

// absolute makes folders mean the same to whoever comes after us: what takes a
// run back is started elsewhere, and main.cf names what lies in them.
func (a *app) absolute() error {
	for _, dir := range []*string{&a.settings.ConfigDir, &a.settings.StateDir, &a.settings.CertsDir} {
		if *dir == "" {
			continue
		}
		path, err := filepath.Abs(*dir)
		if err != nil {
			return hint.Wrap(err, "give the path from / on")
		}
		*dir = path
	}
	return nil
}

// usageArgs makes wrong arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// printer writes to w as its terminal, if it is one, allows.
func (a *app) printer(w io.Writer) report.Printer {
	p := report.Printer{W: w}
	f, ok := file(w)
	if ok && term.IsTerminal(f.Fd()) {
		p.Color = !a.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(f.Fd()); err == nil {
			p.Width = width
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && p.Width == 0 {
		p.Width = n
	}
	return p
}

// onTerminal says whether a person can be asked.
func (a *app) onTerminal() bool {
	out, ok := file(a.out)
	return ok && a.in != nil && term.IsTerminal(a.in.Fd()) && term.IsTerminal(out.Fd())
}

// open looks at the server.
func (a *app) open() (*session.Session, error) {
	s, err := session.Open(a.ctx, a.machine, a.settings, nil)
	if s != nil && s.Pending != nil && !a.json {
		fmt.Fprintf(a.err, "An earlier run was interrupted (%s): %s.\n", s.Pending.ID, s.Pending.Ways())
	}
	if s != nil && s.Unconfirmed != nil && !a.json {
		fmt.Fprintf(a.err, "Run %s %s: postseal confirm keeps it, postseal undo puts it back now.\n",
			s.Net.Run, report.Clean(s.Net.Stands(a.machine.Now())))
	}
	return s, err
}

// agree asks a yes-or-no question on the terminal; without one it fails.
func (a *app) agree(question, flag string) error {
	if !a.onTerminal() {
		return usageError{hint.New("there is no terminal to ask on: "+question, flag+" is yes to that")}
	}
	fmt.Fprintf(a.out, "%s [y/N] ", question)
	var answer string
	_, _ = fmt.Fscanln(a.in, &answer)
	if answer != "y" && answer != "yes" {
		return errors.New("not agreed; nothing was changed")
	}
	return nil
}
