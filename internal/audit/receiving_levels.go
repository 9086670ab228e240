package audit

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/probe"
)

// receivingLevelsRules are the rules about whether clients get TLS, and whether they must use it.
var receivingLevelsRules = []Rule{
	noInboundTLS, inboundTLSRequired, starttlsHidden, screenLevelDiffers, starttlsNotOffered,
	otherListenerWithoutTLS, plaintextRejected, noTLSProxy,
}

var noInboundTLS = Rule{
	ID: "PS-RCV-001", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "No TLS is offered to sending servers",
	Why:    "All mail arrives in cleartext: an attacker on the network path can read and change it.",
	Level:  Must,
	Source: "RFC 3207; NCSC-NL: STARTTLS must be offered",
	Cure:   answer("inbound-level", "may"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		if l.TLS.Is == posture.Never && e.Exchanger(l.At) && e.InFront() == "" && !e.differs(l) {
			return "has TLS level none" + e.proxyNote(l)
		}
		return ""
	}, detect.Relay),
}

var inboundTLSRequired = Rule{
	ID: "PS-RCV-002", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "TLS is required of all sending servers",
	Why:    "Servers without TLS cannot deliver: their mail is returned to the sender.",
	Level:  Must,
	Source: "RFC 3207 section 4: a public mail exchanger MUST NOT demand it",
	Cure:   answer("inbound-level", "may"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		if l.TLS.Is == posture.Mandatory && e.Exchanger(l.At) && e.Role != detect.Sender && !e.differs(l) {
			return "requires TLS of every client"
		}
		return ""
	}, detect.Relay),
}

var starttlsHidden = Rule{
	ID: "PS-RCV-019", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "STARTTLS is hidden from all clients",
	Why:    "No client can use TLS, whatever else is set.",
	Level:  Must,
	Source: "postconf(5), smtpd_discard_ehlo_keywords",
	Cure:   outside("remove starttls from smtpd_discard_ehlo_keywords"),
	Check: listeners(byService, func(e *Evidence, l posture.Listener) string {
		if l.Hidden {
			return "does not announce STARTTLS (smtpd_discard_ehlo_keywords)"
		}
		return ""
	}, detect.Relay, detect.Submission),
}

var screenLevelDiffers = Rule{
	ID: "PS-RCV-021", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "postscreen has another TLS level than the smtpd behind it",
	Why:    "Some clients get TLS and some do not, depending on which of the two answers.",
	Level:  Should,
	Source: "POSTSCREEN_README, TLS",
	Cure:   drop("postscreen_tls_security_level").adding(", and the override from the smtpd behind it"),
	Check: when(func(e *Evidence) bool {
		return slices.ContainsFunc(e.Listeners, func(l detect.Listener) bool { return l.Screened })
	}, func(e *Evidence) (out []Hit) {
		for _, screen := range e.Posture().Listeners {
			behind, ok := e.behind(screen)
			if !ok || behind.TLS.Is != posture.Offered && e.Exchanger(behind.At) {
				continue // PS-RCV-001 or PS-RCV-002 has it
			}
			if screen.TLS.Is != behind.TLS.Is {
				out = append(out, Hit{Detail: screen.ID() + " has TLS level " + screen.TLS.Is.String() + ", " + behind.ID() + " has " + behind.TLS.Is.String(), At: e.place(screen.TLS.Origin, screen.Service)})
			}
		}
		return out
	}),
}

// behind is the smtpd to which a postscreen hands clients on.
func (e *Evidence) behind(screen posture.Listener) (posture.Listener, bool) {
	all := e.Posture().Listeners
	i := slices.IndexFunc(all, func(l posture.Listener) bool { return !l.Screen && l.At.Service.ID() == screen.At.Service.ID() })
	if i < 0 || !screen.Screen {
		return posture.Listener{}, false
	}
	return all[i], true
}

// differs reports whether a listener is a postscreen with another TLS level than the smtpd
// behind it: PS-RCV-021 tells of that.
func (e *Evidence) differs(l posture.Listener) bool {
	behind, ok := e.behind(l)
	return ok && behind.TLS.Is != l.TLS.Is
}

