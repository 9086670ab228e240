package audit

import (
	"slices"

	"postseal/internal/detect"
)

var snd016 = Rule{
	ID: "PS-SND-016", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "TLS from the first byte is set without a level for it",
	Why:    "All mail is held back: the wrapper mode needs encrypt or more.",
	Level:  Must,
	Source: "postconf(5), smtp_tls_wrappermode",
	Cure:   "set smtp_tls_security_level = encrypt for that service",
	Check: transports(func(f *Evidence, t detect.Transport) string {
		if f.Config.Bool(&t.Service, "smtp_tls_wrappermode") && slices.Contains([]string{"none", "may", "dane"}, t.Level) {
			return "has smtp_tls_wrappermode, and TLS level " + t.Level
		}
		return ""
	}, detect.Default, detect.Some),
}
