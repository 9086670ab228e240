package audit

import (
	"fmt"
	"strings"
)

var rcv018 = Rule{
	ID: "PS-RCV-018", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "no post-quantum key exchange",
	Why:    "What is recorded today can be read when a large quantum computer exists. The library here could do better.",
	Level:  May,
	Source: "Postfix 3.11 RELEASE_NOTES; NCSC-NL: not judged yet",
	Cure:   "--profile intermediate, or an update to Postfix 3.11",
	Check: when(hybrids, func(f *Evidence) []Hit {
		if groups := f.Config.Text(nil, "tls_eecdh_auto_curves"); groups != "" && !strings.Contains(groups, "MLKEM") && !strings.Contains(groups, "DEFAULT") {
			return []Hit{{Detail: "tls_eecdh_auto_curves names no such group", At: f.Config.Value(nil, "tls_eecdh_auto_curves").Origin}}
		}
		return nil
	}),
}

// hybrids says whether the library here has such groups: OpenSSL does since 3.5.
func hybrids(e *Evidence) bool {
	var major, minor int
	_, err := fmt.Sscanf(e.OpenSSL, "OpenSSL %d.%d", &major, &minor)
	return err == nil && receives(e) && e.Config.Version.Known() && (major > 3 || major == 3 && minor >= 5)
}
