package audit

import (
	"slices"
	"strings"
)

var rcv018 = Rule{
	ID: "PS-RCV-018", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "no post-quantum key exchange",
	Why:    "What is recorded today can be read when a large quantum computer exists. The library here could do better.",
	Level:  May,
	Source: "Postfix 3.11 RELEASE_NOTES; NCSC-NL: not judged yet",
	Cure:   "--profile modern, or an update to Postfix 3.11",
	Check: when(receives, func(f *Evidence) []Hit {
		if !strings.HasPrefix(f.OpenSSL, "OpenSSL 3.") || !f.Config.Version.Known() || slices.Contains([]string{"0", "1", "2", "3", "4"}, minor(f.OpenSSL)) {
			return nil
		}
		if groups := f.Config.Text(nil, "tls_eecdh_auto_curves"); groups != "" && !strings.Contains(groups, "MLKEM") && !strings.Contains(groups, "DEFAULT") {
			return []Hit{{Detail: "tls_eecdh_auto_curves names no such group", At: f.Config.Value(nil, "tls_eecdh_auto_curves").Origin}}
		}
		return nil
	}),
}
