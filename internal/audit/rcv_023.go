package audit

import "postseal/internal/detect"

var rcv023 = Rule{
	ID: "PS-RCV-023", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "a listener has other TLS settings than main.cf says",
	Why:    "What is read in main.cf is not what counts there.",
	Level:  May,
	Source: "master(5), -o",
	Cure:   "look at the service in master.cf",
	Check: listeners(func(f *Evidence, l detect.Listener) string {
		for _, name := range []string{"smtpd_tls_security_level", "smtpd_tls_protocols", "smtpd_tls_exclude_ciphers", "smtpd_use_tls"} {
			if o, ok := l.Service.Override(name); ok && o.Value != f.Config.Text(nil, name) {
				return "overrides " + name + " with " + o.Value
			}
		}
		return ""
	}, detect.Relay),
}
