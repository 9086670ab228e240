package audit

import (
	"slices"

	"postseal/internal/detect"
)

var cfg021 = Rule{
	ID: "PS-CFG-021", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "other accounts can change lookup tables for TLS or routing",
	Why:    "Such an account can switch TLS off for a destination, choose the certificates that count, send mail elsewhere, or let others relay mail through this server.",
	Level:  Must,
	Source: "postconf(5): smtp_tls_policy_maps, relay_clientcerts, tls_server_sni_maps; DATABASE_README",
	Cure:   outside("run the command given for each place, as root; postmap gives a compiled table the owner of its source; suppress the finding if that account is to write the table, as Mailman does"),
	Check:  either(access(slices.Concat(theirs, []detect.WeaknessKind{detect.GroupWrites}), detect.HoldsRoutingTable), access([]detect.WeaknessKind{detect.EveryoneWrite}, detect.HoldsTable)),
}
