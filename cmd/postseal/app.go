package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/session"
)

// app is one run of the program.
type app struct {
	*cli.Run
	settings session.Settings
	plain    bool
	within   time.Duration
}

// Main runs the program with these arguments and returns its exit code.
func Main(args []string, in *os.File, out, err io.Writer) int {
	run, stop := cli.Start(in, out, err)
	defer stop()
	run.Unanswered = session.ErrAnswers
	a := &app{Run: run}
	a.settings.Guard = guard
	return a.Execute(a.root(), args)
}

// root builds the command tree.
func (a *app) root() *cobra.Command {
	var flags answerFlags
	root := &cobra.Command{
		Use:     "postseal",
		Version: cli.Version,
		Short:   "Harden the TLS of a Postfix mail server",
		Long: `postseal hardens the TLS configuration of a Postfix mail server. It inspects the server, asks a few questions, and shows
every line it would change together with the reason. It then rehearses the new configuration on a private Postfix,
applies it in one step, verifies every listener with a real handshake, and rolls everything back if verification fails.

Without a command, postseal starts the wizard, which needs a terminal. The commands do the same without questions.
` + cli.ExitHelp(),
		Args:              cli.UsageArgs(cobra.NoArgs),
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.absolute() },
		RunE: func(*cobra.Command, []string) error {
			a.settings.Flags = flags.given()
			return a.runWizard()
		},
	}
	flags.add(root, interview.All)
	root.Flags().DurationVar(&a.within, "confirm-within", 10*time.Minute, "revert what the wizard applied after this `time` unless you confirm it; 0 means never")
	root.Flags().BoolVar(&a.plain, "plain", false, "ask line by line, without a full-screen display")
	p := root.PersistentFlags()
	p.StringVar(&a.settings.ConfigDir, "config-dir", "", "Postfix configuration `directory` (default: what postconf says)")
	p.StringVar(&a.settings.StateDir, "state-dir", "", "`directory` for the journal, receipts and backups (default /var/lib/postseal)")
	p.StringVar(&a.settings.CertsDir, "certs-dir", "", "`directory` for keys with their certificate chains (default /etc/postseal/certs)")
	p.StringVar(&a.settings.AnswersFile, "answers", "", "read answers from this `file`, and do not update it (default /etc/postseal/postseal.toml, which is updated)")
	a.Flags(p)
	probe := a.Probe()
	probe.Long += "\npostseal-probe is this verb as a program of its own, for machines without the rest. It has the same options, but for those\nabout files: --config-dir, --state-dir, --certs-dir and --answers.\n"
	root.AddCommand(a.auditCmd(), a.censusCmd(), a.certCmd(), a.planCmd(), a.applyCmd(), a.undoCmd(), a.historyCmd(), a.questionsCmd(), a.demoCmd(), a.manCmd(), a.versionCmd(), a.watchCmd(), a.publishCmd(), probe, a.rehearseCmd(), a.listenCmd(), a.sinkCmd(), a.guardCmd(), a.confirmCmd(), a.revertCmd(), a.policyCmd(), a.whyCmd())
	addExamples(root)
	for _, dir := range []string{"config-dir", "state-dir", "certs-dir"} {
		_ = root.MarkPersistentFlagDirname(dir)
	}
	completeNoArgs(root)
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
			return hint.Wrap(err, "use an absolute path")
		}
		*dir = path
	}
	return nil
}

// open looks at the server.
func (a *app) open() (*session.Session, error) { return a.openOn(a.Machine) }

// openOn looks at the server through a machine.
func (a *app) openOn(m host.Machine) (*session.Session, error) {
	s, err := session.Open(a.Ctx, m, a.settings, nil)
	a.noteUnsettled(s)
	return s, err
}

// openSettled is open for a verb that makes a plan: it fails while a run is not at its
// end, since the files may be written and Postfix not reloaded.
func (a *app) openSettled(m host.Machine) (*session.Session, error) {
	s, err := session.Open(a.Ctx, m, a.settings, nil)
	if s != nil && s.Pending != nil && s.Pending.ConfigDir == s.ConfigDir {
		err := apply.Interrupted(a.Machine, s.StateDir)
		return s, hint.Wrap(fmt.Errorf("no plan can be made: %w", err), "if no other postseal is working on it: "+hint.Of(err))
	}
	a.noteUnsettled(s)
	return s, err
}

// noteUnsettled says that a run was interrupted, or waits to be confirmed, if one is or
// does.
func (a *app) noteUnsettled(s *session.Session) {
	if s != nil && s.Pending != nil && !a.JSON {
		a.Printer(a.Err).Note(fmt.Sprintf("Run %s was interrupted. If no other postseal is working on it: %s.", s.Pending.ID, s.Pending.Ways(a.Machine, s.StateDir)))
	}
	if s != nil && s.Net != nil && !a.JSON {
		text := fmt.Sprintf("Run %s %s", s.Net.Run, s.Net.Stands(a.Machine.Now()))
		if s.Net.Lost() {
			text += ", and its settings are in force: " + hint.ShellLine(s.Verb("history")) + " shows what to do"
		} else {
			text += ": " + s.Net.Ways(s.StateDir)
		}
		a.Printer(a.Err).Note(text + ".")
	}
}

// agree asks a yes-or-no question on the terminal; without one it fails.
func (a *app) agree(question, flag string) error {
	if !a.OnTerminal() {
		return cli.Misuse(hint.New("there is no terminal to ask on: "+question, "pass "+flag+" to confirm"))
	}
	fmt.Fprintf(a.Out, "%s [y/N] ", question)
	answered := make(chan string, 1)
	go func() {
		var answer string
		if _, err := fmt.Fscanln(a.In, &answer); errors.Is(err, io.EOF) {
			fmt.Fprintln(a.Out)
		}
		answered <- answer
	}()
	var answer string
	select {
	case answer = <-answered:
	case <-a.Ctx.Done():
		fmt.Fprintln(a.Out)
		return errors.New("interrupted; nothing was changed")
	}
	if answer != "y" && answer != "yes" {
		return errors.New("not confirmed; nothing was changed")
	}
	return nil
}
