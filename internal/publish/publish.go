// Package publish decides which DNS records to add and to remove, in which order, and
// when, so that at every moment a record authenticates the key that is served, also for
// senders that have an earlier answer in their cache (RFC 7671, section 8; RFC 7672).
//
// It is pure: it looks nothing up and changes no zone.
package publish

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/certs"
)

// Role is what a key is used for.
type Role string

// The roles.
const (
	Current Role = "current" // it is served
	Next    Role = "next"    // it will be
	Old     Role = "old"     // it was served, and caches may still have its record
)

// Key is a public key that records can name.
type Key struct {
	// Algorithm is "ecdsa" or "rsa".
	Algorithm string
	Role      Role
	// Other reports whether it belongs to another certificate beside this one, which
	// takes care of its records.
	Other bool
	// Digest is the SHA-256 of the public key, in hex (3 1 1).
	Digest string
	// Chain is what is served with it, leaf first; nil if that is not known.
	Chain []*x509.Certificate
	// Seen and Hold are of a next key, kept by Observed: since when every owner
	// names it (or, if Empty, since when nothing is published any more), zero if
	// one does not; and the longest that an answer, of all that were seen, may
	// still be met after it has gone.
	Seen  time.Time
	Empty bool
	Hold  time.Duration
	// First is true for a next key that is the first of its kind: it waits for its record
	// alone, and the next order takes it.
	First bool
	// Ready is from when on an order with a First key is not refused, once its record is
	// published, and Wait why not earlier; zero if there is nothing to wait for.
	Ready time.Time
	Wait  string
	// Gone is when an old key was replaced; Compromised is true if an attacker may have it.
	Gone        time.Time
	Compromised bool
}

// Successor returns the key that comes next once this one is served. Answers from before
// it was made may still be in caches.
func (k Key) Successor(digest string) Key {
	return Key{Algorithm: k.Algorithm, Role: Next, Digest: digest, Hold: k.Hold}
}

// Observed returns a next key after a look at what is published. An owner about
// which nothing is known changes nothing: an answer that was lost is no reason
// to wait anew.
func (k Key) Observed(owners []Owner, now time.Time) Key {
	lacking, unknown, empty := false, false, !published(owners)
	for _, o := range owners {
		unknown = unknown || o.State == Unproved || len(o.silent()) > 0
		// An owner with nothing lacks it too, while others have something.
		lacking = lacking || o.State == Signed && !empty && len(o.lagging(k)) > 0
		if o.State == Signed && o.published() {
			k.Hold = max(k.Hold, o.hold()) // also with it: there may have been one without, between two looks
		}
	}
	switch {
	case lacking:
		k.Seen, k.Empty = time.Time{}, false
	case unknown:
	case k.Seen.IsZero() || k.Empty != empty:
		k.Seen, k.Empty = now, empty
	}
	return k
}

// known reports whether the key is published at every owner that has records.
func (k Key) known(owners []Owner) bool {
	return !slices.ContainsFunc(owners, func(o Owner) bool {
		return o.State == Unproved || o.State == Signed && o.published() && !o.served(func(r []certs.TLSA) bool { return k.named(o, r) })
	})
}

// Record returns the record that names the key and stays right at renewals.
func (k Key) Record() string { return "3 1 1 " + k.Digest }

// lasting reports whether one of the records names the key also after a renewal,
// and not the certificate of today.
func (k Key) lasting(o Owner, records []certs.TLSA) bool {
	return slices.ContainsFunc(records, func(r certs.TLSA) bool { return r.Selector == 1 && k.named(o, []certs.TLSA{r}) })
}

// named reports whether senders accept the key by one of the records of an owner.
func (k Key) named(o Owner, records []certs.TLSA) bool {
	if slices.ContainsFunc(records, func(r certs.TLSA) bool { return r.String() == k.Record() }) {
		return true
	}
	return k.Chain != nil && certs.JudgeTLSA(records, k.Chain, o.Hosts, o.Now).Outcome == certs.Authenticated
}

// Wait is the least time that a next key is published before it is served, if
// nothing else is chosen. Caches and secondary servers that do not keep to
// their times are met in practice.
const Wait = 48 * time.Hour

// Input is all that a decision depends on.
type Input struct {
	Keys   []Key
	Owners []Owner
	Now    time.Time
	// Wait is the least wait before a roll-over; 0 is the constant.
	Wait time.Duration
}

// Action is what a step does.
type Action string

// The actions.
const (
	Add      Action = "add"
	Serve    Action = "serve" // a file, by the web server of the owner
	Remove   Action = "remove"
	RollOver Action = "roll over"
	Order    Action = "order" // again, with a key that waited for its record
)

