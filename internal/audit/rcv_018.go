package audit

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/postfix"
	"postseal/internal/posture"
)

var rcv018 = Rule{
	ID: "PS-RCV-018", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "no post-quantum key exchange",
	Why:    "What is recorded today can be read when a large quantum computer exists. The library here could do better.",
	Level:  May,
	Source: "Postfix 3.11 RELEASE_NOTES; NCSC-NL: not judged yet",
	Cure:   drop("tls_eecdh_auto_curves").then(answer("profile", "intermediate")).or(" on Postfix 3.10, or update to Postfix 3.11"),
	Check: when(hybrids, func(e *Evidence) (out []Hit) {
		const name = "tls_eecdh_auto_curves"
		for _, l := range e.receivers() {
			v := e.Config.Value(&l.Service, name)
			if v.Text == "" || l.TLS.Is == posture.Never || slices.ContainsFunc([]string{"MLKEM", "DEFAULT"}, func(w string) bool { return strings.Contains(v.Text, w) }) || showsHybrid(e, l) {
				continue
			}
			h := Hit{Detail: l.ID() + ": " + name + " names no such group", At: v.Origin}
			if _, own := l.Service.Override(name); v.Set && !own && e.Config.Version.AtLeast(postfix.V(3, 11, 0)) {
				h.Remedy = "postconf -X " + name
			}
			out = append(out, h)
		}
		return out
	}),
}

// showsHybrid reports whether a listener was seen to accept such a group.
func showsHybrid(e *Evidence, l posture.Listener) bool {
	seen := e.seen(l)
	return seen != nil && slices.ContainsFunc(seen.Seen.Groups, func(g string) bool { return strings.Contains(g, "MLKEM") })
}

// hybrids reports whether the library here has such groups: OpenSSL does since 3.5.
func hybrids(e *Evidence) bool {
	var major, minor int
	_, err := fmt.Sscanf(e.OpenSSL, "OpenSSL %d.%d", &major, &minor)
	return err == nil && receives(e) && e.Config.Version.Known() && (major > 3 || major == 3 && minor >= 5)
}
