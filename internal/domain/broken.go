package domain

import "fmt"

// Broken returns, in words, the promises that are not kept: those for which senders do
// not deliver, and those that senders cannot use.
func (d *Domain) Broken() (out []string) {
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if d.STS.Problem != "" {
		say("MTA-STS: %s: senders deliver without it", d.STS.Problem)
	}
	if d.Reports.Problem != "" {
		say("TLSRPT: %s: senders send no reports", d.Reports.Problem)
	}
	for _, x := range d.MX {
		switch {
		case d.Blind && x.DANE.State == Unknown: // nobody's promise is broken
		case x.DANE.State == Unknown:
			say("%s: DNS: %s: senders with DANE defer their mail", x.Name, x.DANE.Why)
		case x.DANE.State == Insecure:
			say("%s: DANE: %s: senders ignore the records", x.Name, x.DANE.Why)
		case x.DANE.Kept != nil && !*x.DANE.Kept:
			say("%s: DANE: %s: senders with DANE do not deliver", x.Name, x.DANE.Problem)
		}
		if d.STS.Policy == nil || d.STS.Policy.Mode == Off {
			continue
		}
		then := "senders with MTA-STS do not deliver"
		if d.STS.Policy.Mode == Testing {
			then = "senders with MTA-STS report this, and will not deliver once the policy is enforced"
		}
		if x.Promised != nil && !*x.Promised {
			say("%s: the MTA-STS policy does not list it%s: %s", x.Name, d.STS.Policy.Almost(x.Name), then)
		}
		if x.Trusted != nil && !*x.Trusted {
			say("%s: %s: %s", x.Name, x.Untrusted, then)
		}
	}
	return out
}
