package audit

import "postseal/internal/rehearse"

var snd023 = Rule{
	ID: "PS-SND-023", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "mail does not leave as it should",
	Why:    "A private copy of this server sent to servers of known behaviour: what should work does not, or what should be refused goes out.",
	Level:  Must,
	Source: "what the rehearsal found",
	Cure:   outside("postseal rehearse --current"),
	Check:  trials(func(t rehearse.Trial) bool { return t.Verdict == rehearse.Failed }),
}
