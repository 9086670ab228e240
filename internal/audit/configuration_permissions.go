package audit

import (
	"slices"

	"postseal/internal/detect"
)

// configurationPermissionsRules are the rules about owners and modes of files.
var configurationPermissionsRules = []Rule{
	configurationExposed, configurationGroup, routingTableExposed, tableExposed, keyReadableByAll,
	certificateExposed, keyReadableByGroup,
}

var configurationExposed = Rule{
	ID: "PS-CFG-019", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "Other accounts can change the Postfix configuration",
	Why:    "Such an account can read all mail, redirect it, and run programs as other users: master.cf names the programs and the users, and tls_config_file can name libraries to load.",
	Level:  Must,
	Source: "master(5), pipe(8): privileges come from these files; postfix set-permissions",
	Cure:   outside("run the command shown for each place, as root; then look for unauthorized changes"),
	Check:  access(theirs, detect.HoldsConfiguration),
}

var configurationGroup = Rule{
	ID: "PS-CFG-020", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "Members of a group can change the Postfix configuration",
	Why:    "Every member can read all mail, redirect it, and run programs as other users: master.cf names the programs and the users, and tls_config_file can name libraries to load.",
	Level:  Must,
	Source: "master(5), pipe(8): privileges come from these files; postfix set-permissions",
	Cure:   outside("run the command shown for each place, as root"),
	Check:  access([]detect.WeaknessKind{detect.GroupWrites}, detect.HoldsConfiguration),
}

var routingTableExposed = Rule{
	ID: "PS-CFG-021", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "Other accounts can change lookup tables for TLS or routing",
	Why:    "Such an account can switch TLS off for a destination, choose which certificates are valid, redirect mail, or let others relay mail through this server.",
	Level:  Must,
	Source: "postconf(5): smtp_tls_policy_maps, relay_clientcerts, tls_server_sni_maps; DATABASE_README",
	Cure:   outside("run the command shown for each place, as root; postmap gives a compiled table the owner of its source; suppress the finding if that account is meant to write the table, as Mailman does"),
	Check:  either(access(slices.Concat(theirs, []detect.WeaknessKind{detect.GroupWrites}), detect.HoldsRoutingTable), access([]detect.WeaknessKind{detect.EveryoneWrite}, detect.HoldsTable)),
}

var tableExposed = Rule{
	ID: "PS-CFG-022", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Another account, or a group, can change a lookup table",
	Why:    "It decides which recipients exist or which mail is accepted. That is intended for tables that a program such as Mailman writes.",
	Level:  Should,
	Source: "local practice: programs that manage lists and mailboxes own their tables",
	Cure:   outside("run the command shown for each place, as root; suppress the finding if that account is meant to write the table"),
	Check:  access([]detect.WeaknessKind{detect.StrangerOwns, detect.AccountWrites, detect.GroupWrites}, detect.HoldsTable),
}

var keyReadableByAll = Rule{
	ID: "PS-CRT-021", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "Every user of this machine can read a private key",
	Why:    "A copy of the key is enough to pose as this server, and to decrypt recorded mail that was sent without forward secrecy.",
	Level:  Must,
	Source: "postconf(5), smtpd_tls_key_file: read-only access for root, and no access for anyone else",
	Cure:   outside("run the command shown for each key, as root; then make a new key, since the old one may have been copied"),
	Check:  access([]detect.WeaknessKind{detect.EveryoneReads}, detect.HoldsKey),
}

var certificateExposed = Rule{
	ID: "PS-CRT-022", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "Other accounts can change a certificate or key in use",
	Why:    "Such an account chooses the key that this server presents, or the CAs that it trusts for sending; a file that cannot be loaded disables TLS.",
	Level:  Must,
	Source: "postconf(5), smtpd_tls_key_file: read-only access for root, and no access for anyone else",
	Cure:   outside("run the command shown for each place, as root; where a program renews its own files, have the program install a copy that root owns"),
	Check:  access(slices.Concat(theirs, []detect.WeaknessKind{detect.GroupWrites}), detect.HoldsKey, detect.HoldsCertificates),
}

var keyReadableByGroup = Rule{
	ID: "PS-CRT-023", Part: Certificates, Severity: Note, Since: "1.0",
	Title:  "Members of a group can read a private key, or only its directory protects it",
	Why:    "Each account that can read the key can pose as this server. A group such as ssl-cert is usual for programs that share a key.",
	Level:  May,
	Source: "postconf(5), smtpd_tls_key_file; Debian's ssl-cert package",
	Cure:   outside("run the command shown for each key, as root, unless those accounts need it"),
	Check:  access([]detect.WeaknessKind{detect.GroupReads, detect.Sheltered}, detect.HoldsKey),
}
