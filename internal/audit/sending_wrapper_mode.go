package audit

import "postseal/internal/detect"

// sendingWrapperModeRules are the rules about implicit TLS for sending.
var sendingWrapperModeRules = []Rule{
	wrapperLevel, noWrapper, needlessWrapper,
}

var wrapperLevel = Rule{
	ID: "PS-SND-016", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "Implicit TLS is set without the level that it needs",
	Why:    "All mail is deferred: wrapper mode requires level encrypt or stronger.",
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

var noWrapper = Rule{
	ID: "PS-SND-035", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "Port 465 is used without implicit TLS",
	Why:    "All mail to that server is deferred: it waits for a TLS handshake, and Postfix waits for its greeting.",
	Level:  Must,
	Source: "RFC 8314 section 3.3; postconf(5), smtp_tls_wrappermode; seen: all deferred",
	Cure:   override("smtp_tls_wrappermode", "yes").adding(" and TLS level encrypt there; or send to port 587"),
	Check: hops("without smtp_tls_wrappermode", func(t detect.Transport, h detect.Hop) bool {
		return h.Port == "465" && !t.Wrapper
	}),
}

var needlessWrapper = Rule{
	ID: "PS-SND-036", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "Implicit TLS is used on a STARTTLS port",
	Why:    "All mail to that server is deferred: it sends its greeting in cleartext where Postfix expects a TLS handshake.",
	Level:  Must,
	Source: "RFC 8314 section 3.3; postconf(5), smtp_tls_wrappermode; seen: all deferred",
	Cure:   override("smtp_tls_wrappermode", "no").adding(", or send to port 465"),
	Check: hops("with smtp_tls_wrappermode", func(t detect.Transport, h detect.Hop) bool {
		return (h.Port == "25" || h.Port == "587") && t.Wrapper
	}),
}
