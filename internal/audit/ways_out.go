package audit

import (
	"slices"

	"postseal/internal/detect"
	"postseal/internal/postfix"
)

// toThisMachine reports whether all mail of a transport goes to a program on this
// machine, as to a relay host of 127.0.0.1: it decides about TLS to others. A table
// may name other servers.
func (e *Evidence) toThisMachine(t detect.Transport) bool {
	for _, name := range []string{"transport_maps", "sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps"} {
		if e.Config.Text(nil, name) != "" {
			return false
		}
	}
	return len(t.Hops) > 0 && !slices.ContainsFunc(t.Hops, func(h detect.Hop) bool { return !h.Local() })
}

// trustsNoCA reports whether a transport can verify no certificate that a CA issued.
func (e *Evidence) trustsNoCA(t detect.Transport) bool {
	get := func(name string) string { return e.Config.Text(&t.Service, name) }
	return get("smtp_tls_CAfile") == "" && get("smtp_tls_CApath") == "" && !e.Config.Bool(&t.Service, "tls_append_default_CA")
}

// sentBy is where the client certificates are set: one that is shown to clients too has
// the place in its Origin where it is set for receiving.
func (e *Evidence) sentBy() postfix.Origin {
	_, at := e.CertificateFiles(nil, "smtp_tls_")
	return at
}
