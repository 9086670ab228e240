package interview

import (
	"strings"

	"postseal/internal/ask"
	"postseal/internal/hint"
)

// The answers to the question about policies.
const (
	// PolicyKey is the key of the question.
	PolicyKey = "policy"
	// PolicyEvidence is the table that postseal policy sync keeps.
	PolicyEvidence = "evidence"
	// PolicyNone is no such table.
	PolicyNone = "none"
)

// policies decides whether Postfix reads the table of policies that is kept here.
var policies = &ask.Question[string, Facts]{
	Key:     PolicyKey,
	Section: SectionSending,
	Title:   "Should destinations have TLS policies of their own?",
	Why:     "One level for all destinations lets an attacker on the network path force cleartext even towards servers that always support TLS.",
	Help: `evidence adds the table that postseal policy sync keeps to smtp_tls_policy_maps, after your own tables, whose entries count.
Each entry has a reason, and is withdrawn before mail is stranded. Enable the timer postseal-policy.timer, so that it
stays current. none leaves the table out; your own tables stay.`,
	Choices: []ask.Choice[string]{
		{Value: PolicyEvidence, Name: PolicyEvidence, Help: "the table that postseal policy sync keeps"},
		{Value: PolicyNone, Name: PolicyNone, Help: "what the sending level says, for all destinations"},
	},
	When:  func(f Facts, _ *ask.Answers) bool { return f.PolicyTable != "" },
	Needs: "a table of policies, which postseal policy sync DOMAIN... builds",
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[string] {
		if strings.Contains(f.Config.Text(nil, "smtp_tls_policy_maps"), f.PolicyTable) {
			return suggest(PolicyEvidence, ask.Detected, "Postfix reads the table now")
		}
		return suggest(PolicyNone, ask.Default, "nothing is added unasked")
	},
	Check: func(v string, f Facts, _ *ask.Answers) error {
		if v == PolicyEvidence && f.Config.Text(nil, "smtp_tls_policy_maps") == "" && f.Config.Text(nil, "smtp_tls_per_site") != "" {
			return hint.New("evidence would disable smtp_tls_per_site, which Postfix ignores once smtp_tls_policy_maps is set", "move its entries to a table of your own in smtp_tls_policy_maps first")
		}
		return nil
	},
	Now: func(f Facts) string { return now(f, "smtp_tls_policy_maps") },
}
