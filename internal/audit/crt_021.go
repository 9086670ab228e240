package audit

import "postseal/internal/detect"

var crt021 = Rule{
	ID: "PS-CRT-021", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "every user of this machine can read a private key",
	Why:    "A copy of the key is enough to pose as this server, and to read recorded mail that was sent without forward secrecy.",
	Level:  Must,
	Source: "postconf(5), smtpd_tls_key_file: read-only access for root, and no access for anyone else",
	Cure:   outside("run the command given for each key, as root; then make a new key, since the old one may have been copied"),
	Check:  access([]detect.WeaknessKind{detect.EveryoneReads}, detect.HoldsKey),
}
