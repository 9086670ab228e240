package interview

import (
	"fmt"
	"strings"

	"postseal/internal/ask"
	"postseal/internal/detect"
)

// SubmissionChange is what happens to the services for users in master.cf.
type SubmissionChange string

// The changes.
const (
	SubmissionKeep    SubmissionChange = "keep"
	SubmissionEncrypt SubmissionChange = "encrypt"
	SubmissionAdd465  SubmissionChange = "encrypt-and-465"
)

// submission decides what happens to ports 587 and 465.
var submission = &ask.Question[SubmissionChange, Facts]{
	Key:     "submission",
	Section: SectionReceiving,
	Title:   "TLS for users on ports 587 and 465",
	Why:     "TLS can be required here: every mail client supports it. Clients that are set to no encryption can then no longer send.",
	Help: `RFC 8314 prefers implicit TLS (port 465) to STARTTLS (port 587), since an attacker on the network
path cannot strip it. encrypt-and-465 opens port 465 with the same settings that 587 has now. postseal opens no
port unless asked, and does not change a service that already requires TLS.`,
	Choices: []ask.Choice[SubmissionChange]{
		{Value: SubmissionEncrypt, Name: "encrypt", Help: "TLS is required on the ports that are open"},
		{Value: SubmissionAdd465, Name: "encrypt-and-465", Help: "also open port 465 next to 587"},
		{Value: SubmissionKeep, Name: "keep", Help: "master.cf is left unchanged"},
	},
	When:  func(f Facts, a *ask.Answers) bool { return serves(f, a) && role.Get(f, a) == detect.Mailserver },
	Needs: needsCertificate + ", and --role mailserver",
	Hide: func(v SubmissionChange, f Facts, _ *ask.Answers) string {
		users := f.Receives(detect.Submission, detect.Submissions)
		switch {
		case v != SubmissionKeep && len(users) == 0:
			return "no submission port is open"
		case v == SubmissionAdd465 && len(f.Receives(detect.Submissions)) > 0:
			return "port 465 is already open"
		}
		return ""
	},
	Suggest: func(f Facts, _ *ask.Answers) ask.Suggestion[SubmissionChange] {
		if len(f.Receives(detect.Submission, detect.Submissions)) == 0 {
			return suggest(SubmissionKeep, ask.Detected, "no submission port is open here")
		}
		if id := behindProxy(f, func(l detect.Listener) bool { return l.Kind == detect.Submission || l.Kind == detect.Submissions }); id != "" {
			return suggest(SubmissionKeep, ask.Detected, "a proxy is in front of %s: if it terminates TLS, no user could send there once TLS is required", id)
		}
		return suggest(SubmissionEncrypt, ask.Default, "passwords and users' mail must be encrypted (RFC 8314)")
	},
	Check: func(v SubmissionChange, f Facts, _ *ask.Answers) error {
		// After the run that opened it, port 465 is open: nothing to do then.
		if v == SubmissionAdd465 && len(f.Receives(detect.Submission, detect.Submissions)) == 0 {
			return fmt.Errorf("there is no submission service whose settings port 465 could use")
		}
		return nil
	},
	Now: func(f Facts) string {
		var out []string
		for _, l := range f.Receives(detect.Submission, detect.Submissions) {
			out = append(out, l.Service.ID()+": "+l.Level)
		}
		if out == nil {
			return "no submission port is open"
		}
		return strings.Join(out, ", ")
	},
}
