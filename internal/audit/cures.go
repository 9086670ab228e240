package audit

import (
	"strings"

	"postseal/internal/hint"
)

// usualBundle is the file of CA certificates that the cures name, on Debian and others.
const usualBundle = "/etc/ssl/certs/ca-certificates.crt"

// cure is the cure of a rule in the words of this server: with its CA certificates, and
// with its instance of Postfix.
func (e *Evidence) cure(text string) string {
	if strings.Contains(text, "--ca-file "+usualBundle) && e.Bundle.Path != usualBundle {
		if e.Bundle.Path == "" {
			return "install the CA certificates of the distribution, mostly the package ca-certificates; then run postseal again"
		}
		text = strings.ReplaceAll(text, usualBundle, e.Bundle.Path)
	}
	if e.Config.Dir != "/etc/postfix" && e.Config.Dir != "" {
		for _, command := range []string{"reload", "start", "status"} {
			text = strings.ReplaceAll(text, "postfix "+command, hint.ShellLine([]string{"postfix", "-c", e.Config.Dir, command}))
		}
		text = strings.ReplaceAll(text, "postconf ", hint.ShellLine([]string{"postconf", "-c", e.Config.Dir})+" ")
	}
	return text
}
