package audit

import (
	"slices"
	"strings"

	"postseal/internal/detect"
)

var rcv021 = Rule{
	ID: "PS-RCV-021", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "postscreen has another TLS level than the smtpd behind it",
	Why:    "Some clients are served with TLS and some without, depending on which of the two answers.",
	Level:  Should,
	Source: "POSTSCREEN_README, TLS",
	Cure:   "take postscreen_tls_security_level out of main.cf",
	Check: when(func(e *Evidence) bool {
		return slices.ContainsFunc(e.Listeners, func(l detect.Listener) bool { return l.Screened })
	}, func(f *Evidence) []Hit {
		v := f.Config.Value(nil, "postscreen_tls_security_level")
		if !v.Set || v.Text == "" {
			return nil
		}
		if behind := f.Config.Text(nil, "smtpd_tls_security_level"); !strings.EqualFold(behind, v.Text) {
			return []Hit{{Detail: "postscreen_tls_security_level is " + v.Text + ", smtpd_tls_security_level " + behind, At: v.Origin}}
		}
		return nil
	}),
}
