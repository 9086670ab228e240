package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var rcv038 = Rule{
	ID: "PS-RCV-038", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "the table of certificates by name cannot be opened",
	Why:    "Senders that name the host they want, as nearly all of the large ones do, get no handshake.",
	Level:  Must,
	Source: "postconf(5), tls_server_sni_maps; seen: alert 80",
	Cure:   outside("postmap -F the table, or take tls_server_sni_maps out of main.cf"),
	Check:  problems(postfix.Receiving, func(_ *Evidence, p detect.Problem) bool { return p.Parameter == "tls_server_sni_maps" }, detect.NoTable),
}
