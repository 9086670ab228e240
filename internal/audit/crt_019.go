package audit

import "postseal/internal/detect"

var crt019 = Rule{
	ID: "PS-CRT-019", Part: Certificates, Severity: Low, Since: "1.0",
	Title:  "nobody here knows the issuer of the chain",
	Why:    "If it is the root of your own CA, all is well for those who have it. Else an issuer is missing, and who checks the chain does not trust it.",
	Level:  Should,
	Source: "RFC 8446 section 4.4.2, now RFC 9846",
	Cure:   outside("put all issuers below the root into the file"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		if c.Err == nil && c.Algorithm != "" && !c.Complete && !c.SelfSigned && !fetchable(e, c) && !sentLonger(e, c) {
			return "ends with a certificate of an unknown CA"
		}
		return ""
	}),
}
