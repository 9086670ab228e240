package audit

import (
	"strings"

	"postseal/internal/detect"
)

var snd020 = Rule{
	ID: "PS-SND-020", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "a filter or mailbox on this machine must have TLS",
	Why:    "The global level counts for it too; most have no TLS, and mail to them is held back.",
	Level:  Should,
	Source: "TLS_README, global settings",
	Cure:   "-o smtp_tls_security_level=none for that service, in master.cf",
	Check: when(func(e *Evidence) bool { return e.Config.Text(nil, "content_filter") != "" }, func(f *Evidence) []Hit {
		level := detect.ClientLevel(func(n string) string { return f.Config.Text(nil, n) })
		if level == "none" || level == "may" || level == "dane" {
			return nil
		}
		filter := f.Config.Value(nil, "content_filter")
		if transport, _, ok := strings.Cut(filter.Text, ":"); ok && transport != "" {
			for _, t := range f.Transports {
				if t.Service.Name == transport && t.Level == level {
					return []Hit{{Detail: "content_filter goes through " + t.Service.ID() + " at TLS level " + level, At: filter.Origin}}
				}
			}
		}
		return nil
	}),
}
