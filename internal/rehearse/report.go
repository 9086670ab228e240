package rehearse

import (
	"slices"
	"time"
)

// Verdict is what came of one trial.
type Verdict string

// The verdicts.
const (
	// Fine: it went as the configuration promises.
	Fine Verdict = "fine"
	// Noted: TLS works, but a setting does not do what it says.
	Noted Verdict = "noted"
	// Failed: TLS, or mail, would stop.
	Failed Verdict = "failed"
)

// Trial is one client at one listener, or one message to one kind of server.
type Trial struct {
	// Direction is "receiving" or "sending".
	Direction string `json:"direction"`
	// Service is the master.cf service.
	Service string `json:"service"`
	// With is the client, or the server that was sent to; Level the TLS level
	// that a message was sent at.
	With  string `json:"with"`
	Level string `json:"level,omitempty"`
	// Text says in words what kind of client or server that is.
	Text string `json:"text"`
	// Got is what came of it, Want what should have, if that is something else.
	Got     string  `json:"got"`
	Want    string  `json:"want,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Outcome is how a message went, for sending; Reply what Postfix says of it.
	Outcome Outcome `json:"outcome,omitempty"`
	Reply   string  `json:"reply,omitempty"`
	// Clear says after how long a message that was held back first goes in
	// clear text, if it does.
	Clear string `json:"clear,omitempty"`
	// Unsettled says that it was held back, and not tried again while we watched:
	// whether it then goes in clear text is not known.
	Unsettled bool `json:"unsettled,omitempty"`
	// Cause names in words what is behind a failure.
	Cause *Cause `json:"cause,omitempty"`
}

// By names the service that sent, unless it is the usual one: " by relay/unix".
func (t Trial) By() string {
	if t.Direction != sending || t.Service == usual {
		return ""
	}
	return " by " + t.Service
}

// usual is the service that mail goes out by unless transport_maps(5) or
// default_transport name another.
const usual = "smtp/unix"

// Cause is why something failed, as far as the log tells.
type Cause struct {
	// Text says it in words; Log is the line of Postfix's log.
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
	// Notes are worth knowing about the rehearsal itself.
	Notes []string `json:"notes,omitempty"`
	// Missing is what could not be rehearsed though it is there: "receiving" or
	// "sending". Notes say why.
	Missing []string `json:"missing,omitempty"`
	// Took is how long it took, in nanoseconds.
	Took time.Duration `json:"took"`
}

// Failures are the trials that failed.
func (r *Report) Failures() []Trial {
	return slices.DeleteFunc(slices.Clone(r.Trials), func(t Trial) bool { return t.Verdict != Failed })
}

// Outcome is how a message went.
type Outcome string

// The outcomes, the best first.
const (
	Verified  Outcome = "verified"  // encrypted, to whom it was meant for
	Encrypted Outcome = "encrypted" // to whom is not proved
	InClear   Outcome = "in clear"
	Held      Outcome = "held" // deferred
)

// Whom says what was tried: clients that came here, servers that were sent to.
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
