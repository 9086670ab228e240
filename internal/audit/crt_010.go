package audit

import (
	"fmt"

	"postseal/internal/detect"
)

var crt010 = Rule{
	ID: "PS-CRT-010", Part: Certificates, Severity: Note, Since: "1.0",
	Title:  "the RSA key has less than 3072 bits",
	Why:    "Enough for years; one authority asks for more from now on.",
	Level:  Should,
	Source: "NCSC-NL 2025-05: phase out",
	Cure:   "postseal cert obtain --key-type P256,RSA3072",
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if c.Algorithm == "RSA" && c.Bits >= 2048 && c.Bits < 3072 {
			return fmt.Sprintf("has an RSA key of %d bits", c.Bits)
		}
		return ""
	}),
}
