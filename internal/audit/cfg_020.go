package audit

import "postseal/internal/detect"

var cfg020 = Rule{
	ID: "PS-CFG-020", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "members of a group can change Postfix's configuration",
	Why:    "Every member can read all mail, send it elsewhere, and run programs as other users: master.cf names the programs and the users, and tls_config_file can name libraries to load.",
	Level:  Must,
	Source: "master(5), pipe(8): privileges come from these files; postfix set-permissions",
	Cure:   outside("run the command given for each place, as root"),
	Check:  access([]detect.WeaknessKind{detect.GroupWrites}, detect.HoldsConfiguration),
}
