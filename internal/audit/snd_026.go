package audit

import (
	"crypto/sha256"
	"encoding/hex"
)

var snd026 = Rule{
	ID: "PS-SND-026", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "the own certificate is set as the CA file",
	Why:    "This server then trusts itself and no CA: every destination is logged as Untrusted, and policies that verify hold mail back.",
	Level:  Should,
	Source: "TLS_README, client-side CA; seen in widely used set-up scripts",
	Cure:   answer("ca-file", "/etc/ssl/certs/ca-certificates.crt"),
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
