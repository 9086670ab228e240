package audit

import (
	"postseal/internal/postfix"
)

var crt014 = Rule{
	ID: "PS-CRT-014", Part: Certificates, Severity: Low, Since: "1.0",
	Title:  "key and chain are in files of their own",
	Why:    "A renewal that is cut off between the two leaves a pair that does not match: TLS is off then.",
	Level:  Should,
	Source: "postconf(5), smtpd_tls_chain_files: preferred since 3.4",
	Cure:   answer("cert", "FILE", ": postseal puts key and chain into one file"),
	Check: parameter("smtpd_tls_cert_file", func(f *Evidence, v postfix.Value) string {
		if v.Text != "" && v.Text != "none" && f.Config.Text(nil, "smtpd_tls_key_file") != v.Text && f.Config.Text(nil, "smtpd_tls_chain_files") == "" {
			return "and smtpd_tls_key_file are two files"
		}
		return ""
	}),
}
