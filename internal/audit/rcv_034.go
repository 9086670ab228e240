package audit

import "postseal/internal/postfix"

var rcv034 = Rule{
	ID: "PS-RCV-034", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "settings for offered and for demanded TLS are mixed up",
	Why:    "The settings named *_mandatory_* count where TLS is demanded, the others where it is offered: what was set here has no effect.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_protocols and smtpd_tls_mandatory_protocols",
	Cure:   answer("min-protocol", "TLSv1.2", ", which sets both"),
	Check: when(receives, func(e *Evidence) (out []Hit) {
		var levels []string
		for _, l := range e.receivers() {
			level := l.TLS.Is.String()
			levels = append(levels, level)
			for _, o := range l.Service.Options {
				if family, ok := wrongFamily(o.Name, "smtpd", level); ok {
					if _, both := l.Service.Override(family); !both {
						out = append(out, Hit{Detail: l.Service.ID() + " sets " + o.Name + " at TLS level " + level + ": " + family + " counts", At: postfix.Origin{File: e.Config.MasterPath(), Line: o.Line, Service: l.Service.ID()}})
					}
				}
			}
		}
		return append(out, families(e, "smtpd", levels)...)
	}),
}
