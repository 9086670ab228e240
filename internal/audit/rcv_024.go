package audit

import (
	"errors"

	"postseal/internal/probe"
)

var rcv024 = Rule{
	ID: "PS-RCV-024", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "STARTTLS is offered, and no handshake comes about",
	Why:    "Senders that try TLS are turned away: some deliver in clear text, others never.",
	Level:  Must,
	Source: "RFC 3207 section 4",
	Cure:   outside("postseal rehearse --current says what is behind it"),
	Check: live(func(e *Evidence, l Live) string {
		var at *probe.Error
		switch {
		case errors.As(l.Err, &at) && (at.Stage == probe.Handshaking || at.Stage == probe.STARTTLS && !errors.Is(l.Err, probe.ErrNotOffered)):
			return "fails: " + at.Err.Error()
		case l.whole() && len(l.Seen.Versions) == 0:
			return "agrees on no version and suite"
		case l.Seen != nil && len(l.Seen.Versions) == 0 && l.Seen.Refused != "": // seen, whatever else could not be asked
			return "fails: " + l.Seen.Refused
		}
		return ""
	}),
}
