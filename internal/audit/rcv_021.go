package audit

import (
	"slices"

	"postseal/internal/detect"
)

var rcv021 = Rule{
	ID: "PS-RCV-021", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "postscreen has another TLS level than the smtpd behind it",
	Why:    "Some clients are served with TLS and some without, depending on which of the two answers.",
	Level:  Should,
	Source: "POSTSCREEN_README, TLS",
	Cure:   drop("postscreen_tls_security_level").or(", and a level of its own from the smtpd behind it"),
	Check: when(func(e *Evidence) bool {
		return slices.ContainsFunc(e.Listeners, func(l detect.Listener) bool { return l.Screened })
	}, func(e *Evidence) (out []Hit) {
		all := e.Posture().Listeners
		for i, behind := range all {
			if i == 0 || behind.Screen || !all[i-1].Screen || all[i-1].At.Service.ID() != behind.At.Service.ID() {
				continue
			}
			if screen := all[i-1]; screen.TLS.Is != behind.TLS.Is {
				out = append(out, Hit{Detail: screen.ID() + " has TLS level " + screen.TLS.Is.String() + ", " + behind.ID() + " has " + behind.TLS.Is.String(), At: e.place(screen.TLS.Origin, screen.Service)})
			}
		}
		return out
	}),
}
