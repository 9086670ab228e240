package audit

import "postseal/internal/detect"

var snd016 = Rule{
	ID: "PS-SND-016", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "TLS from the first byte is set without a level for it",
	Why:    "All mail is held back: the wrapper mode needs encrypt or more.",
	Level:  Must,
	Source: "postconf(5), smtp_tls_wrappermode; seen: all deferred",
	Cure:   override("smtp_tls_security_level", "encrypt"),
	Check: transports(func(e *Evidence, t detect.Transport) string {
		if !t.Wrapper {
			return ""
		}
		if len(t.Hops) == 0 && e.WrapperNeedsMore(t, t.Level) {
			return "has smtp_tls_wrappermode, and TLS level " + t.Level
		}
		var low []string
		for _, h := range t.Hops {
			if e.WrapperNeedsMore(t, h.Level) {
				low = append(low, "TLS level "+h.Level+" for "+named(h))
			}
		}
		if len(low) == 0 {
			return ""
		}
		return "has smtp_tls_wrappermode, and " + few(low)
	}, detect.Default, detect.Some, detect.Inside),
}
