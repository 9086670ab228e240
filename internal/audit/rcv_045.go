package audit

import (
	"slices"
	"strings"

	"postseal/internal/probe"
)

var rcv045 = Rule{
	ID: "PS-RCV-045", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "handshakes are signed with SHA-1 if a client wants it",
	Why:    "Both sides sign with the best they have in common, so only senders of before 2010 get it; but testers fail the server for it.",
	Level:  Must,
	Source: "RFC 9155 section 4; NCSC-NL 2025-05: insufficient",
	Cure:   answer("profile", "modern", ", which sets tls_config_file for smtpd"),
	Check: live(func(_ *Evidence, l Live) string {
		if names := oldSignatures(l); len(names) > 0 {
			return "signs TLS 1.2 with " + few(names)
		}
		return ""
	}),
}

// oldSignatures are those of TLS 1.2 with SHA-1 or MD5 that a listener made. The
// versions before had no others, and have a rule of their own.
func oldSignatures(l Live) (out []string) {
	if l.Seen == nil {
		return nil
	}
	i := slices.IndexFunc(l.Seen.Versions, func(v probe.Version) bool { return v.Name == "TLS 1.2" })
	if i < 0 {
		return nil
	}
	for _, name := range l.Seen.Versions[i].Signatures {
		if strings.Contains(name, "sha1") || strings.Contains(name, "md5") {
			out = append(out, name)
		}
	}
	return out
}
