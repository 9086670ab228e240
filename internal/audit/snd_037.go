package audit

import (
	"slices"

	"postseal/internal/detect"
)

var snd037 = Rule{
	ID: "PS-SND-037", Part: Sending, Severity: High, Since: "1.0",
	Title:  "a version of TLS is left out between others for sending",
	Why:    "OpenSSL as a client speaks no version above one that is left out: no handshake comes about with servers that require TLS 1.2. At level may mail to them is deferred and later leaves in cleartext; where TLS is required it stays here.",
	Level:  Must,
	Source: "SSL_CTX_set_options(3), SSL_OP_NO_TLSv1_2 and others; seen on Postfix 3.7 with OpenSSL 3.0",
	Cure:   drop("smtp_tls_protocols", "smtp_tls_mandatory_protocols").or(", or write >=TLSv1 and >=TLSv1.2; before Postfix 3.6 exclude the oldest versions without a gap"),
	Check: when(sends, func(e *Evidence) (out []Hit) {
		for _, t := range e.Senders(detect.Default, detect.Some) {
			names := []string{"smtp_tls_protocols", "smtp_tls_mandatory_protocols"}
			if e.Config.Text(&t.Service, "smtp_tls_policy_maps") == "" && t.Level != "dane" {
				names = names[:1]
				if demands(t.Level) {
					names[0] = "smtp_tls_mandatory_protocols"
				}
			}
			for _, name := range names {
				v := e.Config.Value(&t.Service, name)
				below, above, ok := gap(v.Text)
				if h := hole(name, below, above, v); ok && t.Level != "none" && !slices.Contains(out, h) {
					out = append(out, h)
				}
			}
		}
		return out
	}),
}
