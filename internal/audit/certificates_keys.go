package audit

import (
	"postseal/certs"
	"postseal/internal/detect"
)

// certificatesKeysRules are the rules about keys and signatures.
var certificatesKeysRules = []Rule{
	shortKey, mediumKey, sha1Certificate,
}

var shortKey = Rule{
	ID: "PS-CRT-009", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "The key is too short",
	Why:    "An attacker can break it with some effort.",
	Level:  Must,
	Source: "RFC 9325 section 4.5: at least 2048 bits",
	Cure:   order("postseal cert obtain --key-type P256,RSA3072"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		return shortKeys(e, c, 0, 2048)
	}),
}

var mediumKey = Rule{
	ID: "PS-CRT-010", Part: Certificates, Severity: Note, Since: "1.0",
	Title:  "The RSA key has fewer than 3072 bits",
	Why:    "It suffices for years; some authorities already ask for more.",
	Level:  Should,
	Source: "NCSC-NL 2025-05: phase out; BSI TR-02102-2: 3000 bits or more",
	Cure:   order("postseal cert obtain --key-type P256,RSA3072"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		return shortKeys(e, c, 2048, 3072)
	}),
}

var sha1Certificate = Rule{
	ID: "PS-CRT-017", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "A certificate is signed with SHA-1 or older",
	Why:    "Such signatures can be forged, and verifying peers refuse them.",
	Level:  Must,
	Source: "RFC 9155; NCSC-NL 2025-05: insufficient",
	Cure:   order("postseal cert obtain"),
	Check:  inspected("signature", certs.Bad),
}
