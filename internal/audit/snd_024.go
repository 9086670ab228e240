package audit

import (
	"slices"

	"postseal/internal/rehearse"
)

var snd024 = Rule{
	ID: "PS-SND-024", Part: Sending, Severity: Note, Since: "1.0",
	Title:  "whoever is on the way can have mail in clear text",
	Why:    "At level may nothing tells a server without TLS from one whose offer was taken out on the way. For destinations that publish TLSA records DANE tells; for others a policy can.",
	Level:  May,
	Source: "RFC 7435; seen: STARTTLS taken out, then clear text",
	Cure:   answer("outbound-level", "dane", ", or smtp_tls_policy_maps for those who matter"),
	Check: when(encrypts, trials(func(t rehearse.Trial) bool {
		return t.Verdict == rehearse.Noted && (t.Outcome == rehearse.InClear || t.Clear != "")
	}).Find),
}

// encrypts says whether any mail of the rehearsal went encrypted: where none does,
// there is no offer to take out.
func encrypts(e *Evidence) bool {
	return e.Sent != nil && slices.ContainsFunc(e.Sent.Trials, func(t rehearse.Trial) bool {
		return t.Outcome == rehearse.Encrypted || t.Outcome == rehearse.Verified
	})
}
