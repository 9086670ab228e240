// Package wizard is what a person sees: a Bubble Tea program, and a plain twin
// that asks line by line.
//
// It decides nothing about Postfix. Each page shows what package session and
// the packages under it say, and hands answers back.
package wizard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/apply"
	"postseal/internal/audit"
	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/rehearse"
	"postseal/internal/report"
	"postseal/internal/session"
	"postseal/wizard/quiet"
)

func init() { quiet.Over() }

// Options say how to run the wizard.
type Options struct {
	In  *os.File
	Out io.Writer
	// Machine is the machine to look at and to change.
	Machine *host.Recorder
	// Settings are where things lie, and the answers given by flags.
	Settings session.Settings
	// FilesOnly writes files and neither reloads nor shakes hands.
	FilesOnly bool
	// Within is how long there is to keep a run before it goes back by itself,
	// and Revert the command line that takes it back; see apply.Net. A Within of
	// 0 is no net.
	Within time.Duration
	Revert []string
	// SaveIn is the folder for a plan that is saved; empty is the current one.
	SaveIn string
	// rehearse plays a plan; nil is as the session does. Tests have no Postfix.
	rehearse func(*session.Session, func(rehearse.Trial)) apply.Rehearse
	// gather collects what the card is made from; nil is as the session does.
	gather func(context.Context, *session.Session) (*audit.Evidence, error)
	// NoColor draws without colours.
	NoColor bool
	// ASCII: the locale has no UTF-8.
	ASCII bool
	// Plain asks line by line, in lines of at most Width columns; 0 is 80.
	Plain bool
	Width int
}

// Result is what came of it.
type Result struct {
	// Receipt is of the run that was made, or nil.
	Receipt *apply.Receipt
	// Command does the same again without questions; Undo takes it back.
	Command, Undo []string
	// Err is why it failed.
	Err error
}

// ErrQuit is the result of a wizard that was left before its end.
var ErrQuit = errors.New("quit; nothing was changed")

// leaving is a way of leaving that counts as another.
type leaving struct {
	text string
	as   error
}

func (l leaving) Error() string        { return l.text }
func (l leaving) Is(target error) bool { return target == l.as } //nolint:errorlint // this is how errors.Is asks

var (
	errUntouched = leaving{"interrupted; nothing was changed", context.Canceled}
	errQuitMade  = leaving{"quit; the new certificates are kept, and nothing else was changed", ErrQuit}
)

// leftBy is the result of leaving, or of being interrupted; made says that a certificate
// was ordered or made.
func leftBy(interrupted, made bool) Result {
	switch {
	case interrupted && made:
		return Result{Err: context.Canceled}
	case interrupted:
		return Result{Err: errUntouched}
	case made:
		return Result{Err: errQuitMade}
	}
	return Result{Err: ErrQuit}
}

// Run runs the wizard until it is left.
func Run(ctx context.Context, o Options) Result {
	if o.Plain || os.Getenv("TERM") == "dumb" {
		if o.ASCII {
			o.Out = report.ASCIIWriter{Writer: o.Out}
		}
		return runPlain(ctx, o, o.In, o.Out)
	}
	m := newModel(ctx, o)
	defer m.cancel()
	m.terminal = newTerminal(o.Out, os.Getenv)
	m.terminal.begin()
	defer m.terminal.end()
	in := &backgroundReader{File: o.In, found: m.events}
	p := tea.NewProgram(m, tea.WithAltScreen(), tea.WithInput(in), tea.WithOutput(o.Out), tea.WithFPS(120), tea.WithoutSignalHandler())
	final, err := p.Run()
	m.cancel()
	m.gathering.Wait() // a private Postfix clears up
	if err != nil {
		return Result{Err: fmt.Errorf("drawing on the terminal: %w", err)}
	}
	out, ok := final.(*Model)
	if !ok {
		return Result{Err: errors.New("the wizard ended in an unknown state")}
	}
	return out.result
}

// open looks at the server.
func (o Options) open(ctx context.Context, done func(detect.Step, *detect.Facts)) (*session.Session, error) {
	return session.Open(ctx, o.Machine, o.Settings, done)
}

// rehearsal is how a plan is played before it is applied.
func (o Options) rehearsal(s *session.Session, events func(rehearse.Trial)) apply.Rehearse {
	if o.rehearse != nil {
		return o.rehearse(s, events)
	}
	return s.Rehearse(events)
}

// net is what takes a run back that is not kept, or nil.
func (o Options) net(s *session.Session) *apply.Net {
	if o.Within == 0 || o.FilesOnly || len(o.Revert) == 0 {
		return nil
	}
	return &apply.Net{Within: o.Within, Command: append(append([]string{}, o.Revert...), "--config-dir", s.ConfigDir, "--state-dir", s.StateDir)}
}

// applyOptions are the options of a run in this session.
func (o Options) applyOptions(s *session.Session, accept []string, events func(apply.Event)) apply.Options {
	out := s.ApplyOptions()
	out.FilesOnly, out.Accept, out.Events = o.FilesOnly, accept, events
	return out
}
