package audit

import (
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var snd007 = Rule{
	ID: "PS-SND-007", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "the CA file for sending is not there",
	Why:    "TLS is off: at level may all mail leaves in clear text, and only an information line in the log says so.",
	Level:  Must,
	Source: "seen: cannot load Certification Authority data",
	Cure:   answer("ca-file", "/etc/ssl/certs/ca-certificates.crt"),
	Check:  problems(postfix.Sending, func(_ *Evidence, p detect.Problem) bool { return strings.HasSuffix(p.Parameter, "_CAfile") }, detect.TLSOff),
}
