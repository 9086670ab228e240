package report

import (
	"fmt"
	"strings"

	"postseal/internal/domain"
)

// Domain prints what a domain promises about TLS, and what of it is not kept.
func (p Printer) Domain(d *domain.Domain) {
	signed := "not signed"
	if d.Signed {
		signed = "signed"
	}
	p.printf("%s  MX %s\n", p.paint(bold, d.Name), signed)
	if d.Silent {
		p.printf("  it accepts no mail (RFC 7505)\n")
	}
	for _, x := range d.MX {
		text := x.Name
		if len(x.Addresses) > 0 {
			text += " (" + strings.Join(x.Addresses, ", ") + ")"
		}
		if d.Implied {
			p.fact("no MX record", "the name itself is used: "+text)
		} else {
			p.fact(fmt.Sprintf("MX %d", x.Preference), text)
		}
		p.fact("  DANE", dane(x.DANE))
		if x.Promised != nil {
			p.fact("  MTA-STS", map[bool]string{true: "names it", false: "does not name it"}[*x.Promised])
		}
		if x.Trusted != nil {
			p.fact("  certificate", map[bool]string{true: "valid for its name", false: x.Untrusted}[*x.Trusted])
		}
	}
	switch s := d.STS; {
	case s.Policy != nil && s.Policy.Mode == domain.Off:
		p.fact("MTA-STS", "mode none: no policy applies, id "+s.ID)
	case s.Policy != nil:
		p.fact("MTA-STS", fmt.Sprintf("%s, for %s, kept %d s, id %s", s.Policy.Mode, strings.Join(s.Policy.MX, ", "), s.Policy.MaxAge, s.ID))
	case s.Problem == "":
		p.fact("MTA-STS", "none")
	}
	switch r := d.Reports; {
	case len(r.To) > 0:
		p.fact("reports", strings.Join(r.To, ", "))
	case r.Problem == "":
		p.fact("reports", "none")
	}
	for _, b := range d.Broken() {
		p.signed(p.bad(), "%s", b)
	}
	p.printf("\n")
}

func dane(d domain.DANE) string {
	state := string(d.State)
	if d.State == domain.Unknown {
		state += ", " + d.Why
	} else if d.Base != "" {
		state += ", at " + d.Base
	}
	if len(d.Records) == 0 {
		return state
	}
	var list []string
	for _, r := range d.Records {
		text := fmt.Sprintf("%.16s…", r.Text)
		switch {
		case !r.Usable:
			text += " (not for mail)"
		case r.Matches:
			text += " (matches)"
		}
		list = append(list, text)
	}
	return state + ": " + strings.Join(list, ", ")
}
