package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/probe"
)

// receivingHandshakesRules are the rules about handshakes apart from versions and suites.
var receivingHandshakesRules = []Rule{
	noHybrid, handshakeFails, injection, shortPrimes, noExtendedMasterSecret, compression,
	sniFails, sniWrongCertificate, sha1Signatures, clientRenegotiation, noSecureRenegotiation,
	sessionLimit,
}

var noHybrid = Rule{
	ID: "PS-RCV-018", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "No post-quantum key exchange is offered",
	Why:    "Traffic that is recorded today can be decrypted once a large quantum computer exists. The library here supports a hybrid key exchange.",
	Level:  May,
	Source: "Postfix 3.11 RELEASE_NOTES; NCSC-NL: not judged yet",
	Cure:   drop("tls_eecdh_auto_curves").then(answer("profile", "intermediate")).adding(" on Postfix 3.10, or update to Postfix 3.11"),
	Check: when(hybrids, func(e *Evidence) (out []Hit) {
		const name = "tls_eecdh_auto_curves"
		for _, l := range e.receivers() {
			v := e.Config.Value(&l.Service, name)
			if v.Text == "" || l.TLS.Is == posture.Never || slices.ContainsFunc([]string{"MLKEM", "DEFAULT"}, func(w string) bool { return strings.Contains(v.Text, w) }) || showsHybrid(e, l) {
				continue
			}
			h := Hit{Detail: l.ID() + ": " + name + " lists no such group", At: v.Origin}
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

var handshakeFails = Rule{
	ID: "PS-RCV-024", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "STARTTLS is offered, but every handshake fails",
	Why:    "Senders that try TLS are turned away: some deliver in cleartext, others never.",
	Level:  Must,
	Source: "RFC 3207 section 4",
	Cure:   outside("find the cause with postseal rehearse --current"),
	Check: live(func(e *Evidence, l Live) string {
		var at *probe.Error
		switch {
		case errors.As(l.Err, &at) && (at.Stage == probe.Handshaking || at.Stage == probe.STARTTLS && !errors.Is(l.Err, probe.ErrNotOffered)):
			return "fails: " + at.Err.Error()
		case l.whole() && len(l.Seen.Versions) == 0:
			return "negotiates no TLS version"
		case l.Seen != nil && len(l.Seen.Versions) == 0 && l.Seen.Refused != "": // seen, whatever else could not be asked
			return "fails: " + l.Seen.Refused
		}
		return ""
	}),
}

var injection = Rule{
	ID: "PS-RCV-026", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "A cleartext command is obeyed inside TLS",
	Why:    "An attacker on the network path can insert commands before the first encrypted one, and so read mail or passwords.",
	Level:  Must,
	Source: "RFC 3207 section 6; CVE-2011-0411",
	Cure:   outside("update Postfix, or the proxy in front of it"),
	Check:  asked(func(e *probe.Enumeration) *bool { return e.Injected }, "obeyed what came with STARTTLS"),
}

var shortPrimes = Rule{
	ID: "PS-RCV-028", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "The Diffie-Hellman group is too small",
	Why:    "A large organization can break a group of fewer than 2048 bits, and many clients refuse it.",
	Level:  Must,
	Source: "RFC 9325 section 4.5; NCSC-NL 2025-05: insufficient",
	Cure:   drop("smtpd_tls_dh1024_param_file"),
	Check: live(func(e *Evidence, l Live) string {
		least := 0
		for _, s := range l.suites {
			if s.DHBits > 0 && !s.Anonymous() && (least == 0 || s.DHBits < least) {
				least = s.DHBits
			}
		}
		if least == 0 || least >= 2048 {
			return ""
		}
		return fmt.Sprintf("uses a group of %d bits", least)
	}),
}

var noExtendedMasterSecret = Rule{
	ID: "PS-RCV-029", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "The extended master secret is not supported",
	Why:    "An attacker between two TLS 1.2 sessions can make one pass for the other.",
	Level:  Must,
	Source: "RFC 7627; NCSC-NL 2025-05: required with TLS 1.2",
	Cure:   outside("update OpenSSL to 1.1.0 or later"),
	Check: live(func(e *Evidence, l Live) string {
		if l.Seen != nil && !l.Seen.Extended && takes(l, "TLS 1.2") {
			return "does not support it"
		}
		return ""
	}),
}

var compression = Rule{
	ID: "PS-RCV-030", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "TLS compression is on",
	Why:    "An attacker can guess encrypted content from its length.",
	Level:  Should,
	Source: "RFC 9325 section 3.3: SHOULD NOT; CVE-2012-4929",
	Cure:   set("tls_ssl_options", "NO_COMPRESSION"),
	Check: live(func(e *Evidence, l Live) string {
		if l.Seen != nil && l.Seen.Compressed {
			return "accepts DEFLATE"
		}
		return ""
	}),
}

var sniFails = Rule{
	ID: "PS-RCV-040", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "Clients that send SNI get no TLS",
	Why:    "Senders that name the host they want, as nearly all large ones do, fall back to cleartext or fail; the others are served.",
	Level:  Must,
	Source: "RFC 6066 section 3; postconf(5), tls_server_sni_maps",
	Cure:   outside("run postmap -F on the tables of tls_server_sni_maps; the log names the entry"),
	Check: live(func(_ *Evidence, l Live) string {
		if l.Seen == nil || len(l.Seen.Versions) == 0 {
			return "" // no client gets TLS
		}
		for _, n := range l.Named {
			var at *probe.Error
			var late net.Error
			if errors.As(n.Err, &late) && late.Timeout() {
				continue // which a busy machine is too
			}
			if errors.As(n.Err, &at) && at.Stage == probe.Handshaking {
				return "accepts TLS, but not from clients that name " + n.Name + ": " + at.Err.Error()
			}
		}
		return ""
	}),
}

var sniWrongCertificate = Rule{
	ID: "PS-RCV-041", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "The certificate for an SNI name is for another host",
	Why:    "Senders that verify names (MTA-STS, level secure) name the host they want: they do not deliver.",
	Level:  Should,
	Source: "RFC 8461 section 4.2; RFC 6066 section 3",
	Cure:   outside("correct the entry in tls_server_sni_maps, and run postmap -F"),
	Check: live(func(_ *Evidence, l Live) string {
		if l.Seen == nil {
			return ""
		}
		for _, n := range l.Named {
			if !n.Ours || len(n.Certs) == 0 || slices.ContainsFunc(n.Certs[0].DNSNames, func(have string) bool { return covers(have, n.Name) }) {
				continue
			}
			sum := sha256.Sum256(n.Certs[0].Raw)
			if !slices.ContainsFunc(l.Seen.Certificates, func(c probe.Leaf) bool { return c.Fingerprint == hex.EncodeToString(sum[:]) }) {
				return "presents one that is not for " + n.Name + " to clients that name it" // the usual one is judged by its file
			}
		}
		return ""
	}),
}

var sha1Signatures = Rule{
	ID: "PS-RCV-045", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "Handshakes are signed with SHA-1 on request",
	Why:    "Both sides use the best signature that they have in common, so only senders from before 2010 get SHA-1; but external tests fail the server for it.",
	Level:  Must,
	Source: "RFC 9155 section 4; NCSC-NL 2025-05: insufficient",
	Cure:   answer("profile", "modern", ", which sets tls_config_file for smtpd"),
	Check: live(func(_ *Evidence, l Live) string {
		if names := oldSignatures(l); len(names) > 0 {
			return "signs TLS 1.2 with " + few(names)
		}
		return ""
	}),
}

// oldSignatures are those of TLS 1.2 with SHA-1 or MD5 that a listener made. The
// versions before had no others, and have a rule of their own.
func oldSignatures(l Live) (out []string) {
	if l.Seen == nil {
		return nil
	}
	i := slices.IndexFunc(l.Seen.Versions, func(v probe.Version) bool { return v.Name == "TLS 1.2" })
	if i < 0 {
		return nil
	}
	for _, name := range l.Seen.Versions[i].Signatures {
		if strings.Contains(name, "sha1") || strings.Contains(name, "md5") {
			out = append(out, name)
		}
	}
	return out
}

var clientRenegotiation = Rule{
	ID: "PS-RCV-046", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Clients may renegotiate",
	Why:    "Each renegotiation costs the server much and the client little: a few clients can keep the server busy.",
	Level:  Should,
	Source: "NCSC-NL 2025-05: off, or limited; postconf(5), tls_ssl_options",
	Cure:   set("tls_ssl_options", "NO_RENEGOTIATION", ", or update to Postfix 3.8 or later, which refuses it"),
	Check:  asked(func(e *probe.Enumeration) *bool { return e.Anew }, "accepts a second ClientHello"),
}

var noSecureRenegotiation = Rule{
	ID: "PS-RCV-047", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "Secure renegotiation is not supported",
	Why:    "An attacker on the network path can put text before what the client sends when a connection is renegotiated. Modern clients refuse such a server.",
	Level:  Must,
	Source: "RFC 5746; RFC 9325 section 3.5; CVE-2009-3555",
	Cure:   outside("update OpenSSL to 0.9.8m or later, or the proxy in front of Postfix"),
	Check: live(func(_ *Evidence, l Live) string {
		if takes(l, "TLS 1.2") && !l.Seen.Secure {
			return "does not support it"
		}
		return ""
	}),
}

var sessionLimit = Rule{
	ID: "PS-RCV-022", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "The rate of new TLS sessions is limited",
	Why:    "Busy servers that reach the limit fall back to cleartext.",
	Level:  May,
	Source: "postconf(5), smtpd_client_new_tls_session_rate_limit",
	Cure:   drop("smtpd_client_new_tls_session_rate_limit"),
	Check: parameter("smtpd_client_new_tls_session_rate_limit", func(e *Evidence, v postfix.Value) string {
		if v.Set && v.Text != "0" {
			return "is " + v.Text
		}
		return ""
	}),
}
