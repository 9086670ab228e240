package rehearse

import (
	"slices"
	"time"
)

// Verdict is the result of one trial.
type Verdict string

// The verdicts.
const (
	// Fine: it went as the configuration promises.
	Fine Verdict = "fine"
	// Noted: TLS works, but a setting does not have its stated effect.
	Noted Verdict = "noted"
	// Failed: TLS, or mail, would stop.
	Failed Verdict = "failed"
)

// Trial is one client at one listener, or one message to one type of server.
type Trial struct {
	// Direction is "receiving" or "sending".
	Direction string `json:"direction"`
	// Service is the master.cf service.
	Service string `json:"service"`
	// With is the client, or the server that was sent to; Level the TLS level
	// that a message was sent at.
	With  string `json:"with"`
	Level string `json:"level,omitempty"`
	// Text describes the client or server.
	Text string `json:"text"`
	// Got is what happened, Want what should have happened, if that differs.
	Got     string  `json:"got"`
	Want    string  `json:"want,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Outcome is what happened to a message, for sending; Reply what Postfix logged.
	Outcome Outcome `json:"outcome,omitempty"`
	Reply   string  `json:"reply,omitempty"`
	// Clear says after how long a message that was deferred first is sent in
	// cleartext, if it is.
	Clear string `json:"clear,omitempty"`
	// Unsettled says that it was deferred and not retried during the rehearsal:
	// whether it would then be sent in cleartext is unknown.
	Unsettled bool `json:"unsettled,omitempty"`
	// Cause describes the cause of a failure.
	Cause *Cause `json:"cause,omitempty"`
}

// By names the service that sent, unless it is the usual one: " by relay/unix".
func (t Trial) By() string {
	if t.Direction != sending || t.Service == usual {
		return ""
	}
	return " by " + t.Service
}

// usual is the service that sends mail unless transport_maps(5) or default_transport
// name another.
const usual = "smtp/unix"

// Cause is why something failed, as far as the log shows.
type Cause struct {
	// Text describes it; Log is the line of Postfix's log.
	Text string `json:"text"`
	Log  string `json:"log,omitempty"`
	// Parameter is the parameter to blame, Origin where it is set; Question the
	// key of the question that sets it. Each may be empty. If no question sets it,
	// Question is the nearest, and Foreign is true.
	Parameter string `json:"parameter,omitempty"`
	Origin    string `json:"origin,omitempty"`
	Question  string `json:"question,omitempty"`
	Foreign   bool   `json:"foreign,omitempty"`
}

// Report is what a rehearsal found.
type Report struct {
	Trials []Trial `json:"trials"`
	// Notes are remarks about the rehearsal itself.
	Notes []string `json:"notes,omitempty"`
	// Missing lists what exists but could not be rehearsed: "receiving" or "sending".
	// Notes say why.
	Missing []string `json:"missing,omitempty"`
	// Took is how long it took, in nanoseconds.
	Took time.Duration `json:"took"`
}

// Failures returns the trials that failed.
func (r *Report) Failures() []Trial {
	return slices.DeleteFunc(slices.Clone(r.Trials), func(t Trial) bool { return t.Verdict != Failed })
}

// Outcome is what happened to a message.
type Outcome string

// The outcomes, the best first.
const (
	Verified  Outcome = "verified"  // encrypted, server authenticated
	Encrypted Outcome = "encrypted" // server not authenticated
	InClear   Outcome = "in clear"
	Held      Outcome = "held" // deferred
)

// Whom names what was tried: clients that connected, servers that received mail.
func (r *Report) Whom() string {
	sent := func(t Trial) bool { return t.Direction == sending }
	came := func(t Trial) bool { return !sent(t) }
	switch {
	case slices.ContainsFunc(r.Trials, came) && slices.ContainsFunc(r.Trials, sent):
		return "clients and servers"
	case slices.ContainsFunc(r.Trials, came):
		return "clients"
	}
	return "servers"
}
