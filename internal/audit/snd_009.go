package audit

import "postseal/internal/detect"

var snd009 = Rule{
	ID: "PS-SND-009", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "CA certificates lie where smtp cannot see them",
	Why:    "It runs in a chroot and reads the folder there: every server is Untrusted.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_CApath",
	Cure:   answer("ca-file", "/etc/ssl/certs/ca-certificates.crt"),
	Check: transports(func(f *Evidence, t detect.Transport) string {
		if t.Blind {
			return "runs in a chroot, and " + f.Config.Text(&t.Service, "smtp_tls_CApath") + " is not there"
		}
		return ""
	}, detect.Default),
}
