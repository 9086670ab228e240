package rehearse

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
)

// attempt is one try to deliver, as the log has it.
type attempt struct {
	class  string // of the TLS connection, or empty
	status string // sent, deferred, bounced
	reason string
	lines  []string
}

// attempts takes the log of a transport apart (bounce and trace lines are of
// other programs).
func attempts(lines []string) (out []attempt) {
	var now attempt
	for _, l := range lines {
		now.lines = append(now.lines, l)
		if class, rest, ok := strings.Cut(l, " TLS connection established to "); ok && rest != "" && !strings.Contains(class, " ") {
			now.class = class
		}
		_, rest, ok := strings.Cut(l, ", status=")
		if !ok {
			continue
		}
		now.status, rest, _ = strings.Cut(rest, " ")
		now.reason = strings.TrimSuffix(strings.TrimPrefix(rest, "("), ")")
		out = append(out, now)
		now = attempt{}
	}
	return out
}

const cannotStart = "Cannot start TLS"

// fellBack reports whether TLS was tried, or begun, before the message went without
// (smtp.h in the source, PLAINTEXT_FALLBACK_OK_AFTER_...).
func (a attempt) fellBack() bool {
	return a.class != "" || slices.ContainsFunc(a.lines, func(l string) bool { return strings.Contains(l, cannotStart) })
}

// result is what became of a delivery; ok is false while that is not known. With
// late, a message that should have been tried again by now is not waited for.
func (r *run) result(w *watch, d *delivery, late bool) (t Trial, ok bool) {
	lines := w.of(d.name + "/")
	tries := attempts(lines)
	t = Trial{Direction: sending, Service: r.service.ID(), With: d.server.name, Text: d.text, Level: r.column(d), Verdict: Fine}
	level := r.level(d)
	for _, l := range lines {
		if isFatal(l) {
			t.Outcome, t.Got = Held, "not tried: the daemon died"
			if t.Cause = explain(lines, r.side()); t.Cause == nil {
				t.Cause = r.unlogged(level)
			}
			t.Verdict, t.Want = Failed, "a delivery, or a reason against it"
			return t, true
		}
	}
	if len(tries) == 0 {
		return t, false
	}
	if !late && tries[len(tries)-1].status == "sent" && !r.heard(d) {
		return t, false // the server tells when the client has left
	}
	first := tries[0]
	t.Outcome = r.outcome(d, first)
	switch {
	case t.Outcome == InClear && first.fellBack():
		// A busy machine: the message was old enough at its first attempt.
		t.Outcome, t.Clear = Held, r.fallBack()
		if first.reason = "lost connection"; first.class == "" {
			first.reason = cannotStart
		}
	case t.Outcome == Held && opportunistic(level):
		switch {
		case len(tries) < 2 && !late:
			return t, false
		case len(tries) < 2: // a machine that stands still: the rest of the table counts
			t.Reply, t.Got = first.reason, describe(t, first, level)+"; it was not tried again while we watched"
			t.Verdict, t.Unsettled = Noted, true
			return t, true
		case r.outcome(d, tries[1]) == InClear:
			t.Clear = r.fallBack()
		}
	}
	t.Reply = first.reason
	t.Got = describe(t, first, level)
	if d.policy != "" {
		t.Got += "; its policy is played here"
	}
	r.judge(&t, d, first, level)
	return t, true
}

// heard reports whether the server has told of the message, if it is one that does.
func (r *run) heard(d *delivery) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, seen := r.sessions[r.recipient(d)]
	return seen || d.behaviour == anonymous
}

// outcome of one attempt: the sink's word counts before the log's.
func (r *run) outcome(d *delivery, a attempt) Outcome {
	if a.status != "sent" {
		return Held
	}
	r.mu.Lock()
	s, seen := r.sessions[r.recipient(d)]
	r.mu.Unlock()
	switch {
	case a.class == "Verified":
		return Verified
	case seen && s.Encrypted() || !seen && a.class != "":
		return Encrypted
	}
	return InClear
}

