package audit

import (
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/hint"
)

// usualBundle is the file of CA certificates that the cures name, on Debian and others.
const usualBundle = "/etc/ssl/certs/ca-certificates.crt"

// needCertificate are the questions that have no effect on a server without a certificate.
var needCertificate = []string{"--inbound-level", "--min-protocol", "--submission", "--auth-tls-only"}

// cure is the cure of a rule in the words of this server: with its CA certificates, and
// with its instance of Postfix. Without a certificate that is what has to come first.
func (e *Evidence) cure(text string) string {
	certified := slices.ContainsFunc(e.Certificates, func(c detect.Certificate) bool { return c.Server || len(c.Services) > 0 })
	if !certified && slices.ContainsFunc(needCertificate, func(flag string) bool { return strings.HasPrefix(text, flag) }) {
		return crt001.Cure
	}
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
