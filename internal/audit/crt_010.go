package audit

import (
	"postseal/internal/detect"
)

var crt010 = Rule{
	ID: "PS-CRT-010", Part: Certificates, Severity: Note, Since: "1.0",
	Title:  "the RSA key has less than 3072 bits",
	Why:    "Enough for years; some authorities already ask for more.",
	Level:  Should,
	Source: "NCSC-NL 2025-05: phase out; BSI TR-02102-2: 3000 bits or more",
	Cure:   order("postseal cert obtain --key-type P256,RSA3072"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		return shortKeys(e, c, 2048, 3072)
	}),
}
