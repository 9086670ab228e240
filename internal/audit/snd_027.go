package audit

import "postseal/internal/detect"

var snd027 = Rule{
	ID: "PS-SND-027", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "some mail is sent without TLS",
	Why:    "A transport beside the usual one has no TLS: what a table sends through it leaves in clear text.",
	Level:  Should,
	Source: "RFC 3207; master(5), -o",
	Cure:   "look at the service in master.cf",
	Check: transports(func(_ *Evidence, t detect.Transport) string {
		if t.Level == "none" {
			return "has TLS level none"
		}
		return ""
	}, detect.Some),
}
