package audit

import (
	"cmp"
	"errors"
	"fmt"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/probe"
)

// receivingListenersRules are the rules about single listeners, and what they need to run.
var receivingListenersRules = []Rule{
	weakerListener, notSeen, neverGreets, notOpen, noReceivingTable, noSNITable, ownSettings,
}

var weakerListener = Rule{
	ID: "PS-RCV-023", Part: Receiving, Severity: Medium, Since: "1.0",
	Title:  "A listener has weaker TLS settings than main.cf",
	Why:    "What main.cf says does not apply there.",
	Level:  May,
	Source: "master(5), -o",
	Cure:   outside("correct or remove the override in master.cf"),
	Check: listeners(byService, func(e *Evidence, l posture.Listener) string {
		for _, name := range overrides(e, l.Service) {
			if loosens(e, l, name) {
				v := e.Config.Value(&l.Service, name)
				return fmt.Sprintf("overrides %s with %q", name, v.Text)
			}
		}
		return ""
	}, detect.Relay, detect.Submission, detect.Submissions),
}

var notSeen = Rule{
	ID: "PS-RCV-033", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "A listener could not be tested, or only in part",
	Why:    "What was not seen is judged by the configuration alone. If nothing can connect although Postfix should run, no mail arrives there.",
	Level:  May,
	Source: "what a connection found",
	Cure:   outside("postfix status, and postfix start if it should run; otherwise repeat the audit when the server is less busy"),
	Check: live(func(e *Evidence, l Live) string {
		var at *probe.Error
		switch known := errors.As(l.Err, &at); {
		case l.whole():
			return ""
		case l.Seen != nil:
			return "could be tested only in part: " + cmp.Or(l.Seen.Problem, "it took too long")
		case known && (at.Stage == probe.STARTTLS || at.Stage == probe.Handshaking || mute(l) || closed(l) && e.running()):
			return "" // other rules have it
		case known:
			return "could not be tested: " + at.Err.Error()
		case l.Err != nil: // others of this server took all the time
			return "could not be tested: " + l.Err.Error()
		}
		return ""
	}),
}

var neverGreets = Rule{
	ID: "PS-RCV-036", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "A listener accepts connections but never greets",
	Why:    "Mail waits at the senders and is returned after days: the service behind that port dies or hangs.",
	Level:  Must,
	Source: "RFC 5321 section 3.1: the server greets first",
	Cure:   outside("look for the reason in the log: postfix/smtpd ... fatal"),
	Check: live(func(e *Evidence, l Live) string {
		if mute(l) {
			return "accepted a connection and sent no greeting"
		}
		return ""
	}),
}

var notOpen = Rule{
	ID: "PS-RCV-037", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "A listener in master.cf is not open",
	Why:    "Postfix runs, but nothing can connect there: mail that should arrive that way does not.",
	Level:  Must,
	Source: "master(5)",
	Cure:   outside("postfix reload, then look at the log lines of postfix/master"),
	Check: live(func(e *Evidence, l Live) string {
		if closed(l) && e.running() {
			return "refuses connections, while Postfix runs"
		}
		return ""
	}),
}

var noReceivingTable = Rule{
	ID: "PS-RCV-039", Part: Receiving, Severity: High, Since: "1.0",
	Title:  "A lookup table for receiving cannot be opened",
	Why:    "What depends on it is deferred or skipped: clients that it should admit are not admitted.",
	Level:  Must,
	Source: "postconf(5), relay_clientcerts",
	Cure:   outside("run postmap on the table, or remove it from main.cf"),
	Check:  problems(postfix.Receiving, func(_ *Evidence, p detect.Problem) bool { return p.Parameter != "tls_server_sni_maps" }, detect.NoTable),
}

var noSNITable = Rule{
	ID: "PS-RCV-038", Part: Receiving, Severity: Critical, Since: "1.0",
	Title:  "The lookup table with certificates by name cannot be opened",
	Why:    "Senders that name the host they want, as nearly all large ones do, get no handshake.",
	Level:  Must,
	Source: "postconf(5), tls_server_sni_maps; seen: alert 80",
	Cure:   outside("run postmap -F on the table, or remove tls_server_sni_maps from main.cf"),
	Check:  problems(postfix.Receiving, func(_ *Evidence, p detect.Problem) bool { return p.Parameter == "tls_server_sni_maps" }, detect.NoTable),
}

var ownSettings = Rule{
	ID: "PS-RCV-044", Part: Receiving, Severity: Note, Since: "1.0",
	Title:  "A listener has TLS settings of its own",
	Why:    "Changes to main.cf do not affect them.",
	Level:  May,
	Source: "master(5), -o",
	Cure:   outside("correct or remove the override in master.cf"),
	Check: listeners(byService, func(e *Evidence, l posture.Listener) string {
		var names []string
		for _, o := range overrides(e, l.Service) {
			if usual := l.At.Kind != detect.Relay && (o == "smtpd_tls_security_level" || o == "smtpd_tls_wrappermode" || o == "smtpd_tls_auth_only"); !usual && !loosens(e, l, o) {
				names = append(names, o)
			}
		}
		if len(names) == 0 {
			return ""
		}
		return "sets " + few(names)
	}, detect.Relay, detect.Submission, detect.Submissions),
}