// opportunistic reports whether a level may go on without TLS.
func opportunistic(level string) bool { return level == "may" || level == "dane" }

// level is the one that a delivery goes at, in the end.
func (r *run) level(d *delivery) string {
	if f := strings.Fields(d.policy); len(f) > 0 {
		return f[0]
	}
	return r.column(d)
}

// column is the level that the servers without a policy of their own get.
func (r *run) column(d *delivery) string {
	switch f := strings.Fields(r.to.Policy); {
	case len(f) > 0:
		return f[0]
	case d.level != "":
		return d.level
	}
	return detect.ClientLevel(func(name string) string { return r.candidate.Config.Text(&r.service, name) })
}

func (r *run) side() side { return side{"smtp", r.candidate, r.service, r.to.Policy} }

// fallBack says after how long the server itself would send in clear text what
// TLS kept back, during the handshake or after it: at the first try once the message is
// minimal_backoff_time old, and the queue is looked through every
// queue_run_delay (smtp_proto.c and qmgr(8)).
func (r *run) fallBack() string {
	get := func(name string) string {
		if v := r.candidate.Config.Text(nil, name); v != "" {
			return v
		}
		return "300s"
	}
	return fmt.Sprintf("when it is %s old (minimal_backoff_time; the queue is looked through every %s)", get("minimal_backoff_time"), get("queue_run_delay"))
}

// describe says in words how a message went.
func describe(t Trial, a attempt, level string) string {
	switch t.Outcome {
	case Verified:
		return "delivered, verified"
	case Encrypted:
		if a.class == "Trusted" {
			return "delivered encrypted; its CA is known, its name not compared"
		}
		return "delivered encrypted, server not authenticated"
	case InClear:
		return "delivered in clear"
	}
	text := "held back: " + reason(a, level)
	if t.Clear != "" {
		text += "; goes in clear " + t.Clear
	}
	return text
}

// reasons are words for what smtp(8) says, or its TLS library.
var reasons = [][2]string{
	{"hostname mismatch", "its certificate is for another name"},
	{"no matching DANE TLSA records", "no TLSA record names its certificate"},
	{"self-signed certificate", "nobody vouches for its certificate"},
	{"self signed certificate", "nobody vouches for its certificate"},
	{"certificate has expired", "its certificate has expired"},
	{"untrusted issuer", "the CA of its certificate is not trusted here"},
	{"but was not offered", "it offers no TLS, and the level demands it"},
	{"refused to start TLS", "it refuses TLS, and the level demands it"},
	{"TLS engine is unavailable", "TLS cannot be started on this side"},
	{"Cannot start TLS", "no handshake comes about"},
	{"no TLSA records found", "it has no TLSA record"},
	{"lost connection", "it hangs up after the handshake"},
}

// reason is why a message was held back. What verification says comes in a
// line of its own.
func reason(a attempt, level string) string {
	said := a.reason
	for _, l := range a.lines {
		if _, why, ok := strings.Cut(l, "certificate verification failed for "); ok {
			if _, why, ok = strings.Cut(why, ": "); ok {
				said = why
			}
		}
		if strings.Contains(l, "smtp_tls_wrappermode requires ") {
			return "TLS from the first byte requires level encrypt or a stronger one"
		}
	}
	if level == "fingerprint" && strings.Contains(said, "no matching DANE") { // the same code does both
		return "its key is not the one that is pinned"
	}
	for _, r := range reasons {
		if strings.Contains(said, r[0]) {
			return r[1]
		}
	}
	return said
}

