package audit

import (
	"fmt"
)

var snd008 = Rule{
	ID: "PS-SND-008", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "the CA file for sending is hardly one",
	Why:    "With so few certificates nearly every server is Untrusted: often it is one's own chain.",
	Level:  Should,
	Source: "TLS_README, client-side CA",
	Cure:   answer("ca-file", "/etc/ssl/certs/ca-certificates.crt"),
	Check: when(sends, func(f *Evidence) []Hit {
		path := f.Config.Text(nil, "smtp_tls_CAfile")
		if b, ok := f.CAFiles[path]; ok && path != "" && b.Err == nil && len(b.Certs) < 20 && f.Config.Text(nil, "smtp_tls_CApath") == "" && !f.Config.Bool(nil, "tls_append_default_CA") && len(snd026.Find(f)) == 0 {
			return []Hit{{Detail: fmt.Sprintf("%s holds %d certificates", path, len(b.Certs)), At: f.Config.Value(nil, "smtp_tls_CAfile").Origin}}
		}
		return nil
	}),
}
