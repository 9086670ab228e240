package report

import (
	"fmt"
	"slices"

	"postseal/internal/policy"
)

// Drilled is a destination under attack, at the level in force and at the proposed one.
type Drilled struct {
	Domain   string `json:"domain"`
	Messages int    `json:"messages"`
	Now      Drill  `json:"now"`
	Proposed Drill  `json:"proposed"`
}

// Drill is what becomes of mail at a level, by attack.
type Drill struct {
	Level string                        `json:"level"`
	Fates map[policy.Attack]policy.Fate `json:"fates"`
}

// Lost reports whether an attacker gets the mail by some attack.
func (d Drill) Lost() bool {
	for _, f := range d.Fates {
		if f.Lost() {
			return true
		}
	}
	return false
}

// untried reports whether the result of some attack is unknown.
func (d Drill) untried() bool {
	for _, f := range d.Fates {
		if f == policy.Untried {
			return true
		}
	}
	return false
}

// attackNames are the attacks as people read them.
var attackNames = map[policy.Attack]string{
	policy.Strip: "STARTTLS is stripped", policy.Swap: "the server is replaced", policy.Redirect: "MX records are forged",
}

// Drill prints what an attacker would get of the mail to each destination.
func (p Printer) Drill(all []Drilled) {
	for _, d := range all {
		head := d.Domain
		if d.Messages > 0 {
			head += " (" + counted(d.Messages, "message", "messages") + ")"
		}
		p.printf("%s\n", p.paint(bold, head))
		p.drill("now", d.Now)
		if d.Proposed.Level != d.Now.Level {
			p.drill("proposed", d.Proposed)
		}
	}
	lost := func(of func(Drilled) Drill) int {
		return len(slices.DeleteFunc(slices.Clone(all), func(d Drilled) bool { return !of(d).Lost() }))
	}
	unknown := len(slices.DeleteFunc(slices.Clone(all), func(d Drilled) bool { return d.Now.Lost() || !d.Now.untried() }))
	p.printf("\nDestinations whose mail an attacker would get: %d of %d now, %d at the proposed levels.\n", lost(func(d Drilled) Drill { return d.Now }), len(all), lost(func(d Drilled) Drill { return d.Proposed }))
	if unknown > 0 {
		p.printf("Not known for: %d.\n", unknown)
	}
}

// drill prints one level.
func (p Printer) drill(when string, d Drill) {
	sign := p.good()
	switch {
	case d.Lost():
		sign = p.bad()
	case d.untried():
		sign = p.note()
	}
	text := fmt.Sprintf("%s, level %s: ", when, d.Level)
	for i, a := range policy.Attacks {
		if i > 0 {
			text += "; "
		}
		text += attackNames[a] + ": " + map[policy.Fate]string{
			policy.Kept: "held", policy.Leaked: "LEAKED in cleartext", policy.Captured: "DELIVERED to the attacker", policy.Untried: "unknown",
		}[d.Fates[a]]
	}
	p.signedIn(sign, text)
}
