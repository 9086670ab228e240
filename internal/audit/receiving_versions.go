package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
)

// receivingVersionsRules are the rules about the TLS versions that listeners accept.
var receivingVersionsRules = []Rule{
	oldInboundVersions, onlyTLS13, ssl3, inboundFamilies, inboundGap, noInboundVersion,
}

var oldInboundVersions = Rule{
	ID: "PS-RCV-003", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "TLS 1.0 or 1.1 is accepted",
	Why:    "Both versions are deprecated and can be attacked. Senders with newer versions use those, but external tests fail the server for it.",
	Level:  Should,
	Source: "RFC 8996: MUST NOT be negotiated; RFC 9325 section 5.2 exempts opportunistic use",
	Cure:   answer("min-protocol", "TLSv1.2"),
	Check:  listeners(byVersions, ancient, detect.Relay),
}

var onlyTLS13 = Rule{
	ID: "PS-RCV-004", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "Only TLS 1.3 is accepted from sending servers",
	Why:    "Senders that support nothing newer than TLS 1.2 fall back to cleartext or fail.",
	Level:  Must,
	Source: "RFC 9325 section 3.1.1: TLS 1.2 MUST be supported",
	Cure:   answer("min-protocol", "TLSv1.2").leaving("smtpd_tls_protocols", "smtpd_tls_mandatory_protocols"),
	Check: listeners(byVersions, func(e *Evidence, l posture.Listener) string {
		switch seen := e.seen(l); {
		case seen == nil:
		case takes(*seen, "TLS 1.2"):
			return ""
		case seen.whole() && takes(*seen, "TLS 1.3") && len(seen.Seen.Versions) == 1:
			return "accepts TLS 1.3 alone"
		case seen.whole():
			return ""
		}
		if l.Works() && len(l.Permitted) == 1 && l.Floor() == postfix.TLSv13 {
			return "refuses TLS 1.2"
		}
		return ""
	}, detect.Relay),
}

var ssl3 = Rule{
	ID: "PS-RCV-032", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "SSL 3.0 is accepted",
	Why:    "An attacker can decrypt the traffic byte by byte (POODLE), and every sender has supported TLS for twenty years.",
	Level:  Must,
	Source: "RFC 7568",
	Cure:   answer("min-protocol", "TLSv1.2"),
	Check: live(func(e *Evidence, l Live) string {
		if takes(l, "SSL 3.0") {
			return "accepts SSL 3.0"
		}
		return ""
	}),
}

var inboundFamilies = Rule{
	ID: "PS-RCV-034", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Settings for optional and for mandatory TLS are mixed up",
	Why:    "The settings named *_mandatory_* apply where TLS is required, the others where it is optional: what is set here has no effect.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_protocols and smtpd_tls_mandatory_protocols",
	Cure:   answer("min-protocol", "TLSv1.2", ", which sets both"),
	Check: when(receives, func(e *Evidence) (out []Hit) {
		byService := map[string][]string{}
		for _, l := range e.receivers() {
			level := l.TLS.Is.String()
			byService[l.Service.ID()] = []string{level}
			for _, o := range l.Service.Options {
				if family, ok := wrongFamily(o.Name, "smtpd", level); ok {
					if _, both := l.Service.Override(family); !both {
						out = append(out, Hit{Detail: l.Service.ID() + " sets " + o.Name + " at TLS level " + level + ": " + family + " applies", At: postfix.Origin{File: e.Config.MasterPath(), Line: o.Line, Service: l.Service.ID()}})
					}
				}
			}
		}
		return append(out, families(e, "smtpd", byService)...)
	}),
}

var inboundGap = Rule{
	ID: "PS-RCV-035", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "The accepted TLS versions have a gap",
	Why:    "Senders whose newest version is the one that is left out use an older one. Others use the newest that both sides support.",
	Level:  Should,
	Source: "RFC 9325 section 3.1.1; seen on Postfix 3.7 with OpenSSL 3.0: clients of today get TLS 1.3",
	Cure:   answer("min-protocol", "TLSv1.2"),
	Check: when(receives, func(e *Evidence) []Hit {
		return holes(e, "smtpd_tls_protocols", "smtpd_tls_mandatory_protocols")
	}),
}

var noInboundVersion = Rule{
	ID: "PS-RCV-070", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "No cipher suite is left for any accepted TLS version",
	Why:    "STARTTLS is offered and every handshake fails: where TLS is required no mail arrives, elsewhere senders fall back to cleartext or fail.",
	Level:  Must,
	Source: "postconf(5), smtpd_tls_protocols and smtpd_tls_exclude_ciphers; seen on Postfix 3.7: no shared cipher",
	Cure:   answer("profile", "intermediate"),
	Check: listeners(byVersions, func(e *Evidence, l posture.Listener) string {
		seen := e.seen(l)
		if len(l.Permitted) == 0 || len(l.Versions.Is) > 0 || len(l.Serves) == 0 || seen != nil {
			return ""
		}
		return "permits " + versions(l.Permitted) + ", and none of the remaining cipher suites works with it"
	}, detect.Relay, detect.Submission, detect.Submissions),
}
