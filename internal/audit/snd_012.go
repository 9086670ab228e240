package audit

var snd012 = Rule{
	ID: "PS-SND-012", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "a client certificate is shown that nobody asked for",
	Why:    "It does no good, and a few servers fail at it.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_cert_file: do not configure client certificates unless you must",
	Cure:   answer("client-cert", "none"),
	Check: when(func(e *Evidence) bool {
		return len(e.ClientCertificates()) > 0 && e.Wanted.Told > 0 && e.Wanted.Untold == 0
	}, func(f *Evidence) []Hit {
		if !f.Wanted.Seen || len(f.Wanted.By) > 0 {
			return nil
		}
		return []Hit{{Detail: f.ClientCertificates()[0].Chain + ": nobody asked for it in the log", At: f.sentBy()}}
	}),
}
