package audit

var snd013 = Rule{
	ID: "PS-SND-013", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "the client certificate is not good as one",
	Why:    "Servers that check it refuse it, or log it as untrusted.",
	Level:  Should,
	Source: "RFC 5280 section 4.2.1.12: clientAuth",
	Cure:   outside("postseal cert client new"),
	Check: when(func(e *Evidence) bool { return len(e.ClientCertificates()) > 0 }, func(f *Evidence) []Hit {
		var out []Hit
		for _, c := range f.ClientCertificates() {
			if c.Err == nil && c.Algorithm != "" && !c.ClientUse {
				out = append(out, Hit{Detail: c.Chain + " is for servers only", At: f.sentBy()})
			}
		}
		return out
	}),
}
