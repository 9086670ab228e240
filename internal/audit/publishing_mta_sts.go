package audit

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/domain"
)

// publishingMTASTSRules are the rules about MTA-STS.
var publishingMTASTSRules = []Rule{
	noMTASTS, brokenMTASTS, mxNotInPolicy, policyNotEnforced, shortMaxAge,
	certificateBreaksPolicy, policyNotSeen, policyNotAnnounced,
}

var noMTASTS = Rule{
	ID: "PS-PUB-004", Part: Publishing, Severity: Low, Since: "1.0",
	Title:  "No MTA-STS policy is published",
	Why:    "Large senders that do not support DANE deliver in cleartext to an attacker on the network path who strips TLS.",
	Level:  May,
	Source: "RFC 8461",
	Cure:   outside("publish a TXT record _mta-sts.DOMAIN and the policy at https://mta-sts.DOMAIN/.well-known/mta-sts.txt, with mode: testing first; postseal publish DOMAIN prints both"),
	Check: domains(func(d *domain.Domain) string {
		if d.STS.Record == "" && d.STS.Problem == "" {
			return "none for " + d.Name
		}
		return ""
	}),
}

var brokenMTASTS = Rule{
	ID: "PS-PUB-005", Part: Publishing, Severity: Medium, Since: "1.0",
	Title:  "The MTA-STS policy cannot be used",
	Why:    "Senders act as if there were no policy, or follow the last one that they fetched.",
	Level:  Must,
	Source: "RFC 8461 sections 3.1 to 3.3",
	Cure:   outside("correct the record and the policy, and check them with postseal probe --mx DOMAIN"),
	Check: domains(func(d *domain.Domain) string {
		if d.STS.Problem != "" && !d.STS.Unseen {
			return d.Name + ": " + d.STS.Problem
		}
		return ""
	}),
}

var mxNotInPolicy = Rule{
	ID: "PS-PUB-006", Part: Publishing, Severity: High, Since: "1.0",
	Title:  "The MTA-STS policy does not list an MX of the domain",
	Why:    "Senders with MTA-STS do not deliver to that server; if it is the only one, they do not deliver at all.",
	Level:  Must,
	Source: "RFC 8461 section 4.1",
	Cure:   outside("add an mx: line for it, and change the id in the TXT record"),
	Check: domains(func(d *domain.Domain) string {
		var missing []string
		for _, x := range d.MX {
			if d.STS.Policy != nil && d.STS.Policy.Mode == domain.Enforce && x.Promised != nil && !*x.Promised {
				missing = append(missing, x.Name+d.STS.Policy.Almost(x.Name))
			}
		}
		if len(missing) == 0 {
			return ""
		}
		return d.Name + ": " + strings.Join(missing, ", ")
	}),
}

var policyNotEnforced = Rule{
	ID: "PS-PUB-007", Part: Publishing, Severity: Low, Since: "1.0",
	Title:  "The MTA-STS policy does not enforce TLS",
	Why:    "Senders report failures, if anything, and deliver in cleartext all the same.",
	Level:  Should,
	Source: "RFC 8461 section 5: testing is for the time before enforce",
	Cure:   outside("when the reports show no failures, set mode: enforce and change the id in the TXT record"),
	Check: domains(func(d *domain.Domain) string {
		if d.STS.Policy == nil || d.STS.Policy.Mode == domain.Enforce {
			return ""
		}
		text := d.Name + ": mode " + d.STS.Policy.Mode
		for _, x := range d.MX { // what would stop mail once it is enforced
			if d.STS.Policy.Mode == domain.Testing && x.Promised != nil && !*x.Promised {
				text += "; it does not name " + x.Name
			}
			if d.STS.Policy.Mode == domain.Testing && x.Trusted != nil && !*x.Trusted {
				text += "; " + x.Name + ": " + x.Untrusted
			}
		}
		return text
	}),
}

var shortMaxAge = Rule{
	ID: "PS-PUB-008", Part: Publishing, Severity: Low, Since: "1.0",
	Title:  "The max_age of the MTA-STS policy is too short",
	Why:    "An attacker only has to wait until senders have dropped the policy.",
	Level:  Should,
	Source: "RFC 8461 section 3.2: weeks or more",
	Cure:   outside("set max_age: 1209600 or more, and change the id in the TXT record"),
	Check: domains(func(d *domain.Domain) string {
		if d.STS.Policy != nil && d.STS.Policy.Mode == domain.Enforce && d.STS.Policy.MaxAge < 7*24*3600 {
			return fmt.Sprintf("%s: max_age %d", d.Name, d.STS.Policy.MaxAge)
		}
		return ""
	}),
}

var certificateBreaksPolicy = Rule{
	ID: "PS-PUB-009", Part: Publishing, Severity: Critical, Since: "1.0",
	Title:  "The certificate does not satisfy the MTA-STS policy",
	Why:    "Senders with MTA-STS require a certificate from a public CA for the name in the MX record: without it they do not deliver.",
	Level:  Must,
	Source: "RFC 8461 section 4.2",
	Cure:   order("postseal cert obtain, or set mode: testing until there is one"),
	Check: domains(func(d *domain.Domain) string {
		for _, x := range d.MX {
			if d.STS.Policy != nil && d.STS.Policy.Mode == domain.Enforce && x.Trusted != nil && !*x.Trusted {
				return x.Name + ": " + x.Untrusted
			}
		}
		return ""
	}),
}

var policyNotAnnounced = Rule{
	ID: "PS-PUB-033", Part: Publishing, Severity: Medium, Since: "1.0",
	Title:  "The MTA-STS policy changed and the id in the TXT record did not",
	Why:    "Senders fetch the policy again when the id changes. Until their copy expires they follow the previous one, and do not deliver to servers that it does not list.",
	Level:  Must,
	Source: "RFC 8461 section 3.1",
	Cure:   outside("change the id in the TXT record at every change of the policy"),
	Check: when(func(e *Evidence) bool { return len(e.Domains) > 0 && len(e.Earlier) > 0 }, func(e *Evidence) (out []Hit) {
		for _, d := range e.Domains {
			i := slices.IndexFunc(e.Earlier, func(old *domain.Domain) bool { return old != nil && old.Name == d.Name })
			if i >= 0 && d.STS.Unannounced(e.Earlier[i].STS) {
				out = append(out, Hit{Detail: fmt.Sprintf("%s: the id is still %s", d.Name, d.STS.ID)})
			}
		}
		return out
	}),
}

var policyNotSeen = Rule{
	ID: "PS-PUB-012", Part: Publishing, Severity: Note, Since: "1.0",
	Title:  "The MTA-STS policy could not be fetched from here",
	Why:    "Nothing answered. If that is so for senders too, they act as if there were no policy.",
	Level:  May,
	Source: "RFC 8461 section 3.3",
	Cure:   outside("run postseal probe --mx DOMAIN on a machine that can connect to web servers"),
	Check: domains(func(d *domain.Domain) string {
		if d.STS.Unseen {
			return d.Name + ": " + d.STS.Problem
		}
		return ""
	}),
}
