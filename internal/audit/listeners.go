package audit

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/probe"
)

// receivers are the listeners that others connect to, behind postscreen too.
func (e *Evidence) receivers() []posture.Listener {
	return slices.DeleteFunc(slices.Clone(e.Posture().Listeners), func(l posture.Listener) bool {
		return l.At.Kind == detect.Internal || l.Screen || l.Dead != ""
	})
}

// servesTLS reports whether any listener does TLS.
func (e *Evidence) servesTLS() bool {
	return slices.ContainsFunc(e.Posture().Listeners, func(l posture.Listener) bool { return l.TLS.Is != posture.Never })
}

// seen is what a listener showed, or nil if nobody saw any of its TLS. A client on this
// machine is usually exempt from the tests of postscreen (postscreen_access_list), so
// that it sees the smtpd behind it.
func (e *Evidence) seen(l posture.Listener) *Live {
	i := slices.IndexFunc(e.Live, func(v Live) bool {
		return !l.Screen && v.Listener.Service.ID() == l.At.Service.ID() && v.Seen != nil && len(v.Seen.Versions) > 0
	})
	if i < 0 {
		return nil
	}
	return &e.Live[i]
}

// certificatesOf are those that a listener shows: its own, or those of main.cf.
func (e *Evidence) certificatesOf(l detect.Listener) []detect.Certificate {
	own := slices.DeleteFunc(e.ShownCertificates(), func(c detect.Certificate) bool { return !slices.Contains(c.Services, l.Service.ID()) })
	if len(own) > 0 {
		return own
	}
	return e.ServerCertificates()
}

// proxyNote says that a proxy in front of a listener may terminate TLS for it, which
// cannot be seen from here; empty if there is no sign of one.
func (e *Evidence) proxyNote(l posture.Listener) string {
	if v := e.Config.Value(&l.Service, "smtpd_authorized_xclient_hosts"); v.Text != "" {
		return fmt.Sprintf("; a proxy in front may terminate TLS, which cannot be seen from here: smtpd_authorized_xclient_hosts (%s) is %.60s", place(v), v.Text)
	}
	if l.At.Proxy {
		return "; the proxy in front may terminate TLS, which cannot be seen from here"
	}
	return ""
}

// privateRelay reports whether a listener is on private addresses of a server that
// accepts mail for no domain: only known machines connect there.
func (e *Evidence) privateRelay(l detect.Listener) bool {
	domains, tables := e.Facts.Domains()
	return detect.Private(e.Config, l.Service) && len(domains) == 0 && !tables
}

// ancient finds TLS 1.0 and 1.1: by what was seen, and else by the floor.
func ancient(e *Evidence, l posture.Listener) string {
	if seen := e.seen(l); seen != nil {
		var old []string
		for _, v := range []string{"TLS 1.0", "TLS 1.1"} {
			if takes(*seen, v) {
				old = append(old, v)
			}
		}
		if len(old) > 0 {
			return "accepts " + strings.Join(old, " and ")
		}
		if seen.whole() {
			return ""
		}
	}
	if p := l.Floor(); l.Works() && p != "" && p.Below(postfix.TLSv12) {
		return "accepts " + string(p) + " and newer"
	}
	return ""
}

// Exchanger reports whether mail for this server's domains comes in at a listener:
// at port 25, behind a proxy, or, if nothing is there, wherever others connect.
func (e *Evidence) Exchanger(l detect.Listener) bool {
	at := func(l detect.Listener) bool { return strings.HasSuffix(l.Addr, ":25") || l.Proxy }
	return at(l) || !slices.ContainsFunc(e.Receives(detect.Relay), at)
}

// covers reports whether a name in a certificate is valid for a host: the same, or
// one label behind a star (RFC 9525, section 6.3).
func covers(have, host string) bool {
	have, host = strings.ToLower(have), strings.ToLower(host)
	if suffix, ok := strings.CutPrefix(have, "*."); ok {
		_, rest, _ := strings.Cut(host, ".")
		return rest == suffix
	}
	return have == host
}

// takes reports whether a listener accepted a version.
func takes(l Live, version string) bool {
	return l.Seen != nil && slices.ContainsFunc(l.Seen.Versions, func(v probe.Version) bool { return v.Name == version })
}

// broken reports whether a suite encrypts nothing, or nothing that lasts (RFC 9325,
// section 4.1).
func broken(s probe.Suite) bool {
	return slices.ContainsFunc([]string{"_NULL_", "EXPORT", "_RC4_", "_RC2_", "_DES_", "_DES40_", "_3DES_"}, func(word string) bool { return strings.Contains(s.Name, word) })
}

// versions lists versions of TLS.
func versions(all []postfix.Protocol) string {
	var names []string
	for _, p := range all {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

// few lists some names, and says how many there are.
func few(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(names[:3], ", "), len(names)-3)
}