// judge compares what came of a message with what its level promises. At a level
// that is only tried, that is how it would be; nothing fails now.
func (r *run) judge(t *Trial, d *delivery, a attempt, level string) {
	configured := d.level == "" || d.level == r.column(&delivery{})
	fail := func(want string) {
		if t.Verdict, t.Want = Failed, want; !configured {
			t.Verdict = Noted
		}
		if t.Cause = explain(a.lines, r.side()); t.Cause == nil {
			t.Cause = r.unlogged(level)
		}
	}
	authenticated := slices.Contains([]string{"verify", "secure", "fingerprint", "dane-only"}, level)
	dane := (level == "dane" || level == "dane-only") && r.candidate.Validates
	delivered := t.Outcome != Held
	switch {
	case t.Outcome == InClear && level != "none" && !opportunistic(level):
		fail("nothing in clear at level " + level)
	case delivered && authenticated && t.Outcome != Verified:
		fail("nothing without proof at level " + level)
	case dane && delivered && (d.server.name == "dane-wrong" || d.server.name == "dane-no-starttls"):
		fail("nothing against a TLSA record")
	case dane && d.server.name == "dane-right" && t.Outcome != Verified:
		fail("verified by its TLSA record")
	case d.server.name == "dane-right" && level == "dane-only" && !r.candidate.Validates && configured:
		fail("a delivery to a server that does everything right")
		t.Cause = &Cause{Text: "the resolver of this server does not validate DNSSEC, and dane-only sends nothing without", Parameter: "smtp_tls_security_level", Question: "outbound-level"}
	case d.server.name == "trusted" && !delivered && r.ownCA && (level == "verify" || level == "secure"):
		t.Verdict = Noted
		t.Cause = &Cause{Text: "mail only goes to servers with a certificate of the CAs that are set; a public one is none of them", Parameter: "smtp_tls_CAfile", Question: "ca-file"}
	case d.server.name == "trusted" && !delivered && level != "dane-only" && (!r.wrapper || !dane):
		fail("a delivery to a server that does everything right")
	case d.server.name == "trusted" && t.Outcome == InClear && level != "none":
		fail("TLS with a server that does everything right")
	case d.server.name == "tls13-only" && level != "none" && !authenticated && (!delivered || t.Outcome == InClear) && (!r.wrapper || !opportunistic(level)):
		fail("TLS with a server that speaks TLS 1.3 alone")
		if family := "smtp_tls_" + map[bool]string{true: "", false: "mandatory_"}[level == "may"] + "protocols"; !r.offers(family, postfix.TLSv13) {
			t.Cause = r.side().because("TLS 1.3 is not offered", family)
		}
	case d.server.name == "sts-right" && t.Outcome != Verified && !r.trusting:
		t.Verdict = Noted
		t.Cause = &Cause{Text: "without the public CAs no policy of this kind lets mail through", Parameter: "smtp_tls_CAfile", Question: "ca-file"}
	case d.server.name == "sts-right" && t.Outcome != Verified:
		fail("verified by its policy")
	case level != "none" && (d.server.name == "stripped" || d.server.name == "starttls-cut") && (t.Outcome == InClear || t.Clear != ""):
		t.Verdict = Noted
		t.Cause = &Cause{Text: "whoever is on the way can have mail to any server without a TLSA record or a policy sent like this", Question: "outbound-level"}
	}
}

// offers reports whether a protocol list of the service leaves a version on, and what
// lies between the oldest and that one.
func (r *run) offers(parameter string, p postfix.Protocol) bool {
	on, err := postfix.ParseProtocols(r.candidate.Config.Text(&r.service, parameter), r.candidate.Config.Version)
	return err != nil || slices.Contains(on, p) && postfix.Gapless(on)
}

// unlogged is why a message did not go as promised though Postfix finds nothing
// wrong with its settings.
func (r *run) unlogged(level string) *Cause {
	if !r.trusting && (level == "verify" || level == "secure") {
		return r.side().because("no public CA is trusted, so no server can prove who it is", "smtp_tls_CAfile")
	}
	return r.side().because("the level does not do what it promises", "smtp_tls_security_level")
}
