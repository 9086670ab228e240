package audit

import (
	"postseal/internal/detect"
	"postseal/internal/posture"
)

// submissionRules are the rules about the ports for users.
var submissionRules = []Rule{
	submissionInClear, passwordsInClear, noImplicitTLS, oldSubmissionVersions, authOnPort25,
	submissionOptional,
}

var submissionInClear = Rule{
	ID: "PS-SUB-001", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "Users may send without TLS",
	Why:    "Their passwords and their mail pass in cleartext.",
	Level:  Must,
	Source: "RFC 8314 section 3: TLS MUST be used by users",
	Cure:   answer("submission", "encrypt"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		if l.TLS.Is != posture.Mandatory && !passwordsInTLS(l) && e.InFront() == "" { // those are PS-SUB-031's
			return "does not require TLS" + e.proxyNote(l)
		}
		return ""
	}, detect.Submission, detect.Submissions),
}

var passwordsInClear = Rule{
	ID: "PS-SUB-002", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "Passwords are accepted in cleartext",
	Why:    "An attacker on the network path can read them and send mail as that user.",
	Level:  Must,
	Source: "RFC 4954 section 4; postconf(5), smtpd_tls_auth_only",
	Cure:   answer("auth-tls-only", "yes"),
	Check: listeners(byLogin, func(e *Evidence, l posture.Listener) string {
		if l.Login.Is == posture.LoginInClear && e.InFront() == "" {
			return "offers AUTH without TLS" + e.proxyNote(l)
		}
		return ""
	}, detect.Relay, detect.Submission, detect.Submissions),
}

var noImplicitTLS = Rule{
	ID: "PS-SUB-003", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "No port offers implicit TLS",
	Why:    "Mail programs prefer it, since an attacker cannot strip it.",
	Level:  Should,
	Source: "RFC 8314 section 3.3: implicit TLS SHOULD be offered on port 465",
	Cure:   answer("submission", "encrypt-and-465"),
	Check: when(func(e *Evidence) bool { return len(e.Receives(detect.Submission)) > 0 }, func(e *Evidence) []Hit {
		if len(e.Receives(detect.Submissions)) == 0 && e.InFront() == "" {
			only := e.Receives(detect.Submission)[0]
			text := "the only port for users is " + only.Service.ID()
			if only.Proxy {
				text += "; the proxy in front may offer another, which cannot be seen from here"
			}
			return []Hit{{Detail: text}}
		}
		return nil
	}),
}

var oldSubmissionVersions = Rule{
	ID: "PS-SUB-004", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "TLS 1.0 or 1.1 is accepted from users",
	Why:    "Both versions are deprecated and can be attacked, and no current mail program needs them.",
	Level:  Must,
	Source: "RFC 8997: TLS 1.2 MUST be the least for users",
	Cure:   answer("submission-min-protocol", "TLSv1.2"),
	Check:  listeners(byVersions, ancient, detect.Submission, detect.Submissions),
}

var authOnPort25 = Rule{
	ID: "PS-SUB-005", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Passwords are accepted on port 25",
	Why:    "Password guessers try port 25; users have ports of their own.",
	Level:  Should,
	Source: "RFC 8314 section 3.3",
	Cure:   outside("set smtpd_sasl_auth_enable = yes only for the submission services, in master.cf"),
	Check: listeners(byLogin, func(e *Evidence, l posture.Listener) string {
		if l.Login.Is != posture.NoLogin && len(e.Receives(detect.Submission, detect.Submissions)) > 0 {
			return "offers AUTH"
		}
		return ""
	}, detect.Relay),
}

var submissionOptional = Rule{
	ID: "PS-SUB-031", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "TLS is not required for submission",
	Why:    "Passwords pass inside TLS only (smtpd_tls_auth_only). Mail of clients that send without one, such as those in mynetworks, can pass in cleartext.",
	Level:  Should,
	Source: "RFC 8314 section 4",
	Cure:   answer("submission", "encrypt"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		if passwordsInTLS(l) {
			return "offers TLS and does not require it" + e.proxyNote(l)
		}
		return ""
	}, detect.Submission, detect.Submissions),
}

// passwordsInTLS reports whether users log in at a listener that does not require TLS, and
// can do so inside TLS only.
func passwordsInTLS(l posture.Listener) bool {
	return l.TLS.Is == posture.Offered && l.Login.Is == posture.LoginInTLS
}
