package lineage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"postseal/certs/acme"
	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/resolve"
)

// asker is who asks for a certificate, as CAA records see it: the names of the
// CA, the way of proving, and the account.
type asker struct {
	cas             []string
	method, account string
}

// unbound takes out of an order's faults that it is for another account,
// which at a CA's staging place says nothing about the real one.
func unbound(faults error) (bound, rest error) {
	for _, err := range hint.All(faults) {
		if errors.Is(err, errBound) {
			bound = errors.Join(bound, err)
		} else {
			rest = errors.Join(rest, err)
		}
	}
	return bound, rest
}

// refusedByCAA reports whether a CA has refused an order for CAA records alone, and
// so after the proof.
func refusedByCAA(err error) bool {
	var p *acme.Problem
	return errors.As(err, &p) && p.Type == "caa"
}

// method is the name of the challenge in ACME (RFC 8555, section 8).
func (c Challenge) method() string {
	switch c.Kind {
	case interview.ProofHTTP, interview.ProofWebroot:
		return "http-01"
	case interview.ProofTLS:
		return "tls-alpn-01"
	}
	return "dns-01"
}

// errBound is why an order is refused whose name is bound to another account.
var errBound = errors.New("it is for another account")

// caa looks for a record that forbids the order of a name, from the name upwards
// to the first that has any (RFC 8659, section 3). A failure is no empty answer:
// nobody may look further up then. It is no obstacle here, but told: the CA asks
// for itself.
func (k *Keeper) caa(ctx context.Context, server, name string, who asker) error {
	host, wildcard := strings.CutPrefix(name, "*.")
	for at := host; strings.Contains(at, "."); _, at, _ = strings.Cut(at, ".") {
		switch a := (resolve.Resolver{Machine: k.M, Servers: []string{server}}).Ask(ctx, at, resolve.CAA).(type) {
		case resolve.Unknown:
			if k.Step != nil {
				k.Step(apply.Event{Step: "CAA records of " + at, State: apply.Noted, Text: "not checked (" + a.Text + "): a CA that gets no answer either will not sign"})
			}
			return nil
		case resolve.Records:
			return who.refused(at, a.Values, wildcard)
		}
	}
	return nil
}

// understood are the tags that CAs know (RFC 8659, section 4; RFC 9495).
var understood = []string{"issue", "issuewild", "iodef", "issuemail"}

// refused says why none of the records of a name allows the order; nil if one
// does, or if they are about something else.
func (w asker) refused(at string, records []string, wildcard bool) error {
	values := map[string][]string{}
	const critical = 128
	for _, r := range records { // 0 issue "letsencrypt.org; validationmethods=dns-01"
		if f := strings.SplitN(r, " ", 3); len(f) == 3 {
			tag := strings.ToLower(f[1]) // RFC 8659, section 4.1: in any case
			values[tag] = append(values[tag], strings.Trim(f[2], `"`))
			if flags, err := strconv.Atoi(f[0]); err == nil && flags&critical != 0 && !slices.Contains(understood, tag) {
				return hint.New(fmt.Sprintf("the CAA record (%.40q) of %s is critical, and a CA that does not support it will not sign", tag, at), "remove the record, or set its flags to 0")
			}
		}
	}
	tag := "issue"
	if wildcard && len(values["issuewild"]) > 0 {
		tag = "issuewild" // it alone counts then (section 4.3)
	}
	if len(values[tag]) == 0 {
		return nil
	}
	var others []string
	var why error
	for _, v := range values[tag] {
		ca, parameters, _ := strings.Cut(v, ";")
		ca = strings.ToLower(strings.TrimSpace(ca))
		if !slices.Contains(w.cas, ca) {
			others = append(others, cmp.Or(ca, "nobody"))
			continue
		}
		if why = w.bound(at, parameters); why == nil {
			return nil
		}
	}
	if why != nil {
		return why
	}
	return hint.New(fmt.Sprintf("the CAA record (%s) of %s allows %s, but not this CA (%s)", tag, at, strings.Join(others, ", "), strings.Join(w.cas, ", ")), "change the record, or choose a CA that it allows")
}

// bound says why the parameters of a record for this CA do not allow the way of
// proving, or the account (RFC 8657).
func (w asker) bound(at, parameters string) error {
	for _, p := range strings.Split(parameters, ";") {
		name, value, _ := strings.Cut(p, "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "validationmethods":
			if methods := strings.Split(value, ","); !slices.Contains(methods, w.method) {
				return hint.New(fmt.Sprintf("the CAA record of %s allows validation by %s, but not by %s", at, value, w.method), "use that method (--challenge), or change the record")
			}
		case "accounturi":
			if value != w.account {
				return hint.Wrap(fmt.Errorf("%w: the CAA record of %s is for the account %s, but this one is %s", errBound, at, value, w.account), "add this account to the record")
			}
		}
	}
	return nil
}
