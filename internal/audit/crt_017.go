package audit

import "postseal/certs"

var crt017 = Rule{
	ID: "PS-CRT-017", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "a certificate is signed with SHA-1 or older",
	Why:    "Such signatures can be forged, and those who check refuse them.",
	Level:  Must,
	Source: "RFC 9155; NCSC-NL 2025-05: insufficient",
	Cure:   order("postseal cert obtain"),
	Check:  inspected("strength", certs.Bad, "is signed with"),
}
