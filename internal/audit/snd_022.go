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
	Cure:   outside("look at the service in master.cf"),
	Check: transports(func(f *Evidence, t detect.Transport) string {
		main := detect.ClientLevel(func(n string) string { return f.Config.Text(nil, n) })
		o, ok := t.Service.Override("smtp_tls_security_level")
		if !ok || t.Level == "none" { // none is a finding of its own
			return ""
		}
		if weaker(t.Level, main) {
			return "overrides smtp_tls_security_level with " + o.Value + "; main.cf says " + main
		}
		return ""
	}, detect.Default, detect.Some),
}

// weaker reports whether one TLS level protects all mail less than another does. dane
// and encrypt are not ranked: one verifies the servers with TLSA records and lets the
// others have cleartext, the other requires TLS of all and verifies none.
func weaker(level, than string) bool {
	return slices.Contains(map[string][]string{
		"may":         {"none"},
		"encrypt":     {"none", "may"},
		"dane":        {"none", "may"},
		"dane-only":   {"none", "may", "encrypt", "dane"},
		"fingerprint": {"none", "may", "encrypt", "dane"},
		"verify":      {"none", "may", "encrypt", "dane"},
		"secure":      {"none", "may", "encrypt", "dane", "verify"},
	}[than], level)
}
