package audit

import "postseal/internal/detect"

var snd002 = Rule{
	ID: "PS-SND-002", Part: Sending, Severity: High, Since: "1.0",
	Title:  "every server must have TLS",
	Why:    "Mail to servers without TLS is held back, and returned after days.",
	Level:  Should,
	Source: "TLS_README: not for the Internet at large",
	Cure:   "--outbound-level may",
	Check: transports(func(f *Evidence, t detect.Transport) string {
		if t.Level == "encrypt" && f.Config.Text(&t.Service, "relayhost") == "" {
			return "demands TLS of every server"
		}
		return ""
	}, detect.Default),
}
