package audit

var rcv034 = Rule{
	ID: "PS-RCV-034", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "settings for offered and for demanded TLS are mixed up",
	Why:    "The settings named *_mandatory_* count where TLS is demanded, the others where it is offered: what was set here has no effect.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_protocols and smtpd_tls_mandatory_protocols",
	Cure:   "--min-protocol TLSv1.2, which sets both",
	Check: when(receives, func(e *Evidence) (out []Hit) {
		offered, demanded := false, false
		for _, l := range e.receivers() {
			offered, demanded = offered || l.Level == "may", demanded || l.Level == "encrypt"
		}
		for _, name := range []string{"protocols", "ciphers", "exclude_ciphers"} {
			may, must := e.Config.Value(nil, "smtpd_tls_"+name), e.Config.Value(nil, "smtpd_tls_mandatory_"+name)
			switch {
			case must.Set && !may.Set && offered && !demanded:
				out = append(out, Hit{Detail: "smtpd_tls_mandatory_" + name + " is set, and no listener demands TLS: smtpd_tls_" + name + " counts", At: must.Origin})
			case may.Set && !must.Set && demanded && !offered && name != "exclude_ciphers":
				out = append(out, Hit{Detail: "smtpd_tls_" + name + " is set, and every listener demands TLS: smtpd_tls_mandatory_" + name + " counts", At: may.Origin})
			}
		}
		return out
	}),
}
