package audit

import "postseal/internal/detect"

var rcv013 = Rule{
	ID: "PS-RCV-013", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "other servers are asked for a certificate",
	Why:    "A few senders fail when they are asked, and hardly one has a certificate to show.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_ask_ccert: SHOULD NOT without need",
	Cure:   "take smtpd_tls_ask_ccert out of main.cf",
	Check: listeners(func(f *Evidence, l detect.Listener) string {
		if tls(l) && f.Config.Bool(&l.Service, "smtpd_tls_ask_ccert") {
			return "asks for a client certificate"
		}
		return ""
	}, detect.Relay),
}
