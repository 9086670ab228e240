package audit

import (
	"cmp"
	"errors"

	"postseal/internal/probe"
)

var rcv033 = Rule{
	ID: "PS-RCV-033", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "a listener could not be looked at, or not as a whole",
	Why:    "What was not seen is judged by the configuration alone. If nobody can connect and Postfix should run, no mail comes in there.",
	Level:  May,
	Source: "what a connection found",
	Cure:   outside("postfix status, and postfix start if it should run; else look again when the server is less busy"),
	Check: live(func(e *Evidence, l Live) string {
		var at *probe.Error
		switch known := errors.As(l.Err, &at); {
		case l.whole():
			return ""
		case l.Seen != nil:
			return "could not be asked for all: " + cmp.Or(l.Seen.Problem, "it took too long")
		case known && (at.Stage == probe.STARTTLS || at.Stage == probe.Handshaking || mute(l) || closed(l) && e.running()):
			return "" // other rules have it
		case known:
			return "could not be asked: " + at.Err.Error()
		case l.Err != nil: // others of this server took all the time
			return "could not be asked: " + l.Err.Error()
		}
		return ""
	}),
}
