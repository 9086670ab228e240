package interview

import (
	"path/filepath"

	"postseal/internal/ask"
	"postseal/internal/hint"
)

// ReloadDovecot is the answer for Dovecot; other answers are programs.
const ReloadDovecot = "dovecot"

func (o *Order) aboutOthers() {
	o.alsoReload = optional(ask.Question[string, Facts]{
		Key:   "also-reload",
		Title: "Other programs that use the certificate",
		Why:   "Postfix is reloaded and verified; other programs keep presenting the old certificate until they are reloaded.",
		Help: `dovecot runs "doveadm reload" after each renewal; set ssl_cert and ssl_key of Dovecot to the file with key and chain.
A program of your own runs as root with the name of that file. If it fails, the certificate stays in place, and the
run ends with an error.`,
		Choices:     []ask.Choice[string]{{Value: "", Name: "none", Help: "only Postfix"}, {Value: ReloadDovecot, Name: ReloadDovecot, Help: "doveadm reload"}},
		Placeholder: "/path/to/program",
		Parse: func(texts []string) (string, error) {
			if !filepath.IsAbs(texts[0]) {
				return "", hint.New("neither dovecot nor an absolute path", "use dovecot, none, or the absolute path of a program")
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
