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
	Why:     "A server that only sends needs nothing for receiving; one with users needs TLS before passwords.",
	Help: `A router takes mail from other servers on port 25 and passes it on. A mailserver does that too, and
its own users send through it on port 587 or 465, where TLS can and must be demanded. A sender only sends:
nothing outside connects to it, so its receiving side is left as it is.`,
	Choices: []ask.Choice[detect.Role]{
		{Value: detect.Router, Name: "router", Help: "takes mail from other servers, port 25"},
		{Value: detect.Mailserver, Name: "mailserver", Help: "and from its users, port 587 or 465"},
		{Value: detect.Sender, Name: "sender", Help: "only sends"},
	},
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[detect.Role] {
		return suggest(f.Role, ask.Detected, "%s", f.RoleWhy)
	},
}
