package audit

import "strings"

var snd033 = Rule{
	ID: "PS-SND-033", Part: Sending, Severity: High, Since: "1.0",
	Title:  "mailboxes must have TLS",
	Why:    "lmtp demands TLS; most mailbox servers on the same machine have none, and mail to them is held back.",
	Level:  Should,
	Source: "postconf(5), lmtp_tls_security_level; seen: 4.7.4 over a UNIX socket too",
	Cure:   drop("lmtp_tls_security_level"),
	Check: when(func(e *Evidence) bool { return len(lmtps(e)) > 0 }, func(e *Evidence) (out []Hit) {
		for _, s := range lmtps(e) {
			if v := e.Config.Value(&s, "lmtp_tls_security_level"); v.Text != "" && demands(strings.ToLower(v.Text)) {
				out = append(out, Hit{Detail: s.ID() + " has TLS level " + v.Text, At: v.Origin})
			}
		}
		return out
	}),
}
