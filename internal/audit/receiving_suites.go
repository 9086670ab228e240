package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/probe"
)

// receivingSuitesRules are the rules about the cipher suites that listeners accept.
var receivingSuitesRules = []Rule{
	anonymousSuites, staticRSA, sha1Suites, finiteFields, certificateSuitesExcluded, weakGrade,
	ownCipherList, serverPreference, brokenSuites, noForwardSecrecy,
}

var anonymousSuites = Rule{
	ID: "PS-RCV-005", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Anonymous cipher suites are offered",
	Why:    "They are harmless between mail servers that do not verify certificates anyway, but external tests fail the server for them.",
	Level:  Should,
	Source: "NCSC-NL 2025-05: insufficient; Postfix TLS_README: harmless",
	Cure:   answer("profile", "intermediate"),
	Check:  offers(func(s probe.Suite) bool { return s.Anonymous() }, "aNULL"),
}

var staticRSA = Rule{
	ID: "PS-RCV-006", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Static RSA key exchange is offered",
	Why:    "Anyone who obtains the private key later can decrypt traffic that was recorded earlier.",
	Level:  Must,
	Source: "RFC 10015: MUST NOT be used; RFC 9325 section 4.1: SHOULD NOT; NCSC-NL: insufficient",
	Cure:   answer("profile", "intermediate"),
	Check:  offers(func(s probe.Suite) bool { return strings.HasPrefix(s.Name, "TLS_RSA_") }, "kRSA"),
}

var sha1Suites = Rule{
	ID: "PS-RCV-007", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Cipher suites with SHA-1 are offered",
	Why:    "Only senders from before 2010 choose them, but external tests fail the server for them.",
	Level:  Should,
	Source: "NCSC-NL 2025-05: insufficient",
	Cure:   answer("profile", "intermediate"),
	Check:  offers(func(s probe.Suite) bool { return strings.HasSuffix(s.Name, "_SHA") }, "SHA1"),
}

var finiteFields = Rule{
	ID: "PS-RCV-008", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "Finite-field Diffie-Hellman is offered",
	Why:    "It is slow, and its groups are often too small; senders have better key exchanges.",
	Level:  Must,
	Source: "RFC 10015: MUST NOT be used; NCSC-NL 2025-05: phase out",
	Cure:   answer("profile", "intermediate"),
	Check: offers(func(s probe.Suite) bool {
		return strings.HasPrefix(s.Name, "TLS_DHE_") || strings.HasPrefix(s.Name, "TLS_DH_anon_")
	}, "kDHE"),
}

var certificateSuitesExcluded = Rule{
	ID: "PS-RCV-012", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "The cipher suites for the certificate are excluded",
	Why:    "Only TLS 1.3 is left, whose suites work with every certificate: senders with TLS 1.2 fall back to cleartext or fail.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_exclude_ciphers",
	Cure:   answer("profile", "intermediate"),
	Check: listeners(byExclusions, func(e *Evidence, l posture.Listener) string {
		seen := e.seen(l)
		if l.TLS.Is == posture.Never || !slices.Contains(l.Permitted, postfix.TLSv12) || len(l.Serves) == 0 || seen != nil && takes(*seen, "TLS 1.2") {
			return ""
		}
		if left, known := l.Suites.Left(slices.Collect(maps.Keys(l.Serves))...); known && !slices.ContainsFunc(left, func(s probe.Suite) bool { return !s.Anonymous() }) {
			return "excludes the cipher suites of every certificate that it presents"
		}
		return ""
	}, detect.Relay, detect.Submission, detect.Submissions),
}

var weakGrade = Rule{
	ID: "PS-RCV-016", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "A weak cipher grade is set",
	Why:    "Cipher suites that can be broken may be chosen.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_ciphers: medium or stronger; 3.8 and later treat low and export as medium",
	Cure:   drop("smtpd_tls_ciphers", "smtpd_tls_mandatory_ciphers"),
	Check: listeners(byGrade, func(_ *Evidence, l posture.Listener) string {
		if slices.Contains([]string{"low", "export", "null"}, l.Suites.Grade) && l.Works() {
			return "uses the grade " + l.Suites.Grade
		}
		return ""
	}, detect.Relay, detect.Submission, detect.Submissions),
}

var ownCipherList = Rule{
	ID: "PS-RCV-017", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "A cipher list is written by hand",
	Why:    "It applies to sending too, and becomes outdated: Postfix and OpenSSL maintain theirs.",
	Level:  Should,
	Source: "postconf(5), tls_medium_cipherlist: you are strongly encouraged not to change it",
	Cure:   drop("tls_medium_cipherlist", "tls_high_cipherlist"),
	Check: when(always, func(e *Evidence) []Hit {
		var out []Hit
		for _, name := range []string{"tls_high_cipherlist", "tls_medium_cipherlist", "tls_low_cipherlist", "tls_export_cipherlist", "tls_null_cipherlist"} {
			if v := e.Config.Value(nil, name); v.Set {
				out = append(out, Hit{Detail: name + " is set", At: v.Origin})
			}
		}
		return out
	}),
}

var serverPreference = Rule{
	ID: "PS-RCV-020", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "The server chooses the cipher suite",
	Why:    "With modern suites the client knows best which is fast for it.",
	Level:  May,
	Source: "Postfix TLS_README: risky; Mozilla intermediate: off",
	Cure:   drop("tls_preempt_cipherlist"),
	Check: parameter("tls_preempt_cipherlist", func(e *Evidence, v postfix.Value) string {
		if strings.EqualFold(v.Text, "yes") {
			return "is yes"
		}
		return ""
	}),
}

var brokenSuites = Rule{
	ID: "PS-RCV-027", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "Broken cipher suites are accepted",
	Why:    "NULL, EXPORT, RC4, DES and 3DES can be decrypted. For a sender that supports nothing else they are better than cleartext; every other sender is at risk.",
	Level:  Must,
	Source: "RFC 9325 section 4.1; RFC 7465",
	Cure:   answer("profile", "intermediate"),
	Check: live(func(e *Evidence, l Live) string {
		var names []string
		for _, s := range l.suites {
			if broken(s.Suite) && !slices.Contains(names, s.OpenSSL) {
				names = append(names, s.OpenSSL)
			}
		}
		if len(names) == 0 {
			return ""
		}
		return fmt.Sprintf("accepts %s", few(names))
	}),
}

var noForwardSecrecy = Rule{
	ID: "PS-RCV-031", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "No key exchange with forward secrecy is offered",
	Why:    "Anyone who obtains the key later can decrypt all mail that was recorded before.",
	Level:  Must,
	Source: "RFC 9325 section 4.1",
	Cure:   outside("remove tls_eecdh_auto_curves and the cipher lists from main.cf"),
	Check: live(func(e *Evidence, l Live) string {
		if !l.whole() || len(l.Seen.Versions) == 0 {
			return ""
		}
		for version, s := range l.suites {
			if version == "TLS 1.3" || strings.Contains(s.Name, "DHE_") || s.Anonymous() {
				return ""
			}
		}
		return "offers only static RSA key exchange"
	}),
}
