package audit

import (
	"slices"

	"postseal/internal/detect"
	"postseal/internal/postfix"
)

// configurationValuesRules are the rules about values that do not do what they seem to.
var configurationValuesRules = []Rule{
	inboundTLSOff, obsoleteParameters, unknownParameters, ignoredSettings, cacheType,
	commentInValue, swallowedSetting, lineIgnored, cacheForService, noCAFolder,
}

var inboundTLSOff = Rule{
	ID: "PS-CFG-002", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "A setting disables TLS",
	Why:    "STARTTLS is offered and then refused, or the connection is dropped: senders fall back to cleartext or fail.",
	Level:  Must,
	Source: "seen: disabling TLS support",
	Cure:   outside("correct the value"),
	Check:  problems(postfix.Receiving, counts, detect.TLSOff),
}

var obsoleteParameters = Rule{
	ID: "PS-CFG-003", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Obsolete parameters are set",
	Why:    "They do nothing, or not what they appear to do, and mislead the reader.",
	Level:  Should,
	Source: "postconf(5)",
	Cure:   suggested("postseal apply, which removes them"),
	Check: problems("", func(e *Evidence, p detect.Problem) bool {
		return !slices.Contains([]string{"smtp_tls_per_site", "smtp_cname_overrides_servername"}, p.Parameter) ||
			len(obsoletePolicyTable.Find(e))+len(cnameOverrides.Find(e)) == 0 // which tell what they do
	}, detect.Obsolete),
}

var unknownParameters = Rule{
	ID: "PS-CFG-004", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "Parameters are set that this Postfix does not know",
	Why:    "They are often misspelled: what they should do is not done.",
	Level:  Should,
	Source: "postconf(5)",
	Cure:   outside("correct the name"),
	Check:  problems("", nil, detect.Unheard),
}

var ignoredSettings = Rule{
	ID: "PS-CFG-005", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Settings are ignored because others are set",
	Why:    "They mislead the reader.",
	Level:  May,
	Source: "postconf(5)",
	Cure:   outside("remove them; postseal apply does so for certificate files"),
	Check: problems("", func(e *Evidence, p detect.Problem) bool {
		return !slices.ContainsFunc(e.Problems, func(o detect.Problem) bool {
			return o.Kind == detect.Obsolete && o.Parameter == p.Parameter && o.Origin == p.Origin // PS-CFG-003 has it
		})
	}, detect.Ignored),
}

var cacheType = Rule{
	ID: "PS-CFG-006", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "The session cache uses a map type that this Postfix does not support",
	Why:    "Sessions are not resumed, and warnings fill the log.",
	Level:  May,
	Source: "DATABASE_README",
	Cure:   outside("remove the session cache: session tickets replace it"),
	Check:  problems("", nil, detect.NoCache),
}

var commentInValue = Rule{
	ID: "PS-CFG-013", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "A value contains a comment or nonsense",
	Why:    "main.cf has comments only on lines of their own: text after # is part of the value, which then means something else.",
	Level:  Must,
	Source: "postconf(5), the general format of main.cf",
	Cure:   outside("put the comment on a line of its own"),
	Check: when(always, func(e *Evidence) []Hit {
		idle := func(e *Evidence, p detect.Problem) bool { return !counts(e, p) }
		return append(problems("", nil, detect.Comment).Find(e), problems("", idle, detect.TLSOff).Find(e)...)
	}),
}

var swallowedSetting = Rule{
	ID: "PS-CFG-014", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "A setting is lost in the line before it",
	Why:    "An indented line continues the setting before it, even after comments and empty lines: its parameter is not set, and the setting before it means something else.",
	Level:  Must,
	Source: "postconf(5), the general format of main.cf",
	Cure:   outside("remove the blanks at the start of the line"),
	Check:  problems("", nil, detect.Swallowed),
}

var lineIgnored = Rule{
	ID: "PS-CFG-015", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "Lines of main.cf are overridden or skipped",
	Why:    "A later line replaces an earlier one, or a line is skipped: they mislead the reader.",
	Level:  Should,
	Source: "postconf(5), the general format of main.cf",
	Cure:   outside("remove the lines that are overridden or skipped"),
	Check:  problems("", nil, detect.Grammar),
}

var cacheForService = Rule{
	ID: "PS-CFG-016", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "A session cache is set for a single service",
	Why:    "It has no effect: one program keeps the caches of all services, and reads main.cf.",
	Level:  May,
	Source: "tlsmgr(8)",
	Cure:   outside("remove the override from master.cf"),
	Check:  problems("", nil, detect.NotHere),
}

var noCAFolder = Rule{
	ID: "PS-CFG-050", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "A directory of CA certificates does not exist",
	Why:    "Postfix does not warn, and trusts no CA in its place: every server is logged as Untrusted, and mail is deferred where a level or a policy verifies servers. Client certificates are not trusted either.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_CApath; seen on Postfix 3.7: Untrusted, and at level secure deferred",
	Cure:   outside("set smtp_tls_CAfile to the CA bundle of the distribution, or correct the path"),
	Check:  problems("", nil, detect.NoFolder),
}
