package audit

import (
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var snd032 = Rule{
	ID: "PS-SND-032", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "settings for tried and for demanded TLS are mixed up in sending",
	Why:    "The settings named *_mandatory_* count where TLS is demanded, the others where it is tried: what was set here has no effect.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_protocols and smtp_tls_mandatory_protocols",
	Cure:   outside("take what has no effect out, or set the other one"),
	Check: when(sends, func(e *Evidence) (out []Hit) {
		var levels []string
		for _, t := range e.Senders(detect.Default, detect.Some) {
			levels = append(levels, t.Level)
			for _, o := range t.Service.Options {
				if family, ok := wrongFamily(o.Name, "smtp", t.Level); ok && e.Config.Text(nil, "smtp_tls_policy_maps") == "" {
					out = append(out, Hit{Detail: t.Service.ID() + " sets " + o.Name + " at TLS level " + t.Level + ": " + family + " counts", At: postfix.Origin{File: e.Config.MasterPath(), Line: o.Line, Service: t.Service.ID()}})
				}
			}
		}
		if e.Config.Text(nil, "smtp_tls_policy_maps") != "" {
			return out // both are in use
		}
		return append(out, families(e, "smtp", levels)...)
	}),
}
