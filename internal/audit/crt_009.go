package audit

import (
	"fmt"

	"postseal/internal/detect"
)

var crt009 = Rule{
	ID: "PS-CRT-009", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "the key is too short",
	Why:    "It can be broken with some effort.",
	Level:  Must,
	Source: "RFC 9325 section 4.5: at least 2048 bits",
	Cure:   "postseal cert obtain --key-type P256,RSA3072",
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if c.Algorithm == "RSA" && c.Bits < 2048 {
			return fmt.Sprintf("has an RSA key of %d bits", c.Bits)
		}
		return ""
	}),
}
