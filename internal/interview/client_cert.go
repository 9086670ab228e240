package interview

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/ask"
)

// ClientCertificate is the answer to clientCert: none, keep, or a path.
type ClientCertificate string

// The answers that are no paths.
const (
	ClientNone ClientCertificate = "none"
	ClientKeep ClientCertificate = "keep"
)

// Path is the file, or "" for none and keep.
func (c ClientCertificate) Path() string {
	if c == ClientNone || c == ClientKeep {
		return ""
	}
	return string(c)
}

// clientCert chooses the certificate that this server presents when it sends.
var clientCert = &ask.Question[ClientCertificate, Facts]{
	Key:     "client-cert",
	Section: SectionSending,
	Title:   "Client certificate for outgoing mail",
	Why:     "Servers on the Internet accept mail without one; an unsuitable one can stop delivery to a server that asks for it.",
	Help: `postconf(5): "Do not configure client certificates unless you must present client TLS certificates to one
or more servers." Most public CAs stopped issuing certificates for client use in 2025 and 2026; DigiCert still does on
request, until 2027-03-01. A server that requires a trusted client certificate rejects one that is for servers only,
with 421. If a partner asks for one, use a dedicated certificate that the partner identifies by its fingerprint: it
lasts longest. Exchange Online connectors do not accept such a certificate: theirs must come from a public CA and name
an accepted domain of the tenant.`,
	Choices: []ask.Choice[ClientCertificate]{
		{Value: ClientNone, Name: "none", Help: "recommended by Postfix"},
		{Value: ClientKeep, Name: "keep", Help: "leave the current certificate in place"},
	},
	Placeholder: "/path/to/client.pem",
	Parse: func(texts []string) (ClientCertificate, error) {
		return ClientCertificate(texts[0]), absolute(texts[0])
	},
	Format: func(v ClientCertificate) []string { return []string{string(v)} },
	Hide: func(v ClientCertificate, f Facts, _ *ask.Answers) string {
		if v == ClientKeep && len(f.ClientCertificates()) == 0 {
			return "none is in use"
		}
		return ""
	},
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[ClientCertificate] {
		evidence, refused := ClientEvidence(f)
		if used := f.ClientCertificates(); len(used) > 0 {
			why := "one is in use; " + evidence
			if used[0].Err == nil && !used[0].ClientUse {
				why = "one is in use, but it is not valid for clients: a server that requires one would refuse it"
			}
			return suggest(ClientKeep, ask.Detected, "%s", why)
		}
		if refused {
			return suggest(ClientNone, ask.Detected, "%s; create one for that peer, and never use the server's own: postseal cert client new", evidence)
		}
		return suggest(ClientNone, ask.Default, "Postfix advises against one unless a partner asks for it, and %s", evidence)
	},
	Files: func(v ClientCertificate) []string {
		if p := v.Path(); p != "" {
			return []string{p}
		}
		return nil
	},
	Check: func(v ClientCertificate, f Facts, _ *ask.Answers) error {
		if v.Path() == "" {
			return nil
		}
		return checkChains(f, []string{v.Path()}, func(c certs.Facts) bool { return c.ClientUse }, "client")
	},
	Now: func(f Facts) string {
		var out []string
		for _, c := range f.ClientCertificates() {
			out = append(out, c.Chain+" ("+c.Origin.String()+")")
		}
		if out == nil {
			return "none"
		}
		return strings.Join(out, ", ")
	},
}

// ClientEvidence describes what the log says about servers that ask for a client
// certificate, and reports whether one refused mail for lack of it.
func ClientEvidence(f Facts) (text string, refused bool) {
	w := f.Wanted
	span := "in the log"
	if w.Days > 0 {
		span = fmt.Sprintf("in %d days of the log", w.Days)
	}
	switch {
	case !w.Seen:
		return "whether any server asks for one is unknown: the log could not be read", false
	case len(w.By) == 0 && (w.Told == 0 || w.Untold > 0) && len(f.ClientCertificates()) > 0:
		return "whether any server asks for one is unknown: for TLS 1.2, Postfix logs this only at smtp_tls_loglevel 2", false
	case len(w.By) == 0 && w.Sent == 0:
		return "the log contains no deliveries yet", false
	case len(w.By) == 0:
		return fmt.Sprintf("%s no server refused mail for lack of one (%d deliveries)", span, w.Sent), false
	}
	x := w.By[0]
	if x.Refused {
		return fmt.Sprintf("%s %s refused mail for lack of one (%d times)", span, x.Peer, x.Times), true
	}
	if len(f.ClientCertificates()) > 0 {
		return fmt.Sprintf("%s %s asked for one (%d times)", span, x.Peer, x.Times), false
	}
	return fmt.Sprintf("%s %s asked for one but accepted mail without it (%d times)", span, x.Peer, x.Times), false
}

// clientKey names the key of the client certificate, if it is not in the file.
var clientKey = &ask.Question[string, Facts]{
	Key:         "client-key",
	Section:     SectionSending,
	Title:       "Private key file of the client certificate",
	Why:         "Without the key, Postfix sends without a certificate.",
	Help:        `The file with the private key, without a passphrase.`,
	Placeholder: "/path/to/client.key",
	Parse: func(texts []string) (string, error) {
		return texts[0], absolute(texts[0])
	},
	Needs: "a client certificate (--client-cert) whose key is in another file",
	When: func(f Facts, a *ask.Answers) bool {
		path := clientCert.Get(f, a).Path()
		if path == "" {
			return false
		}
		_, own, _ := f.KeyFor(path)
		return !own
	},
	Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[string] {
		if path, own, ok := f.KeyFor(clientCert.Get(f, a).Path()); ok && !own {
			return suggest(path, ask.Detected, "it belongs to that certificate")
		}
		return ask.Suggestion[string]{Why: "no key for that certificate was found"}
	},
	Sure: func(f Facts, a *ask.Answers) bool { return keysFound(f, clientCert.Get(f, a).Path()) },
	Check: func(v string, f Facts, a *ask.Answers) error {
		return checkKeys(f, []string{clientCert.Get(f, a).Path()}, []string{v})
	},
	Files: func(v string) []string { return slices.DeleteFunc([]string{v}, func(s string) bool { return s == "" }) },
}

func isAuthority(c *x509.Certificate) bool { return c.IsCA }
