package policy

// Attack is what somebody on the network path does to mail.
type Attack string

// The attacks.
const (
	Strip    Attack = "starttls-stripped"   // STARTTLS is removed from what the server says
	Swap     Attack = "certificate-swapped" // the attacker answers in the place of the server
	Redirect Attack = "mx-redirected"       // forged MX records name a server of the attacker, with a valid certificate
)

// Attacks are all attacks, in the order in which they are shown.
var Attacks = []Attack{Strip, Swap, Redirect}

// Fate is what becomes of a message under attack.
type Fate string

// The fates.
const (
	Kept     Fate = "held"     // it waits: the attacker gets nothing
	Leaked   Fate = "leaked"   // it crosses the network in cleartext
	Captured Fate = "captured" // it is encrypted, and delivered to the attacker
	Untried  Fate = "unknown"  // the rehearsal had no result
)

// Lost reports whether the attacker gets the message.
func (f Fate) Lost() bool { return f == Leaked || f == Captured }

// Trial is what a private Postfix did with a message to a kind of server, by the names of
// package rehearse.
type Trial struct{ Delivered, Encrypted bool }

// Drill is the fate of mail to a domain under each attack, at one level. validates reports
// whether the resolver validates. played returns what was tried; see package rehearse for
// the names of the servers.
func Drill(e Evidence, level string, s Setting, validates bool, played func(server, level string) (Trial, bool)) map[Attack]Fate {
	out := map[Attack]Fate{}
	with, without := daneCount(e) // an attacker can force a server without
	dane := with > 0 && without == 0 && (e.Domain.Signed || s.NoLooseDANE == "")
	for _, a := range Attacks {
		if a == Redirect && e.Domain.Signed && validates {
			out[a] = Kept // a resolver that validates does not pass forged records on
			continue
		}
		t, ok := played(stand(a, level, dane), level)
		switch {
		case !ok:
			out[a] = Untried
		case !t.Delivered:
			out[a] = Kept
		case t.Encrypted:
			out[a] = Captured
		default:
			out[a] = Leaked
		}
	}
	return out
}

// stand is the server that stands for an attacker: one at a level that compares the
// certificate with the name of the server, which forged MX records choose, is trusted.
func stand(a Attack, level string, dane bool) string {
	switch {
	case a == Strip && dane:
		return "dane-no-starttls"
	case a == Strip:
		return "stripped"
	case a == Swap && dane:
		return "dane-wrong"
	case a == Swap:
		return "self-signed"
	case level == "secure" || level == "fingerprint":
		return "wrong-name"
	}
	return "trusted"
}
