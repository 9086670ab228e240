package audit

import "postseal/internal/detect"

var rcv044 = Rule{
	ID: "PS-RCV-044", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "a listener has TLS settings of its own",
	Why:    "Whoever changes main.cf does not change them.",
	Level:  May,
	Source: "master(5), -o",
	Cure:   "look at the service in master.cf",
	Check: listeners(func(e *Evidence, l detect.Listener) string {
		var names []string
		for _, o := range overrides(e, l) {
			if usual := l.Kind != detect.Relay && (o == "smtpd_tls_security_level" || o == "smtpd_tls_wrappermode" || o == "smtpd_tls_auth_only"); !usual && !loosens(e, l, o) {
				names = append(names, o)
			}
		}
		if len(names) == 0 {
			return ""
		}
		return "sets " + few(names)
	}, detect.Relay, detect.Submission, detect.Submissions),
}
