package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/postfix"
	"postseal/internal/posture"
)

// certificatesFilesRules are the rules about the files of certificates and keys.
var certificatesFilesRules = []Rule{
	noCertificate, foreignKey, notLoaded, separateFiles, otherServed, staleCopy, staleSNIMap,
}

var noCertificate = Rule{
	ID: "PS-CRT-001", Part: Certificates, Severity: Critical, Since: "1.0",
	Title:  "No certificate is set",
	Why:    "STARTTLS is offered and then refused with 454: where TLS is required no mail arrives at all, elsewhere senders fall back to cleartext or fail.",
	Level:  Must,
	Source: "RFC 3207; seen: No server certs available; 530 Must issue a STARTTLS command first",
	Cure:   order("--cert FILE, or postseal cert obtain, or postseal cert self-signed"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		if files, _ := e.CertificateFiles(&l.Service, "smtpd_tls_"); l.Screen || l.TLS.Is == posture.Never || len(files) > 0 {
			return ""
		}
		required := l.TLS.Is == posture.Mandatory
		switch anonymous := e.Config.Text(&l.Service, "smtpd_tls_cert_file") == "none"; {
		case required && anonymous:
			return "requires TLS and has no certificate: every sender that does not accept anonymous TLS 1.2 is refused"
		case required:
			return "requires TLS and has no certificate: every sender is refused"
		case anonymous:
			return "offers TLS and has no certificate: with senders that do not accept anonymous TLS 1.2 the handshake fails"
		}
		return "offers TLS and has no certificate: STARTTLS is refused with 454, and senders fall back to cleartext or fail"
	}, detect.Relay, detect.Submission, detect.Submissions),
}

var foreignKey = Rule{
	ID: "PS-CRT-007", Part: Certificates, Severity: Critical, Since: "1.0",
	Title:  "The key does not match the certificate",
	Why:    "STARTTLS is refused with 454: senders fall back to cleartext or fail.",
	Level:  Must,
	Source: "seen: does not match; disabling TLS support",
	Cure:   answer("key", "FILE", ", with the key of this certificate").leaving("smtpd_tls_key_file"),
	Check: served(func(e *Evidence, c detect.Certificate) string {
		if c.KeyMatch == detect.No {
			return "and " + c.Key + " do not match"
		}
		return ""
	}),
}

var notLoaded = Rule{
	ID: "PS-CRT-008", Part: Certificates, Severity: Critical, Since: "1.0",
	Title:  "The certificate cannot be loaded",
	Why:    "STARTTLS is refused with 454, or only anonymous cipher suites are left.",
	Level:  Must,
	Source: "seen: disabling TLS support",
	Cure:   outside("find the cause with postseal cert inspect FILE, or start over with postseal cert self-signed"),
	Check: when(func(e *Evidence) bool { return len(e.ShownCertificates()) > 0 }, func(e *Evidence) (out []Hit) {
		for _, c := range e.ShownCertificates() {
			switch {
			case c.Refused != "":
				out = append(out, Hit{Detail: c.Chain + " is not loaded: " + c.Refused, At: c.Origin})
			case c.Err != nil && c.KeyMatch != detect.No && !errors.Is(c.Err, fs.ErrPermission): // PS-CRT-007 has the wrong key
				for _, err := range hint.All(c.Err) {
					out = append(out, Hit{Detail: err.Error(), At: c.Origin})
				}
			}
		}
		return out
	}),
}

var separateFiles = Rule{
	ID: "PS-CRT-014", Part: Certificates, Severity: Low, Since: "1.0",
	Title:  "Key and chain are in separate files",
	Why:    "A renewal that is interrupted between the two leaves a pair that does not match: TLS is then off.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_chain_files: preferred since 3.4",
	Cure:   answer("cert", "FILE", "; postseal puts key and chain into one file"),
	Check: parameter("smtpd_tls_cert_file", func(e *Evidence, v postfix.Value) string {
		if v.Text != "" && v.Text != "none" && e.Config.Text(nil, "smtpd_tls_key_file") != v.Text && e.Config.Text(nil, "smtpd_tls_chain_files") == "" {
			return "and smtpd_tls_key_file are two files"
		}
		return ""
	}),
}

var otherServed = Rule{
	ID: "PS-CRT-015", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "The served certificate differs from the one on disk",
	Why:    "It was renewed, and Postfix presents the old one until it is reloaded: once that one expires, verifying senders do not deliver.",
	Level:  Must,
	Source: "what a handshake found",
	Cure:   outside("postfix reload; run postseal watch from a timer to detect this"),
	Check: live(func(e *Evidence, l Live) string {
		var files []string
		for _, c := range e.certificatesOf(l.Listener) {
			if c.Fingerprint == "" {
				return "" // a file that cannot be read may be the one
			}
			files = append(files, c.Fingerprint)
		}
		if l.Seen == nil || len(files) == 0 {
			return ""
		}
		for _, leaf := range l.Seen.Certificates {
			if !slices.Contains(files, leaf.Fingerprint) {
				return fmt.Sprintf("presents one until %s that is in none of the files (SHA-256 %.16s…)", leaf.NotAfter.UTC().Format(time.DateOnly), leaf.Fingerprint)
			}
		}
		return ""
	}),
}

var staleCopy = Rule{
	ID: "PS-CRT-020", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "A certificate in use is older than its source",
	Why:    "It was renewed, and Postfix reads a copy of the old one: when that expires, verifying senders defer their mail or fail.",
	Level:  Must,
	Source: "what was found on this machine",
	Cure:   outside("postseal apply --cert with the newer file; postseal watch prints the command"),
	Check: when(func(e *Evidence) bool { return len(e.ShownCertificates())+len(e.ClientCertificates()) > 0 }, func(e *Evidence) (out []Hit) {
		for _, o := range e.Outdated() {
			out = append(out, Hit{Detail: fmt.Sprintf("%s ends %s, and %s has one until %s", o.Shown.Chain, o.Shown.NotAfter.UTC().Format(time.DateOnly), o.Renewed.Chain, o.Renewed.NotAfter.UTC().Format(time.DateOnly)), At: o.Shown.Origin})
		}
		return out
	}),
}

var staleSNIMap = Rule{
	ID: "PS-CRT-024", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "A lookup table of tls_server_sni_maps is older than its files",
	Why:    "postmap copies certificates into the table, and Postfix presents the copies: after a renewal the old certificate is presented until it expires, and then verifying senders do not deliver.",
	Level:  Must,
	Source: "postconf(5), tls_server_sni_maps; postmap(1), -F",
	Cure:   outside("run the command shown for each table, and have the program that renews the certificates run it too"),
	Check: when(func(e *Evidence) bool { return e.Config.Text(nil, "tls_server_sni_maps") != "" || len(e.StaleMaps) > 0 }, func(e *Evidence) (out []Hit) {
		for _, s := range e.StaleMaps {
			out = append(out, Hit{Detail: s.Table + " does not hold what its files hold for " + few(s.Keys), At: s.Origin, Remedy: hint.ShellLine(s.Remedy())})
		}
		return out
	}),
}
