package audit

import (
	"errors"
	"net"

	"postseal/internal/probe"
)

var rcv040 = Rule{
	ID: "PS-RCV-040", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "a client that names the host gets no TLS",
	Why:    "Senders that name the host they want, as nearly all of the large ones do, fall back to clear text or fail; those that do not are served.",
	Level:  Must,
	Source: "RFC 6066 section 3; postconf(5), tls_server_sni_maps",
	Cure:   outside("postmap -F the tables of tls_server_sni_maps; the log names the entry"),
	Check: live(func(_ *Evidence, l Live) string {
		if l.Seen == nil || len(l.Seen.Versions) == 0 {
			return "" // nobody gets TLS
		}
		for _, n := range l.Named {
			var at *probe.Error
			var late net.Error
			if errors.As(n.Err, &late) && late.Timeout() {
				continue // which a busy machine is too
			}
			if errors.As(n.Err, &at) && at.Stage == probe.Handshaking {
				return "agrees to TLS, but not with who names " + n.Name + ": " + at.Err.Error()
			}
		}
		return ""
	}),
}
