package policy

import (
	"fmt"
	"strings"
	"time"

	"postseal/internal/domain"
	"postseal/internal/posture"
)

// Proposal is an entry that is not in force: a shadow that enforces nothing until it has
// proved itself.
type Proposal struct {
	Entry Entry     `json:"entry"`
	Since time.Time `json:"since"`
}

// Code is the name of a reason for a change.
type Code string

// The reasons for changes.
const (
	Proved         Code = "proved"          // sessions met the proposed level often and long enough
	DANEFirst      Code = "dane-first"      // DANE comes before MTA-STS and what was only seen
	TLSAWithdrawn  Code = "tlsa-withdrawn"  // DNSSEC proves that records are gone, or not usable
	MXUnsigned     Code = "mx-unsigned"     // the MX records are no longer signed, as DNSSEC proves
	STSUpdated     Code = "mta-sts-updated" // the domain has published another policy
	STSWithdrawn   Code = "mta-sts-off"     // the domain has published mode testing or none
	STSExpired     Code = "mta-sts-expired" // max_age has passed since the policy was last fetched
	NoDANEHere     Code = "no-dane-here"    // Postfix cannot use DANE on this server
	NoCAsHere      Code = "no-cas-here"     // Postfix cannot verify certificates on this server
	Stranding      Code = "stranding"       // no server has met the level for too long, and nobody promised it
	MainCF         Code = "main-cf"         // main.cf is as strict
	NoMail         Code = "no-mail"         // the domain accepts no mail
	OwnEntry       Code = "own-entry"       // a table of the administrator has an entry
	Pinned         Code = "pinned"          // the administrator set the level
	Excepted       Code = "excepted"        // the administrator made an exception
	ExceptionEnded Code = "exception-ended" // its date has passed
	Unpinned       Code = "unpinned"        // the administrator removed an order
	Undone         Code = "undone"          // the administrator undid a run
)

// Kind is what an administrator can order for a domain.
type Kind string

// The kinds of orders.
const (
	Pin    Kind = "pin"    // a level, whatever the evidence says
	Except Kind = "except" // no policy until a date
	Hold   Kind = "hold"   // an entry that is not to come back: its run was undone
)

// Order is a decision of the administrator about one domain.
type Order struct {
	Kind       Kind      `json:"kind"`
	Level      string    `json:"level,omitempty"`
	Attributes []string  `json:"attributes,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until,omitzero"`
	// Before is the entry that an exception replaced: it comes back afterwards.
	Before *Entry `json:"before,omitempty"`
	// Pinned is the pin that an exception replaced: it counts again afterwards.
	Pinned *Order `json:"pinned,omitempty"`
}

// entry is the line of a pin.
func (o Order) entry() Entry {
	return Entry{Level: o.Level, Attributes: o.Attributes, Basis: ByOrder, Reason: o.Reason}
}

// Expired reports whether an exception has ended.
func (o Order) Expired(now time.Time) bool { return o.Kind == Except && !now.Before(o.Until) }

// Change is a change of one line of the map.
type Change struct {
	Domain string `json:"domain"`
	Before *Entry `json:"before"`
	After  *Entry `json:"after"`
	Code   Code   `json:"code"`
	Why    string `json:"why"`
	// Weaker reports whether mail is protected less than before.
	Weaker bool `json:"weaker"`
}

// Decision is what becomes of a domain.
type Decision struct {
	Entry    Entry
	Proposal *Proposal
	// Change is nil if the map keeps its line.
	Change *Change
}

// Decide applies the rule to one domain: a pure function. current is its line in the map,
// without a level if it has none, and proposal what was proposed before.
func Decide(e Evidence, current Entry, proposal *Proposal, order *Order, s Setting, now time.Time) Decision {
	name := e.Domain.Name
	current.Domain = name
	become := func(next Entry, p *Proposal, code Code, why string) Decision {
		next.Domain = name
		d := Decision{Entry: next, Proposal: p}
		if next.same(current) {
			if next.IsNone() {
				return d
			}
			d.Entry.Since = current.Since
			return d
		}
		d.Entry.Since = now
		d.Change = &Change{Domain: name, Code: code, Why: why, Weaker: posture.Compare(s.effective(next), s.effective(current)) < 0}
		if !current.IsNone() {
			before := current
			d.Change.Before = &before
		}
		if !next.IsNone() {
			after := d.Entry
			d.Change.After = &after
		}
		return d
	}
	switch {
	case order != nil && order.Kind == Except && !order.Expired(now):
		next := Entry{Level: "may", Basis: ByOrder, Reason: order.Reason, Until: order.Until}
		if posture.Compare(s.Default, "may") <= 0 {
			next = Entry{Reason: "exception until " + day(order.Until) + ": " + order.Reason}
		}
		return become(next, nil, Excepted, "exception until "+day(order.Until)+": "+order.Reason)
	case order != nil && order.Kind == Pin:
		return become(order.entry(), nil, Pinned, order.Reason)
	case order != nil && order.Kind == Except && order.Pinned != nil:
		return become(order.Pinned.entry(), nil, ExceptionEnded, "the exception ended on "+day(order.Until)+", and the pin counts again")
	case order != nil && order.Kind == Except:
		if order.Before != nil {
			return become(afterOrder(e, *order.Before, s, now), nil, ExceptionEnded, "the exception ended on "+day(order.Until))
		}
		return become(Entry{}, nil, ExceptionEnded, "the exception ended on "+day(order.Until))
	case current.Basis == ByOrder:
		return become(afterOrder(e, Entry{}, s, now), nil, Unpinned, "the order was removed")
	}
	if current.IsNone() {
		return settle(e, current, proposal, order, s, now, become)
	}
	if code, why := lost(e, current, s, now); code != "" {
		return become(fallback(e, current, s, now), nil, code, why)
	}
	return settle(e, current, proposal, order, s, now, become)
}

