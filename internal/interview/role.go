package interview

import (
	"postseal/internal/ask"
	"postseal/internal/detect"
)

// role decides which parts of the block are written.
var role = &ask.Question[detect.Role, Facts]{
	Key:     "role",
	Section: SectionServer,
	Title:   "What kind of mail server is this?",
	Why:     "A server that only sends needs no settings for receiving; one with users needs TLS before passwords.",
	Help: `A router accepts mail from other servers on port 25 and passes it on. A mailserver does that too, and
its own users send through it on port 587 or 465, where TLS can and must be required. A sender only sends:
no other host connects to it, so its settings for receiving are left unchanged.`,
	Choices: []ask.Choice[detect.Role]{
		{Value: detect.Router, Name: "router", Help: "accepts mail from other servers, port 25"},
		{Value: detect.Mailserver, Name: "mailserver", Help: "also from its users, port 587 or 465"},
		{Value: detect.Sender, Name: "sender", Help: "only sends"},
	},
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[detect.Role] {
		return suggest(f.Role, ask.Detected, "%s", f.RoleWhy)
	},
}
