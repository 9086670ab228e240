package audit

import "postseal/internal/detect"

var cfg040 = Rule{
	ID: "PS-CFG-040", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "the programs of Postfix die of this main.cf",
	Why:    "Every service and every command dies at its start: no mail is received or sent. A Postfix that runs works on until its next reload.",
	Level:  Must,
	Source: "postconf -m; seen on Postfix 3.7: fatal at every start",
	Cure:   outside("correct the setting, or create the file or account that it names; then postconf -m must list types of tables"),
	Check:  problems("", nil, detect.NoStart),
}
