package audit

import (
	"errors"
	"io/fs"
	"slices"

	"postseal/internal/detect"
	"postseal/internal/postfix"
)

var rcv015 = Rule{
	ID: "PS-RCV-015", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "smtpd_tls_CAfile is set and not needed",
	Why:    "No client certificate is requested, and no chain needs an issuer from the file; but if the file is ever missing, TLS is off.",
	Level:  May,
	Source: "TLS_README, server-side CA; seen: a missing smtpd_tls_CAfile ends server TLS",
	Cure:   outside("remove smtpd_tls_CAfile from main.cf"),
	Check: parameter("smtpd_tls_CAfile", func(f *Evidence, v postfix.Value) string {
		if v.Text == "" || f.Config.Bool(nil, "smtpd_tls_ask_ccert") || f.Config.Bool(nil, "smtpd_tls_req_ccert") {
			return ""
		}
		if !slices.ContainsFunc(f.ShownCertificates(), func(c detect.Certificate) bool {
			return c.CompletedBy == v.Text || sentLonger(f, c) || errors.Is(c.Err, fs.ErrPermission)
		}) {
			return "is set, and no client certificate is asked for"
		}
		return ""
	}),
}
