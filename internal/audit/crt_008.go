package audit

import (
	"errors"
	"io/fs"

	"postseal/internal/detect"
	"postseal/internal/hint"
)

var crt008 = Rule{
	ID: "PS-CRT-008", Part: Certificates, Severity: Critical, Since: "1.0",
	Title:  "the certificate cannot be loaded",
	Why:    "STARTTLS is refused with 454, or only anonymous suites are left.",
	Level:  Must,
	Source: "seen: disabling TLS support",
	Cure:   outside("postseal cert inspect shows what is wrong with the file"),
	Check: when(func(e *Evidence) bool { return len(e.ShownCertificates()) > 0 }, func(e *Evidence) (out []Hit) {
		for _, c := range e.ShownCertificates() {
			switch {
			case c.Refused != "":
				out = append(out, Hit{Detail: c.Chain + " is not loaded: " + c.Refused, At: c.Origin})
			case c.Err != nil && c.KeyMatch != detect.No && !errors.Is(c.Err, fs.ErrPermission): // PS-CRT-007 has the wrong key
				for _, err := range hint.All(c.Err) {
					out = append(out, Hit{Detail: err.Error(), At: c.Origin})
				}
			}
		}
		return out
	}),
}
