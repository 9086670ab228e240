// Package hint joins to an error what the user can type next. Front ends show
// it on a line of its own; it is never part of the error's text.
package hint

import (
	"errors"
	"strings"
)

type hinted struct {
	error
	text     string
	commands []string
}

func (h *hinted) Unwrap() error { return h.error }

// Wrap adds a hint to err; a nil err stays nil, and no text, or the hint that err has
// already, adds nothing.
func Wrap(err error, text string) error {
	if err == nil || text == "" || text == Of(err) {
		return err
	}
	return &hinted{error: err, text: text}
}

// Run adds a hint that ends with commands to run, given as words. Front ends print each
// on a line that is not broken: pasted in two parts, a name of another account could be a
// command.
func Run(err error, text string, commands ...[]string) error {
	h := &hinted{error: err, text: text}
	for _, words := range commands {
		h.commands = append(h.commands, ShellLine(words))
	}
	return h
}

// New is an error with a hint.
func New(message, text string) error { return &hinted{error: errors.New(message), text: text} }

// Of returns the outermost hint of err, with its commands, or "".
func Of(err error) string {
	text, commands := Parts(err)
	if len(commands) == 0 {
		return text
	}
	return text + ": " + strings.Join(commands, "; ")
}

// Parts returns the outermost hint of err as its text and its commands, as ShellLine
// writes them.
func Parts(err error) (text string, commands []string) {
	var h *hinted
	if errors.As(err, &h) {
		return h.text, h.commands
	}
	return "", nil
}

// All splits what errors.Join put together, so that each part can be shown
// with its own hint. An error that only wraps several stays whole.
func All(err error) []error {
	if err == nil {
		return nil
	}
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	var texts []string
	for _, e := range several.Unwrap() {
		out = append(out, All(e)...)
		texts = append(texts, e.Error())
	}
	// fmt.Errorf with more than one %w has a text of its own.
	if err.Error() != strings.Join(texts, "\n") {
		return []error{err}
	}
	return out
}
