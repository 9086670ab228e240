package audit

import (
	"errors"

	"postseal/internal/probe"
)

var rcv025 = Rule{
	ID: "PS-RCV-025", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "STARTTLS is set, and not offered",
	Why:    "Mail comes in clear text, whatever main.cf says.",
	Level:  Must,
	Source: "RFC 3207 section 4",
	Cure:   outside("postseal rehearse --current says what is behind it"),
	Check: live(func(e *Evidence, l Live) string {
		if l.Listener.Level != "none" && errors.Is(l.Err, probe.ErrNotOffered) {
			return "does not list STARTTLS"
		}
		return ""
	}),
}
