package audit

import (
	"fmt"
	"time"
)

var crt020 = Rule{
	ID: "PS-CRT-020", Part: Certificates, Severity: High, Since: "1.0",
	Title:  "a certificate in use stayed behind its source",
	Why:    "It was renewed, and Postfix reads a copy of the old one: when that expires, verifying peers hold mail back or fail.",
	Level:  Must,
	Source: "what was found on this machine",
	Cure:   outside("postseal watch gives the command: postseal apply --cert with the newer file"),
	Check: when(func(e *Evidence) bool { return len(e.ShownCertificates())+len(e.ClientCertificates()) > 0 }, func(e *Evidence) (out []Hit) {
		for _, o := range e.Outdated() {
			out = append(out, Hit{Detail: fmt.Sprintf("%s ends %s, and %s has one until %s", o.Shown.Chain, o.Shown.NotAfter.UTC().Format(time.DateOnly), o.Renewed.Chain, o.Renewed.NotAfter.UTC().Format(time.DateOnly)), At: o.Shown.Origin})
		}
		return out
	}),
}
