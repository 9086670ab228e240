package audit

import (
	"errors"
	"io/fs"
)

// sendingCertificatesRules are the rules about the certificate that this server presents as a client.
var sendingCertificatesRules = []Rule{
	needlessClientCertificate, serverCertificateAsClient, brokenClientCertificate,
}

var needlessClientCertificate = Rule{
	ID: "PS-SND-012", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "A client certificate is presented that no server asks for",
	Why:    "It is of no use, and a few servers fail because of it.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_cert_file: do not configure client certificates unless you must",
	Cure:   answer("client-cert", "none"),
	Check: when(func(e *Evidence) bool {
		return len(e.ClientCertificates()) > 0 && e.Wanted.Told > 0 && e.Wanted.Untold == 0
	}, func(e *Evidence) []Hit {
		if !e.Wanted.Seen || len(e.Wanted.By) > 0 {
			return nil
		}
		return []Hit{{Detail: e.ClientCertificates()[0].Chain + ": no server in the log asked for it", At: e.sentBy()}}
	}),
}

var serverCertificateAsClient = Rule{
	ID: "PS-SND-013", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "The client certificate is not valid for client use",
	Why:    "Servers that verify it refuse it or log it as untrusted.",
	Level:  Should,
	Source: "RFC 5280 section 4.2.1.12: clientAuth",
	Cure:   outside("postseal cert client new"),
	Check: when(func(e *Evidence) bool { return len(e.ClientCertificates()) > 0 }, func(e *Evidence) []Hit {
		var out []Hit
		for _, c := range e.ClientCertificates() {
			if c.Err == nil && c.Algorithm != "" && !c.ClientUse {
				out = append(out, Hit{Detail: c.Chain + " is valid for servers only", At: e.sentBy()})
			}
		}
		return out
	}),
}

var brokenClientCertificate = Rule{
	ID: "PS-SND-034", Part: Sending, Severity: High, Since: "1.0",
	Title:  "The client certificate cannot be loaded",
	Why:    "With smtp_tls_cert_file TLS is off for sending, and mail leaves in cleartext. With smtp_tls_chain_files no server sees the certificate.",
	Level:  Must,
	Source: "seen: disabling TLS support",
	Cure:   answer("client-cert", "none", ", or correct the file"),
	Check: when(func(e *Evidence) bool { return len(e.ClientCertificates()) > 0 }, func(e *Evidence) (out []Hit) {
		for _, c := range e.ClientCertificates() {
			if c.Err != nil && !errors.Is(c.Err, fs.ErrPermission) {
				out = append(out, Hit{Detail: c.Chain + " cannot be used: " + c.Fault(), At: e.sentBy()})
			}
		}
		return out
	}),
}
