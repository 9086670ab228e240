package audit

import (
	"errors"
	"io/fs"
)

var snd034 = Rule{
	ID: "PS-SND-034", Part: Sending, Severity: High, Since: "1.0",
	Title:  "the client certificate cannot be loaded",
	Why:    "With smtp_tls_cert_file TLS is off for sending: mail leaves in clear text. With smtp_tls_chain_files nobody sees the certificate.",
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
