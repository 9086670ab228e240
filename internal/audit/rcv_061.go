package audit

import (
	"cmp"

	"postseal/internal/detect"
	"postseal/internal/posture"
)

var rcv061 = Rule{
	ID: "PS-RCV-061", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "postscreen offers TLS, and master.cf has no tlsproxy",
	Why:    "Senders that postscreen tests ask for TLS and get 454: they fall back to cleartext or fail. Clients that are exempt from its tests, as this machine is, do not notice.",
	Level:  Must,
	Source: "POSTSCREEN_README, STARTTLS; seen on Postfix 3.7: 454 4.7.0 TLS not available due to local problem",
	Cure:   outside("add this line to master.cf, then postfix reload: tlsproxy unix - - n - 0 tlsproxy"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		name := cmp.Or(e.Config.Text(&l.Service, "tlsproxy_service_name"), "tlsproxy")
		if _, there := e.Config.Master.Find(name, "unix"); !l.Screen || l.TLS.Is == posture.Never || there {
			return ""
		}
		return "has TLS level " + l.TLS.Is.String() + ", and no service " + name + " does TLS for it"
	}, detect.Relay, detect.Submission, detect.Submissions),
}
