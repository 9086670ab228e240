package audit

import (
	"errors"
	"io/fs"

	"postseal/internal/detect"
)

var crt008 = Rule{
	ID: "PS-CRT-008", Part: Certificates, Severity: Critical, Since: "1.0",
	Title:  "the certificate cannot be loaded",
	Why:    "STARTTLS is refused with 454, or only anonymous suites are left.",
	Level:  Must,
	Source: "seen: disabling TLS support",
	Cure:   "postseal cert inspect shows what is wrong with the file",
	Check: served(func(f *Evidence, c detect.Certificate) string {
		if c.Err != nil && c.KeyMatch != detect.No && !errors.Is(c.Err, fs.ErrPermission) { // PS-CRT-007 has the wrong key
			return "cannot be used: " + c.Err.Error()
		}
		return ""
	}),
}
