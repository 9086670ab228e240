package audit

import (
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/probe"
)

// sendingVersionsRules are the rules about the TLS versions and cipher suites for sending.
var sendingVersionsRules = []Rule{
	outboundFloor, outboundExclusions, outboundTLSOff, outboundFamilies, outboundGap,
	noOutboundVersion,
}

var outboundFloor = Rule{
	ID: "PS-SND-010", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "Old TLS versions are refused where cleartext is allowed",
	Why:    "A server that supports nothing newer gets its mail some minutes later, in cleartext.",
	Level:  May,
	Source: "RFC 9325 section 5.2: may be too strict, against RFC 8996: MUST NOT; seen: deferred, then cleartext",
	Cure:   drop("smtp_tls_protocols"),
	Check: routes(ofVersion, func(e *Evidence, r posture.Route) string {
		if r.Level.Is != "may" && r.Level.Is != "dane" || len(r.Versions.Is) == 0 || r.Floor().Below(postfix.TLSv12) {
			return ""
		}
		return "refuses versions older than " + string(r.Floor())
	}, detect.Default),
}

var outboundExclusions = Rule{
	ID: "PS-SND-011", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "Cipher suites are excluded where cleartext is allowed",
	Why:    "A server that supports nothing else gets its mail some minutes later, in cleartext.",
	Level:  Should,
	Source: "RFC 9325 section 5.2; TLS_README",
	Cure:   drop("smtp_tls_exclude_ciphers"),
	Check: routes(ofExclusions, func(e *Evidence, r posture.Route) string {
		if r.Level.Is != "may" && r.Level.Is != "dane" {
			return ""
		}
		words := slices.DeleteFunc(slices.Clone(r.Suites.Excluded), missesNothing)
		if len(words) == 0 {
			return ""
		}
		return "excludes " + few(words)
	}, detect.Default),
}

// missesNothing reports whether no server is lost without a class of suites: all have
// others beside them, or OpenSSL 1.1.1 and later has none of them (ciphers(1)).
func missesNothing(class string) bool {
	return slices.Contains(unmissed, class) || probe.Known(class) &&
		!slices.ContainsFunc(probe.Strong(), func(s probe.Suite) bool { return s.In(class) && !s.Anonymous() })
}

// unmissed are such classes of which probe knows no suite.
var unmissed = []string{"eNULL", "NULL", "EXPORT", "EXP", "LOW", "DES", "RC2", "IDEA", "MD5", "PSK", "SRP", "DSS", "aDSS", "SSLv2"}

var outboundTLSOff = Rule{
	ID: "PS-SND-029", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "A setting disables TLS for sending",
	Why:    "No handshake succeeds: mail is deferred, or leaves in cleartext.",
	Level:  Must,
	Source: "seen: aborting TLS session",
	Cure:   outside("correct the value"),
	Check: problems(postfix.Sending, func(e *Evidence, p detect.Problem) bool {
		return counts(e, p) && !strings.HasSuffix(p.Parameter, "_CAfile")
	}, detect.TLSOff),
}

var outboundFamilies = Rule{
	ID: "PS-SND-032", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "Settings for optional and for mandatory TLS are mixed up in sending",
	Why:    "The settings named *_mandatory_* apply where TLS is required, the others where it is optional: what is set here has no effect.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_protocols and smtp_tls_mandatory_protocols",
	Cure:   outside("remove the setting that has no effect, or set the other one"),
	Check: when(sends, func(e *Evidence) (out []Hit) {
		byService := map[string][]string{}
		for _, t := range e.Senders(detect.Default, detect.Some) {
			levels := e.levels(t)
			byService[t.Service.ID()] = levels
			for _, o := range t.Service.Options {
				if family, ok := wrongAt(o.Name, "smtp", levels); ok {
					out = append(out, Hit{Detail: t.Service.ID() + " sets " + o.Name + " at TLS level " + levels[0] + ": " + family + " applies", At: postfix.Origin{File: e.Config.MasterPath(), Line: o.Line, Service: t.Service.ID()}})
				}
			}
		}
		return append(out, families(e, "smtp", byService)...)
	}),
}

var outboundGap = Rule{
	ID: "PS-SND-037", Part: Sending, Severity: High, Since: "1.0",
	Title:  "The TLS versions for sending have a gap",
	Why:    "OpenSSL as a client offers no version above a gap: no handshake succeeds with servers that require TLS 1.2. At level may mail to them is deferred and later leaves in cleartext; where TLS is required it stays here.",
	Level:  Must,
	Source: "SSL_CTX_set_options(3), SSL_OP_NO_TLSv1_2 and others; seen on Postfix 3.7 with OpenSSL 3.0",
	Cure:   drop("smtp_tls_protocols", "smtp_tls_mandatory_protocols").adding(", or write >=TLSv1 and >=TLSv1.2; before Postfix 3.6 exclude the oldest versions without a gap"),
	Check: when(sends, func(e *Evidence) (out []Hit) {
		for _, t := range e.Senders(detect.Default, detect.Some) {
			for _, l := range e.versionLists(t) {
				below, above, ok := gap(l.v.Text)
				if h := hole(l.name, below, above, l.v); ok && !slices.Contains(out, h) {
					out = append(out, h)
				}
			}
		}
		return out
	}),
}

var noOutboundVersion = Rule{
	ID: "PS-SND-070", Part: Sending, Severity: High, Since: "1.0",
	Title:  "No cipher suite is left for any TLS version for sending",
	Why:    "Every handshake fails. Where TLS is required mail is deferred and returned after days; at level may it is deferred, and later leaves in cleartext.",
	Level:  Must,
	Source: "postconf(5), smtp_tls_protocols and smtp_tls_exclude_ciphers; seen on Postfix 3.7: deferred",
	Cure:   drop("smtp_tls_protocols", "smtp_tls_mandatory_protocols", "smtp_tls_exclude_ciphers"),
	Check: routes(ofVersion, func(_ *Evidence, r posture.Route) string {
		if r.Level.Is == "none" || r.Level.Is == "" || len(r.Permitted) == 0 || len(r.Versions.Is) > 0 {
			return ""
		}
		return "permits " + versions(r.Permitted) + ", and none of the remaining cipher suites works with it"
	}, detect.Default, detect.Some),
}
