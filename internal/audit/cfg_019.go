package audit

import "postseal/internal/detect"

var cfg019 = Rule{
	ID: "PS-CFG-019", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "other accounts can change Postfix's configuration",
	Why:    "Such an account can read all mail, send it elsewhere, and run programs as other users: master.cf names the programs and the users, and tls_config_file can name libraries to load.",
	Level:  Must,
	Source: "master(5), pipe(8): privileges come from these files; postfix set-permissions",
	Cure:   outside("run the command given for each place, as root; then look for unauthorized changes"),
	Check:  access(theirs, detect.HoldsConfiguration),
}
