package audit

import "postseal/internal/detect"

var crt023 = Rule{
	ID: "PS-CRT-023", Part: Certificates, Severity: Note, Since: "1.0",
	Title:  "members of a group can read a private key, or only its folder protects it",
	Why:    "Each account that can read the key can pose as this server. A group such as ssl-cert is usual for programs that share a key.",
	Level:  May,
	Source: "postconf(5), smtpd_tls_key_file; Debian's ssl-cert package",
	Cure:   outside("run the command given for each key, as root, unless those accounts need it"),
	Check:  access([]detect.WeaknessKind{detect.GroupReads, detect.Sheltered}, detect.HoldsKey),
}
