package audit

import (
	"slices"

	"postseal/internal/detect"
)

var snd022 = Rule{
	ID: "PS-SND-022", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "one way out has a weaker level than the others",
	Why:    "Mail that takes it is less protected than main.cf says.",
	Level:  May,
	Source: "master(5), -o",
	Cure:   "look at the service in master.cf",
	Check: transports(func(f *Evidence, t detect.Transport) string {
		order := []string{"none", "may", "encrypt", "fingerprint", "dane", "dane-only", "verify", "secure"}
		main := detect.ClientLevel(func(n string) string { return f.Config.Text(nil, n) })
		o, ok := t.Service.Override("smtp_tls_security_level")
		if !ok || t.Level == "none" { // none is a finding of its own
			return ""
		}
		if slices.Index(order, t.Level) < slices.Index(order, main) {
			return "overrides smtp_tls_security_level with " + o.Value + "; main.cf says " + main
		}
		return ""
	}, detect.Default, detect.Some),
}
