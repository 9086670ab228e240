package audit

import "postseal/internal/detect"

var crt012 = Rule{
	ID: "PS-CRT-012", Part: Certificates, Severity: Note, Since: "1.0",
	Title:  "the certificate is the sample one of the distribution",
	Why:    "It says nothing about this server, and many have its kind.",
	Level:  May,
	Source: "Debian, ssl-cert",
	Cure:   order("postseal cert obtain"),
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if f.Sample != "" && c.Fingerprint == f.Sample {
			return "is the snakeoil certificate" // or a copy of it
		}
		return ""
	}),
}
