package audit

import "postseal/internal/detect"

var cfg022 = Rule{
	ID: "PS-CFG-022", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "another account, or a group, can change a lookup table",
	Why:    "It decides which recipients exist or which mail is accepted. That is intended for tables that a program such as Mailman writes.",
	Level:  Should,
	Source: "local practice: programs that manage lists and mailboxes own their tables",
	Cure:   outside("run the command given for each place, as root; suppress the finding if that account is to write the table"),
	Check:  access([]detect.WeaknessKind{detect.StrangerOwns, detect.AccountWrites, detect.GroupWrites}, detect.HoldsTable),
}
