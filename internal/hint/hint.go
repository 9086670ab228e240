// Package hint joins to an error what the user can type next. Front ends show
// it on a line of its own; it is never part of the error's text.
package hint

import (
	"errors"
	"strings"
)

type hinted struct {
	error
	text string
}

func (h hinted) Unwrap() error { return h.error }

// Wrap adds a hint to err; a nil err stays nil, and no text adds nothing.
func Wrap(err error, text string) error {
	if err == nil || text == "" {
		return err
	}
	return hinted{err, text}
}

// New is an error with a hint.
func New(message, text string) error { return hinted{errors.New(message), text} }

// Of returns the outermost hint of err, or "".
func Of(err error) string {
	var h hinted
	if errors.As(err, &h) {
		return h.text
	}
	return ""
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
