package audit

import (
	"postseal/internal/detect"
)

var crt009 = Rule{
	ID: "PS-CRT-009", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "the key is too short",
	Why:    "It can be broken with some effort.",
	Level:  Must,
	Source: "RFC 9325 section 4.5: at least 2048 bits",
	Cure:   order("postseal cert obtain --key-type P256,RSA3072"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		return shortKeys(e, c, 0, 2048)
	}),
}
