package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

var rcv044 = Rule{
	ID: "PS-RCV-044", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "a listener has TLS settings of its own",
	Why:    "Whoever changes main.cf does not change them.",
	Level:  May,
	Source: "master(5), -o",
	Cure:   outside("look at the service in master.cf"),
	Check: listeners(byService, func(e *Evidence, l posture.Listener) string {
		var names []string
		for _, o := range overrides(e, l.Service) {
			if usual := l.At.Kind != detect.Relay && (o == "smtpd_tls_security_level" || o == "smtpd_tls_wrappermode" || o == "smtpd_tls_auth_only"); !usual && !loosens(e, l, o) {
				names = append(names, o)
			}
		}
		if len(names) == 0 {
			return ""
		}
		return "sets " + few(names)
	}, detect.Relay, detect.Submission, detect.Submissions),
}