// effective returns the level that mail meets with an entry.
func (s Setting) effective(x Entry) string {
	if x.IsNone() {
		return s.Default
	}
	return x.Level
}

// afterOrder is what is in force once an order has ended: the entry of before, if what it
// rests on still holds.
func afterOrder(e Evidence, before Entry, s Setting, now time.Time) Entry {
	if before.IsNone() || before.Basis == ByOrder {
		return Entry{}
	}
	if code, _ := lost(e, before, s, now); code != "" {
		return fallback(e, before, s, now)
	}
	return before
}

// lost returns why an entry cannot stay; the code is empty if it can.
func lost(e Evidence, x Entry, s Setting, now time.Time) (code Code, why string) {
	if posture.Compare(x.Level, s.Default) <= 0 {
		return MainCF, "main.cf has level " + s.Default + " for all destinations"
	}
	if e.Domain.Silent && e.Domain.Signed { // anyone could forge it otherwise
		return NoMail, "the domain accepts no mail (RFC 7505)"
	}
	switch x.Basis {
	case ByDANE, ByLooseDANE:
		return lostDANE(e, x, s)
	case BySTS:
		return lostSTS(e.Domain.STS, s, now)
	case BySight:
		if x.Level == "verify" && s.NoCAs != "" {
			return NoCAsHere, s.NoCAs
		}
		r := fared(e, x, time.Time{})
		if !r.works && r.missed >= 2 && now.Sub(r.failing) >= s.Rule.Patience {
			return Stranding, fmt.Sprintf("no server has met level %s since %s (%s); nobody promised it, and mail would be returned", x.Level, r.failing.UTC().Format("2006-01-02 15:04"), r.why)
		}
	}
	return "", ""
}

// lostDANE returns why an entry that rests on TLSA records cannot stay.
func lostDANE(e Evidence, x Entry, s Setting) (Code, string) {
	if s.NoDANE != "" {
		return NoDANEHere, s.NoDANE
	}
	if x.Basis == ByLooseDANE && s.NoLooseDANE != "" {
		return NoDANEHere, s.NoLooseDANE
	}
	with, without := daneCount(e)
	switch {
	case with == 0 && without == 0: // nothing is known: an attack looks like this
	case with == 0:
		return TLSAWithdrawn, "no server has usable TLSA records any more, as DNSSEC proves"
	case x.Basis == ByDANE && !e.Domain.Signed:
		return MXUnsigned, "the MX records are not signed any more, as DNSSEC proves"
	case x.Level == "dane-only" && without > 0:
		return TLSAWithdrawn, fmt.Sprintf("%d of %d servers have no usable TLSA records, as DNSSEC proves", without, with+without)
	}
	return "", ""
}

// lostSTS returns why an entry that rests on an MTA-STS policy cannot stay.
func lostSTS(p *STS, s Setting, now time.Time) (Code, string) {
	switch {
	case s.NoCAs != "":
		return NoCAsHere, s.NoCAs
	case p == nil || !now.Before(p.Expires()):
		return STSExpired, "the MTA-STS policy has expired: it could not be fetched again within its max_age"
	case p.Mode != domain.Enforce:
		return STSWithdrawn, "the MTA-STS policy now has mode " + p.Mode
	case len(patterns(p.MX)) == 0:
		return STSUpdated, "the MTA-STS policy now names no host that a certificate can have"
	}
	return "", ""
}

// fallback is what takes the place of an entry that cannot stay: what evidence supports,
// if that is no stricter, since anything stricter has to prove itself; else encryption, if
// it was always there.
func fallback(e Evidence, x Entry, s Setting, now time.Time) Entry {
	next := Supported(e, s, now)
	if next.IsNone() || posture.Compare(next.Level, x.Level) <= 0 {
		return next
	}
	if seen := bySight(e, s, now); !seen.IsNone() && posture.Compare("encrypt", x.Level) <= 0 && posture.Compare("encrypt", s.Default) > 0 {
		return Entry{Level: "encrypt", Basis: BySight, Reason: "all recent sessions were encrypted"}
	}
	return Entry{}
}

// settle decides about a domain whose line can stay.
func settle(e Evidence, current Entry, proposal *Proposal, order *Order, s Setting, now time.Time, become func(Entry, *Proposal, Code, string) Decision) Decision {
	next := Supported(e, s, now)
	higher := next.Basis.rank() - current.Basis.rank()
	if current.IsNone() {
		higher = 1
	}
	switch stricter := posture.Compare(s.effective(next), s.effective(current)); {
	case next.IsNone(), order != nil && order.Kind == Hold && next.Level == order.Level && strings.Join(next.Attributes, " ") == strings.Join(order.Attributes, " "):
		return become(current, nil, "", "")
	case next.same(current):
		return become(next, nil, "", "")
	case higher == 0 && next.Basis == BySTS:
		return become(next, nil, STSUpdated, next.Reason)
	case higher < 0, higher == 0 && stricter <= 0:
		return become(current, nil, "", "")
	}
	if proposal == nil || !proposal.Entry.same(next) {
		proposal = &Proposal{Since: now}
	}
	proposal = &Proposal{Entry: next, Since: proposal.Since}
	if r := fared(e, next, proposal.Since); r.clean < s.Rule.Clean || now.Sub(proposal.Since) < s.Rule.Span || r.clean+r.held > 0 && !r.works {
		return become(current, proposal, "", "")
	}
	code := Proved
	if posture.Compare(next.Level, s.effective(current)) < 0 {
		code = DANEFirst
	}
	return become(next, nil, code, next.Reason)
}
