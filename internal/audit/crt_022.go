package audit

import (
	"slices"

	"postseal/internal/detect"
)

var crt022 = Rule{
	ID: "PS-CRT-022", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "other accounts can change a certificate or key in use",
	Why:    "Such an account chooses the key that this server shows, or the CAs that it trusts when it sends; a file that does not load ends TLS.",
	Level:  Must,
	Source: "postconf(5), smtpd_tls_key_file: read-only access for root, and no access for anyone else",
	Cure:   outside("run the command given for each place, as root; where a program renews its own files, have the program install a copy that root owns"),
	Check:  access(slices.Concat(theirs, []detect.WeaknessKind{detect.GroupWrites}), detect.HoldsKey, detect.HoldsCertificates),
}
