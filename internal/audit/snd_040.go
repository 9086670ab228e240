package audit

import "postseal/internal/detect"

var snd040 = Rule{
	ID: "PS-SND-040", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "no program of Postfix can send with this main.cf",
	Why:    "Every service that sends dies at its start, of what PS-CFG-040 names: no mail leaves.",
	Level:  Must,
	Source: "postconf -m; seen on Postfix 3.7: fatal at every start",
	Cure:   outside("correct the setting, or create the file or account that it names"),
	Check:  when(sends, problems("", nil, detect.NoStart).Find),
}
