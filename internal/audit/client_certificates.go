package audit

import (
	"errors"
	"io/fs"
	"slices"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
)

// clientCertificatesRules are the rules about certificates that clients are asked for.
var clientCertificatesRules = []Rule{
	certificateRequested, certificateRequired, needlessCAFile, serverOnlyCertificates,
	openRelayByCertificate,
}

var certificateRequested = Rule{
	ID: "PS-RCV-013", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Sending servers are asked for a client certificate",
	Why:    "A few senders fail when they are asked, and hardly any have a certificate to present.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_ask_ccert: SHOULD NOT without need",
	Cure:   drop("smtpd_tls_ask_ccert"),
	Check: listeners(byClientCertificate, func(e *Evidence, l posture.Listener) string {
		if l.ClientCertificate.Is == posture.Offered && !e.decidesByCertificate(l.Service) {
			return "asks for a client certificate"
		}
		return ""
	}, detect.Relay),
}

var certificateRequired = Rule{
	ID: "PS-RCV-014", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "Sending servers must have a client certificate",
	Why:    "Hardly any server has one: mail from all others is refused.",
	Level:  Must,
	Source: "postconf(5), smtpd_tls_req_ccert",
	Cure:   drop("smtpd_tls_req_ccert"),
	Check: listeners(byClientCertificate, func(e *Evidence, l posture.Listener) string {
		machines := !l.At.OnPort25() && e.decidesByCertificate(l.Service) // a port for those that are listed
		if l.ClientCertificate.Is == posture.Mandatory && !e.privateRelay(l.At) && !machines {
			return "requires a client certificate"
		}
		return ""
	}, detect.Relay),
}

var needlessCAFile = Rule{
	ID: "PS-RCV-015", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "smtpd_tls_CAfile is set but not needed",
	Why:    "No client certificate is requested, and no chain needs an issuer from the file; but if the file is ever missing, TLS is off.",
	Level:  May,
	Source: "TLS_README, server-side CA; seen: a missing smtpd_tls_CAfile ends server TLS",
	Cure:   drop("smtpd_tls_CAfile"),
	Check: parameter("smtpd_tls_CAfile", func(e *Evidence, v postfix.Value) string {
		if v.Text == "" || e.Config.Bool(nil, "smtpd_tls_ask_ccert") || e.Config.Bool(nil, "smtpd_tls_req_ccert") {
			return ""
		}
		if !slices.ContainsFunc(e.ShownCertificates(), func(c detect.Certificate) bool {
			return c.CompletedBy == v.Text || sentLonger(e, c) || errors.Is(c.Err, fs.ErrPermission)
		}) {
			return "is set, and no client certificate is requested"
		}
		return ""
	}),
}

var serverOnlyCertificates = Rule{
	ID: "PS-RCV-042", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Most client certificates are not trusted",
	Why:    "Postfix before 3.12 does not trust a certificate without clientAuth, which public CAs no longer issue: where a certificate is required, such a client is refused.",
	Level:  May,
	Source: "postconf(5), tls_trust_server_ccerts; seen: 421 at smtpd_tls_req_ccert",
	Cure:   outside("list fingerprints in relay_clientcerts; or, if no public CA is trusted there, set tls_trust_server_ccerts = yes (3.12 and later)"),
	Check: listeners(byClientCertificate, func(e *Evidence, l posture.Listener) string {
		if l.ClientCertificate.Is == posture.Never || e.Config.Bool(&l.Service, "tls_trust_server_ccerts") {
			return ""
		}
		if e.Config.Text(&l.Service, "relay_clientcerts") != "" {
			return "" // fingerprints need no trust
		}
		if why, _ := e.openRelay(l.Service); why != "" {
			return "" // PS-RCV-052 has it, and trusting more of them would make it worse
		}
		return "asks for a certificate and trusts only those issued for clients"
	}, detect.Relay, detect.Submission, detect.Submissions),
}

var openRelayByCertificate = Rule{
	ID: "PS-RCV-052", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "Every client with a certificate from a public CA may relay",
	Why:    "Anyone can get a certificate from a public CA and send spam through this server: it is an open relay, and blocklists will list it.",
	Level:  Must,
	Source: "postconf(5), permit_tls_all_clientcerts: use only with a CA that issues to your own clients; seen: 250 for a recipient elsewhere",
	Cure:   outside("list the clients' fingerprints in relay_clientcerts and replace permit_tls_all_clientcerts with permit_tls_clientcerts, or let smtpd_tls_CAfile name your own CA alone"),
	Check: when(receives, func(e *Evidence) (out []Hit) {
		for _, s := range e.servers() {
			if why, at := e.openRelay(s); why != "" {
				out = append(out, Hit{Detail: s.ID() + " " + why, At: at})
			}
		}
		return out
	}),
}
