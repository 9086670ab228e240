package audit

import "postseal/internal/probe"

var rcv026 = Rule{
	ID: "PS-RCV-026", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "a command in clear text is obeyed inside TLS",
	Why:    "Whoever is on the way can put commands before the first one that is encrypted, and so read mail or passwords.",
	Level:  Must,
	Source: "RFC 3207 section 6; CVE-2011-0411",
	Cure:   outside("update Postfix, or what stands before it"),
	Check:  asked(func(e *probe.Enumeration) *bool { return e.Injected }, "obeyed what came with STARTTLS"),
}
