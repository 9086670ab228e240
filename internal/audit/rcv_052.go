package audit

var rcv052 = Rule{
	ID: "PS-RCV-052", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "every client with a certificate from a public CA may relay",
	Why:    "Anyone can get a certificate from a public CA and send spam to the whole world through this server: an open relay, which blocklists soon list.",
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
