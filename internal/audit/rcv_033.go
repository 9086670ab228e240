package audit

import (
	"errors"

	"postseal/internal/probe"
)

var rcv033 = Rule{
	ID: "PS-RCV-033", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "a listener could not be looked at",
	Why:    "It is judged by the configuration alone. If Postfix should run, no mail comes in there.",
	Level:  May,
	Source: "what a connection found",
	Cure:   "postfix status, and postfix start if it should run",
	Check: live(func(e *Evidence, l Live) string {
		var at *probe.Error
		switch {
		case l.Seen != nil || !errors.As(l.Err, &at) || at.Stage == probe.STARTTLS || at.Stage == probe.Handshaking || mute(l) || closed(l) && e.running():
			return "" // other rules have it
		}
		return "could not be asked: " + at.Err.Error()
	}),
}