var starttlsNotOffered = Rule{
	ID: "PS-RCV-025", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "STARTTLS is configured but not offered",
	Why:    "Mail arrives in cleartext, whatever main.cf says.",
	Level:  Must,
	Source: "RFC 3207 section 4",
	Cure:   outside("find the cause with postseal rehearse --current"),
	Check: live(func(e *Evidence, l Live) string {
		hidden := slices.ContainsFunc(e.Posture().Listeners, func(p posture.Listener) bool {
			return p.Hidden && p.At.Service.ID() == l.Listener.Service.ID()
		})
		if l.Listener.Level != "none" && errors.Is(l.Err, probe.ErrNotOffered) && !hidden { // else PS-RCV-019 has it
			return "does not list STARTTLS"
		}
		return ""
	}),
}

var otherListenerWithoutTLS = Rule{
	ID: "PS-RCV-043", Part: Receiving, Severity: Low, Since: "1.0",
	Title:  "A listener other than port 25 offers no TLS",
	Why:    "Mail that is delivered there arrives in cleartext.",
	Level:  Should,
	Source: "RFC 3207",
	Cure:   override("smtpd_tls_security_level", "may"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		if l.TLS.Is == posture.Never && !e.Exchanger(l.At) {
			return "has TLS level none"
		}
		return ""
	}, detect.Relay),
}

var plaintextRejected = Rule{
	ID: "PS-RCV-060", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "A restriction refuses mail without TLS",
	Why:    "Servers without TLS cannot deliver: Postfix answers 450, and their mail is returned to the sender after days.",
	Level:  Must,
	Source: "RFC 3207 section 4: a public mail exchanger MUST NOT demand it; postconf(5), reject_plaintext_session",
	Cure:   outside("remove reject_plaintext_session from the restrictions for port 25"),
	Check: when(func(e *Evidence) bool { return len(e.Receives(detect.Relay)) > 0 }, func(e *Evidence) (out []Hit) {
		for _, l := range e.Receives(detect.Relay) {
			if !e.Exchanger(l) || e.Role == detect.Sender || e.privateRelay(l) {
				continue
			}
			s := detect.Behind(e.Config, l.Service)
			for _, name := range restrictions {
				v := e.Config.Value(&s, name)
				h := Hit{Detail: name + " of " + l.Service.ID() + " has " + plaintext, At: v.Origin}
				if refusesCleartext(v) && !slices.Contains(out, h) {
					out = append(out, h)
				}
			}
		}
		return out
	}),
}

// plaintext is the restriction that refuses mail without TLS (postconf(5)).
const plaintext = "reject_plaintext_session"

// refusesCleartext reports whether a list of restrictions refuses mail for a domain of
// this server if it comes without TLS. What a table permits before is not known here.
func refusesCleartext(v postfix.Value) bool {
	warned := false
	for _, word := range postfix.List(strings.ToLower(v.Text)) {
		switch {
		case word == plaintext && !warned:
			return true
		case (word == "permit" || word == "permit_auth_destination" || word == "reject" || word == "defer") && !warned:
			return false
		}
		warned = word == "warn_if_reject"
	}
	return false
}

var noTLSProxy = Rule{
	ID: "PS-RCV-061", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "postscreen offers TLS, but master.cf has no tlsproxy service",
	Why:    "Senders that postscreen tests ask for TLS and get 454: they fall back to cleartext or fail. Clients that are exempt from its tests, such as this machine, do not notice.",
	Level:  Must,
	Source: "POSTSCREEN_README, STARTTLS; seen on Postfix 3.7: 454 4.7.0 TLS not available due to local problem",
	Cure:   outside("add this line to master.cf, then postfix reload: tlsproxy unix - - n - 0 tlsproxy"),
	Check: listeners(byLevel, func(e *Evidence, l posture.Listener) string {
		name := cmp.Or(e.Config.Text(&l.Service, "tlsproxy_service_name"), "tlsproxy")
		if _, there := e.Config.Master.Find(name, "unix"); !l.Screen || l.TLS.Is == posture.Never || there {
			return ""
		}
		return "has TLS level " + l.TLS.Is.String() + ", and no service " + name + " does TLS for it"
	}, detect.Relay, detect.Submission, detect.Submissions),
}
