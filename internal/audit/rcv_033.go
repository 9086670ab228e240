package audit

import (
	"errors"

	"postseal/internal/probe"
)

var rcv033 = Rule{
	ID: "PS-RCV-033", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "a listener could not be looked at",
	Why:    "It is judged by the configuration alone. If Postfix should be running, no mail comes in there.",
	Level:  May,
	Source: "what a connection found",
	Cure:   "postfix status; postfix start",
	Check: live(func(e *Evidence, l Live) string {
		var at *probe.Error
		if l.Seen == nil && errors.As(l.Err, &at) && (at.Stage == probe.Connecting || at.Stage == probe.Greeting || at.Stage == probe.EHLO) {
			return "does not answer: " + at.Err.Error()
		}
		return ""
	}),
}
