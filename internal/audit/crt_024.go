package audit

import (
	"postseal/internal/hint"
)

var crt024 = Rule{
	ID: "PS-CRT-024", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "a table of tls_server_sni_maps is older than its files",
	Why:    "postmap copies certificates into the table, and Postfix shows the copies: after a renewal the old certificate is shown until it expires, and then verifying senders hold mail back.",
	Level:  Must,
	Source: "postconf(5), tls_server_sni_maps; postmap(1), -F",
	Cure:   outside("run the command given for each table, and have the program that renews the certificates run it too"),
	Check: when(func(e *Evidence) bool { return e.Config.Text(nil, "tls_server_sni_maps") != "" || len(e.StaleMaps) > 0 }, func(e *Evidence) (out []Hit) {
		for _, s := range e.StaleMaps {
			out = append(out, Hit{Detail: s.Table + " does not hold what its files hold for " + few(s.Keys), At: s.Origin, Remedy: hint.ShellLine(s.Remedy())})
		}
		return out
	}),
}
