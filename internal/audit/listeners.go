package audit

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/probe"
)

// receivers are the listeners that others connect to.
func (e *Evidence) receivers() []detect.Listener {
	return e.Receives(detect.Relay, detect.Submission, detect.Submissions)
}

// excludes says whether a listener leaves a class of suites out (postconf(5),
// smtpd_tls_exclude_ciphers).
func excludes(f *Evidence, l detect.Listener, class string) bool {
	words := list(f.Config.Text(&l.Service, "smtpd_tls_exclude_ciphers"))
	if l.Level == "encrypt" {
		words = append(words, list(f.Config.Text(&l.Service, "smtpd_tls_mandatory_exclude_ciphers"))...)
	}
	return slices.Contains(words, class)
}

// authInTLS reports whether a listener offers AUTH inside TLS only.
func (e *Evidence) authInTLS(l detect.Listener) bool {
	s := detect.Behind(e.Config, l.Service)
	return e.Config.Bool(&s, "smtpd_tls_auth_only") || detect.ServerLevel(func(n string) string { return e.Config.Text(&s, n) }) == "encrypt"
}

// handwritten says whether the list of suites of a grade is set by hand: then
// what is excluded does not tell what is offered.
func handwritten(e *Evidence, l detect.Listener) bool {
	name := "smtpd_tls_ciphers"
	if l.Level == "encrypt" {
		name = "smtpd_tls_mandatory_ciphers"
	}
	return e.Config.Value(&l.Service, "tls_"+strings.ToLower(e.Config.Text(&l.Service, name))+"_cipherlist").Set
}

// seen is what a listener showed, or nil if nobody saw any of its TLS.
func (e *Evidence) seen(l detect.Listener) *Live {
	i := slices.IndexFunc(e.Live, func(v Live) bool {
		return v.Listener.Service.ID() == l.Service.ID() && v.Seen != nil && len(v.Seen.Versions) > 0
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

// privateRelay reports whether a listener is on private addresses of a server that
// takes mail for no domain: only known machines come there.
func (e *Evidence) privateRelay(l detect.Listener) bool {
	domains, tables := e.Facts.Domains()
	return detect.Private(e.Config, l.Service) && len(domains) == 0 && !tables
}

// floor is the oldest version that a listener accepts, or empty.
func floor(f *Evidence, l detect.Listener) postfix.Protocol {
	name := "smtpd_tls_protocols"
	if l.Level == "encrypt" {
		name = "smtpd_tls_mandatory_protocols"
	}
	p, err := postfix.ParseFloor(f.Config.Text(&l.Service, name), f.Config.Version)
	if err != nil {
		return ""
	}
	return p
}

// ancient finds TLS 1.0 and 1.1: by what was seen, and else by the floor.
func ancient(e *Evidence, l detect.Listener) string {
	if seen := e.seen(l); seen != nil {
		var old []string
		for _, v := range []string{"TLS 1.0", "TLS 1.1"} {
			if takes(*seen, v) {
				old = append(old, v)
			}
		}
		if len(old) > 0 {
			return "takes " + strings.Join(old, " and ")
		}
		if seen.whole() {
			return ""
		}
	}
	if p := floor(e, l); tls(l) && p != "" && p.Below(postfix.TLSv12) {
		return "takes " + string(p) + " and newer"
	}
	return ""
}

// Exchanger says whether mail for this server's domains comes in at a listener:
// at port 25, behind a proxy, or, if nothing is there, wherever others connect.
func (e *Evidence) Exchanger(l detect.Listener) bool {
	at := func(l detect.Listener) bool { return strings.HasSuffix(l.Addr, ":25") || l.Proxy }
	return at(l) || !slices.ContainsFunc(e.Receives(detect.Relay), at)
}

// tls says whether a listener does TLS at all.
func tls(l detect.Listener) bool { return l.Level != "none" }

// covers says whether a name in a certificate is good for a host: the same, or
// one label behind a star (RFC 9525, section 6.3).
func covers(have, host string) bool {
	have, host = strings.ToLower(have), strings.ToLower(host)
	if suffix, ok := strings.CutPrefix(have, "*."); ok {
		_, rest, _ := strings.Cut(host, ".")
		return rest == suffix
	}
	return have == host
}

// takes says whether a listener agreed to a version.
func takes(l Live, version string) bool {
	return l.Seen != nil && slices.ContainsFunc(l.Seen.Versions, func(v probe.Version) bool { return v.Name == version })
}

// broken says whether a suite encrypts nothing, or nothing that lasts (RFC 9325,
// section 4.1).
func broken(s probe.Suite) bool {
	return slices.ContainsFunc([]string{"_NULL_", "EXPORT", "_RC4_", "_RC2_", "_DES_", "_DES40_", "_3DES_"}, func(word string) bool { return strings.Contains(s.Name, word) })
}

// few lists some names, and says how many there are.
func few(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(names[:3], ", "), len(names)-3)
}
