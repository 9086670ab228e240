package interview

import (
	"path/filepath"

	"postseal/internal/ask"
	"postseal/internal/hint"
)

// ReloadDovecot is the answer that means Dovecot; others are programs.
const ReloadDovecot = "dovecot"

func (o *Order) aboutOthers() {
	o.alsoReload = optional(ask.Question[string, Facts]{
		Key:   "also-reload",
		Title: "Who else uses the certificate?",
		Why:   "Postfix is reloaded and proved; another program goes on showing the old certificate until it is told.",
		Help: `dovecot runs "doveadm reload" after each renewal; set ssl_cert and ssl_key of Dovecot to the file of key and chain. A
program of yours is run as root with the name of that file. If it fails, the certificate stays, and the run ends with
an error.`,
		Choices:     []ask.Choice[string]{{Value: "", Name: "none", Help: "Postfix alone"}, {Value: ReloadDovecot, Name: ReloadDovecot, Help: "doveadm reload"}},
		Placeholder: "/path/to/program",
		Parse: func(texts []string) (string, error) {
			if !filepath.IsAbs(texts[0]) {
				return "", hint.New("neither dovecot nor an absolute path", "give dovecot, none, or a program as /path/to/program")
			}
			return texts[0], nil
		},
		Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
			if o.web.Dovecot {
				return suggest(ReloadDovecot, ask.Detected, "Dovecot runs here")
			}
			return suggest("", ask.Default, "no Dovecot was found here")
		},
		Sure: func(Facts, *ask.Answers) bool { return !o.web.Dovecot },
	}, "")
}
