package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/report"
	"postseal/wizard"
)

// runWizard is postseal without a verb.
func (a *app) runWizard() error {
	if !a.OnTerminal() && !a.plain {
		return cli.Misuse(hint.New("the wizard needs a terminal", "use a verb instead, such as postseal audit or postseal apply; or pass --plain, which asks line by line, also on a pipe"))
	}
	return a.wizard(false, true)
}

// wizard runs the wizard, and leaves on the screen what is worth keeping. Where
// the server itself does not last, there is nothing to undo or to type again.
func (a *app) wizard(filesOnly, lasts bool) error {
	if a.JSON {
		return cli.Misuse(errors.New("the wizard has no --json"))
	}
	if err := checkWithin(a.within); err != nil {
		return err
	}
	p, screen := a.Printer(a.Out), a.Out
	if f, ok := cli.File(a.Out); ok {
		screen = f // Bubble Tea asks whether it is a terminal
	}
	saveIn := ""
	if !lasts {
		saveIn = filepath.Dir(a.settings.ConfigDir) // it goes with the rest
	}
	r := wizard.Run(a.Ctx, wizard.Options{
		In: a.In, Out: screen, Machine: a.Machine, Settings: a.settings, FilesOnly: filesOnly,
		NoColor: !p.Color, ASCII: a.ASCII, Plain: a.plain, Width: p.Width, Within: a.within, SaveIn: saveIn, Revert: a.revertCommand(),
	})
	switch {
	case errors.Is(r.Err, wizard.ErrQuit):
		text := r.Err.Error()
		fmt.Fprintln(a.Out, strings.ToUpper(text[:1])+text[1:]+".")
		return nil
	case errors.Is(r.Err, context.Canceled) && r.Receipt == nil:
		return r.Err
	}
	if r.Receipt != nil && !lasts {
		r.Undo, r.Command, r.Receipt.ConfirmBy = nil, nil, time.Time{}
	}
	if r.Receipt != nil {
		if !r.Receipt.ConfirmBy.IsZero() {
			r.Receipt.Stands = a.stands(r.Receipt)
		}
		p.Receipt(r.Receipt, hint.ShellLine(r.Undo))
	}
	if r.Err == nil && r.Receipt != nil && r.Receipt.Phase == apply.Kept && len(r.Command) > 0 {
		fmt.Fprintf(a.Out, "To do the same without questions:\n  %s\n", report.Clean(hint.ShellLine(r.Command)))
	}
	return r.Err
}
