package audit

import (
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var snd020 = Rule{
	ID: "PS-SND-020", Part: Sending, Severity: High, Since: "1.0",
	Title:  "a filter or mailbox on this machine must have TLS",
	Why:    "The global level counts for it too; most have no TLS, and mail to them is held back.",
	Level:  Should,
	Source: "TLS_README, global settings",
	Cure:   override("smtp_tls_security_level", "none"),
	Check: when(sends, func(e *Evidence) (out []Hit) {
		for _, t := range e.Senders(detect.Inside) {
			if demands(t.Level) {
				out = append(out, Hit{Detail: t.Service.ID() + " hands mail to a program here at TLS level " + t.Level, At: postfix.Origin{File: e.Config.MasterPath(), Line: t.Service.Line}})
			}
		}
		if filter := e.Config.Value(nil, "content_filter"); filter.Text != "" {
			transport, hop, _ := strings.Cut(filter.Text, ":")
			for _, t := range e.Senders(detect.Default) {
				if t.Service.Name == transport && demands(t.Level) && e.PolicyFor(hop) == nil {
					out = append(out, Hit{Detail: "content_filter goes through " + t.Service.ID() + " at TLS level " + t.Level, At: filter.Origin})
				}
			}
		}
		return out
	}),
}
