package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/rehearse"
)

// sendingTrustRules are the rules about the CAs that are trusted for sending.
var sendingTrustRules = []Rule{
	noTrustAnchors, missingCAFile, smallCAFile, unreachableCAs, policiesUnverifiable,
	ownCertificateAsCA,
}

var noTrustAnchors = Rule{
	ID: "PS-SND-006", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "No CA certificates are set for sending",
	Why:    "Every destination is logged as Untrusted, and no policy can verify a server.",
	Level:  Should,
	Source: "TLS_README, client-side CA",
	Cure:   answer("ca-file", usualBundle).leaving("smtp_tls_CAfile"),
	Check: routes(ofRoute, func(e *Evidence, r posture.Route) string {
		if r.Level.Is != "none" && r.Level.Is != "" && e.outside(r) && len(r.Trust) == 0 {
			return "trusts no CA"
		}
		return ""
	}, detect.Default),
}

var missingCAFile = Rule{
	ID: "PS-SND-007", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "The CA file for sending does not exist",
	Why:    "TLS is off: at level may all mail leaves in cleartext, and only an informational log line says so.",
	Level:  Must,
	Source: "seen: cannot load Certification Authority data",
	Cure:   answer("ca-file", usualBundle).leaving("smtp_tls_CAfile"),
	Check:  problems(postfix.Sending, func(_ *Evidence, p detect.Problem) bool { return strings.HasSuffix(p.Parameter, "_CAfile") }, detect.TLSOff),
}

var smallCAFile = Rule{
	ID: "PS-SND-008", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "The CA file for sending holds few certificates",
	Why:    "Nearly every destination is logged as Untrusted: the file is often the server's own chain.",
	Level:  Should,
	Source: "TLS_README, client-side CA",
	Cure:   answer("ca-file", usualBundle).leaving("smtp_tls_CAfile"),
	Check: when(sends, func(e *Evidence) []Hit {
		path := e.Config.Text(nil, "smtp_tls_CAfile")
		if b, ok := e.CAFiles[path]; ok && path != "" && b.Err == nil && len(b.Certs) < 20 && e.Config.Text(nil, "smtp_tls_CApath") == "" && !e.Config.Bool(nil, "tls_append_default_CA") && len(ownCertificateAsCA.Find(e)) == 0 {
			return []Hit{{Detail: fmt.Sprintf("%s holds %d certificates", path, len(b.Certs)), At: e.Config.Value(nil, "smtp_tls_CAfile").Origin}}
		}
		return nil
	}),
}

var unreachableCAs = Rule{
	ID: "PS-SND-009", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "CA certificates are outside the chroot of smtp",
	Why:    "smtp reads the directory inside its chroot: every destination is logged as Untrusted.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_CApath",
	Cure:   answer("ca-file", usualBundle).leaving("smtp_tls_CAfile"),
	Check: when(sends, func(e *Evidence) (out []Hit) {
		for _, t := range e.Senders(detect.Default) {
			if v := e.Config.Value(&t.Service, "smtp_tls_CApath"); t.Blind {
				out = append(out, Hit{Detail: t.Service.ID() + " runs in a chroot, and " + v.Text + " is not there", At: v.Origin, service: t.Service.ID()})
			}
		}
		return out
	}),
}

var policiesUnverifiable = Rule{
	ID: "PS-SND-025", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "Policies that verify a server cannot succeed",
	Why:    "The public CAs are not trusted for sending: at levels verify and secure all mail is deferred.",
	Level:  Should,
	Source: "seen: secure match= to a server with a public certificate",
	Cure:   answer("ca-file", usualBundle).leaving("smtp_tls_CAfile"),
	Check: trials(func(t rehearse.Trial) bool {
		return t.Verdict == rehearse.Noted && t.Cause != nil && t.Cause.Parameter == "smtp_tls_CAfile"
	}),
}

var ownCertificateAsCA = Rule{
	ID: "PS-SND-026", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "The server's own certificate is set as the CA file",
	Why:    "This server then trusts itself and no CA: every destination is logged as Untrusted, and policies that verify hold mail back.",
	Level:  Should,
	Source: "TLS_README, client-side CA; seen in widely used set-up scripts",
	Cure:   answer("ca-file", usualBundle).leaving("smtp_tls_CAfile"),
	Check: when(sends, func(e *Evidence) []Hit {
		v := e.Config.Value(nil, "smtp_tls_CAfile")
		if v.Text == "" || e.Config.Text(nil, "smtp_tls_CApath") != "" || e.Config.Bool(nil, "tls_append_default_CA") {
			return nil
		}
		for _, c := range e.Certificates {
			if !c.Server && !c.Client {
				continue
			}
			for _, trusted := range e.CAFiles[v.Text].Certs {
				if sum := sha256.Sum256(trusted.Raw); !trusted.IsCA && hex.EncodeToString(sum[:]) == c.Fingerprint {
					return []Hit{{Detail: "smtp_tls_CAfile is " + v.Text + ", which holds the certificate of " + c.Chain, At: v.Origin}}
				}
			}
		}
		return nil
	}),
}
