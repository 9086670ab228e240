package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var rcv039 = Rule{
	ID: "PS-RCV-039", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "a table for receiving cannot be opened",
	Why:    "What depends on it is put off or left out: clients that it should let in do not come through.",
	Level:  Must,
	Source: "postconf(5), relay_clientcerts",
	Cure:   outside("postmap the table, or take it out of main.cf"),
	Check:  problems(postfix.Receiving, func(_ *Evidence, p detect.Problem) bool { return p.Parameter != "tls_server_sni_maps" }, detect.NoTable),
}
