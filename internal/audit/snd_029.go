package audit

import (
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var snd029 = Rule{
	ID: "PS-SND-029", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "a setting spoils TLS for sending",
	Why:    "Mail is held back, or leaves in clear text: no handshake comes about.",
	Level:  Must,
	Source: "seen: aborting TLS session",
	Cure:   outside("correct the value"),
	Check: problems(postfix.Sending, func(e *Evidence, p detect.Problem) bool {
		return counts(e, p) && !strings.HasSuffix(p.Parameter, "_CAfile")
	}, detect.TLSOff),
}
