package audit

var rcv035 = Rule{
	ID: "PS-RCV-035", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "a hole in the list of versions",
	Why:    "OpenSSL turns everything above a version that is left out off: the server speaks the oldest one alone.",
	Level:  Must,
	Source: "OpenSSL, SSL_CTX_set_options(3); seen: TLS 1.0 alone",
	Cure:   "--min-protocol TLSv1.2",
	Check: when(receives, func(e *Evidence) (out []Hit) {
		for _, name := range []string{"smtpd_tls_protocols", "smtpd_tls_mandatory_protocols"} {
			v := e.Config.Value(nil, name)
			if below, above, ok := gap(v.Text); v.Set && ok {
				out = append(out, Hit{Detail: name + " leaves out what is between " + below + " and " + above, At: v.Origin})
			}
		}
		return out
	}),
}