// Step is something to do, not before a time. Due steps may be done now.
type Step struct {
	Action Action `json:"action"`
	// Owner and Record are what to add or remove, or what is to be served; TTL is a good
	// one, in seconds. Type is TLSA if it is empty.
	Owner  string `json:"owner,omitempty"`
	Type   string `json:"type,omitempty"`
	Record string `json:"record,omitempty"`
	TTL    int    `json:"ttl,omitempty"`
	// Algorithm is the key that can be rolled over.
	Algorithm string    `json:"algorithm,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Due       bool      `json:"due"`
	Why       string    `json:"why"`
}

// newTTL is the TTL of the first records of a name, in seconds: short enough
// that a mistake is soon over.
const newTTL = 3600

// Steps are what is to be done, in the order in which it is safe: add before
// anything else, remove last.
func Steps(in Input) []Step {
	var add, roll, remove []Step
	for _, o := range in.Owners {
		if o.State != Signed {
			continue
		}
		for _, k := range in.Keys {
			switch {
			case k.Other:
			case k.Role == Current && !o.served(func(r []certs.TLSA) bool { return k.lasting(o, r) }):
				add = append(add, Step{Action: Add, Owner: o.Name, Record: k.Record(), TTL: o.newTTL(), Due: true, Why: "the key in use (" + k.Algorithm + ")"})
			case k.Role == Next && !o.served(func(r []certs.TLSA) bool { return k.named(o, r) }):
				if k.First && !published(in.Owners) {
					continue // nothing keeps the order from it
				}
				why := "the next key (" + k.Algorithm + "): published before it is needed"
				if k.First {
					why = "the key of the new certificate (" + k.Algorithm + "): its order is refused until this record is known everywhere"
				}
				add = append(add, Step{Action: Add, Owner: o.Name, Record: k.Record(), TTL: o.newTTL(), Due: true, Why: why})
			}
		}
		remove = append(remove, removals(in, o)...)
	}
	for _, k := range in.Keys {
		if k.Other || k.Role != Next || !published(in.Owners) {
			continue
		}
		if k.First {
			if k.known(in.Owners) {
				roll = append(roll, Step{Action: Order, Algorithm: k.Algorithm, NotBefore: k.Ready, Due: !in.Now.Before(k.Ready), Why: k.Wait})
			}
			continue
		}
		if at, why, err := Allowed(in, k.Algorithm); err == nil && !at.IsZero() {
			roll = append(roll, Step{Action: RollOver, Algorithm: k.Algorithm, NotBefore: at, Due: !in.Now.Before(at), Why: why})
		}
	}
	return slices.Concat(add, roll, remove)
}

// removals are the records of an owner that name keys which were replaced.
// While a key that is served is not named, only that of a compromised key is removed: an
// attacker who has the key can pose as the server as long as its record is there. A record that names no
// key known here stays: another server may answer under the same name, and
// Findings tells of it.
func removals(in Input, o Owner) (out []Step) {
	missing := slices.ContainsFunc(in.Keys, func(k Key) bool { return k.Role == Current && !k.Other && !k.named(o, o.Records) })
	for _, r := range o.Records {
		record := []certs.TLSA{r}
		if slices.ContainsFunc(in.Keys, func(k Key) bool { return (k.Other || k.Role != Old) && k.named(o, record) }) {
			continue
		}
		i := slices.IndexFunc(in.Keys, func(k Key) bool { return !k.Other && k.Role == Old && k.named(o, record) })
		if i < 0 || missing && !in.Keys[i].Compromised {
			continue
		}
		if in.Keys[i].Compromised {
			out = append(out, Step{Action: Remove, Owner: o.Name, Record: r.String(), NotBefore: in.Keys[i].Gone, Due: true, Why: "the key is compromised: an attacker can use it to impersonate this server while the record is published"})
			continue
		}
		at := in.Keys[i].Gone.Add(2 * o.TTL)
		why := "the key was replaced on " + in.Keys[i].Gone.UTC().Format(time.DateOnly) + "; earlier answers remain in caches for some time"
		out = append(out, Step{Action: Remove, Owner: o.Name, Record: r.String(), NotBefore: at, Due: !in.Now.Before(at), Why: why})
	}
	return out
}

// published reports whether some owner has signed records: else DANE is not used,
// and there is nothing to wait for.
func published(owners []Owner) bool {
	return slices.ContainsFunc(owners, func(o Owner) bool { return o.State == Signed && o.published() })
}

// ErrUnproved is why a roll-over is not allowed where it cannot be known whether a name
// has TLSA records.
var ErrUnproved = errors.New("it could not be verified whether there are TLSA records")

// Allowed says from when on the next key of an algorithm may be served, and
// why. The time is zero if there is nothing to wait for. It fails if it is not
// known that it may ever.
func Allowed(in Input, algorithm string) (at time.Time, why string, err error) {
	i := slices.IndexFunc(in.Keys, func(k Key) bool { return !k.Other && k.Role == Next && k.Algorithm == algorithm })
	if i < 0 {
		return at, "", fmt.Errorf("there is no next %s key", algorithm)
	}
	next := in.Keys[i]
	var missing []string
	for _, o := range in.Owners {
		switch {
		case o.State == Unproved:
			return at, "", fmt.Errorf("%w: %s%s", ErrUnproved, o.Name, because(o.Why))
		case o.State == Signed && next.laggingAt(o) != "":
			missing = append(missing, next.laggingAt(o)) // also where nothing is published: what comes there later starts the clock anew
		}
	}
	switch {
	case !published(in.Owners) && next.Hold > 0 && next.Seen.IsZero():
		return at, "", fmt.Errorf("records were published until recently, and it is unknown when they were removed: run postseal publish as root to start the waiting time")
	case !published(in.Owners) && next.Hold > 0:
		return next.Seen.Add(next.Hold), fmt.Sprintf("the records were removed at %s UTC or somewhat earlier, and answers with them may be cached for %s", stamp(next.Seen), next.Hold), nil
	case !published(in.Owners):
		return at, "no signed TLSA records are published: there is nothing to wait for", nil
	case len(missing) > 0:
		return at, "", fmt.Errorf("the record of the next key is not published for %s", strings.Join(missing, ", "))
	case next.Seen.IsZero() || next.Empty:
		return at, "", fmt.Errorf("it is unknown when the record of the next key was published: run postseal publish as root to start the waiting time")
	}
	wait, why := in.wait()
	if next.Hold > wait {
		wait, why = next.Hold, fmt.Sprintf("earlier answers may be cached for %s", next.Hold)
	}
	return next.Seen.Add(wait), fmt.Sprintf("the record of the next key was first seen on all servers at %s UTC, and %s", stamp(next.Seen), why), nil
}

// because returns a reason in brackets, or nothing.
func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// stamp is a time to the second: what is waited for is exact.
func stamp(t time.Time) string { return t.UTC().Format(time.DateTime) }

// wait is how long a key must have been published everywhere: until every
// secondary server has it, and every answer without it has been forgotten.
func (in Input) wait() (time.Duration, string) {
	least := in.Wait
	if least == 0 {
		least = Wait
	}
	wait, why := least, fmt.Sprintf("the minimum waiting time is %s", span(least))
	for _, o := range in.Owners {
		if o.State != Signed {
			continue
		}
		if w := o.hold(); w > wait {
			wait, why = w, fmt.Sprintf("answers about %s may be cached for %s, and secondary servers may lag %s behind", o.Name, span(o.TTL), span(o.Refresh))
		}
	}
	return wait, why
}

// span is a time without the zeros at its end: 48h.
func span(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// kind is the type of the record.
func (s Step) kind() string { return cmp.Or(s.Type, "TLSA") }

// ZoneLine is a record as a zone file has it.
func (s Step) ZoneLine() string {
	owner := strings.TrimSuffix(s.Owner, ".") + "."
	if s.Action == Remove {
		return fmt.Sprintf("%s IN %s %s", owner, s.kind(), s.Record)
	}
	return fmt.Sprintf("%s %d IN %s %s", owner, s.TTL, s.kind(), s.Record)
}

// NSUpdate is the input of nsupdate(1) for the steps that are due. Names and
// data are those of records: hex, digits, host names and quoted strings. Each owner is sent
// alone, since one update cannot touch two zones (RFC 2136, section 3.4.1).
func NSUpdate(steps []Step) string {
	var b bytes.Buffer
	owner := ""
	for _, s := range steps {
		if !s.Due || s.Action != Add && s.Action != Remove {
			continue
		}
		if owner != "" && s.Owner != owner {
			b.WriteString("send\n")
		}
		owner = s.Owner
		if s.Action == Add {
			fmt.Fprintf(&b, "update add %s\n", strings.Replace(s.ZoneLine(), " IN ", " ", 1))
		} else {
			fmt.Fprintf(&b, "update delete %s. %s %s\n", strings.TrimSuffix(s.Owner, "."), s.kind(), s.Record)
		}
	}
	if owner == "" {
		return ""
	}
	return b.String() + "send\n"
}
