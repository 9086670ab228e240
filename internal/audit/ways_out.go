package audit

import (
	"slices"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
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

// forAll reports whether all mail of a service takes a route, and not that to some
// destinations alone.
func forAll(r posture.Route) bool {
	return slices.Contains([]string{"", "relayhost", "default_transport", "relay_transport"}, r.From)
}

// outside reports whether mail leaves this machine by a route. Where all next hops that
// are known are here, a table may name others.
func (e *Evidence) outside(r posture.Route) bool {
	if !r.Local() {
		return true
	}
	i := slices.IndexFunc(e.Transports, func(t detect.Transport) bool { return t.Service.ID() == r.Service.ID() })
	return i >= 0 && !slices.ContainsFunc(e.Transports[i].Hops, func(h detect.Hop) bool { return !h.Local() }) && !e.toThisMachine(e.Transports[i])
}

// sentBy is where the client certificates are set: one that is shown to clients too has
// the place in its Origin where it is set for receiving.
func (e *Evidence) sentBy() postfix.Origin {
	_, at := e.CertificateFiles(nil, "smtp_tls_")
	return at
}
