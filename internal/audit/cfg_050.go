package audit

import "postseal/internal/detect"

var cfg050 = Rule{
	ID: "PS-CFG-050", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "a folder of CA certificates does not exist",
	Why:    "Postfix does not warn, and trusts no CA in its place: every server is logged as Untrusted, and mail is deferred where a level or a policy verifies servers. Client certificates are not trusted either.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_CApath; seen on Postfix 3.7: Untrusted, and at level secure deferred",
	Cure:   outside("name the CA certificates of the distribution in smtp_tls_CAfile, or correct the path"),
	Check:  problems("", nil, detect.NoFolder),
}
