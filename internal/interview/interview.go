// Package interview is the list of questions, one file each. From each comes
// the wizard's page, the plain prompt, the flag, the line in the answers file
// and the reference text.
//
// It asks nothing itself, and what an answer does to the configuration is
// decided in package plan.
package interview

import (
	"fmt"
	"slices"

	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/postfix"
)

// Facts is what questions look at.
type Facts = *detect.Facts

// Sections group the questions on the way through.
const (
	SectionServer      = "Server"
	SectionCertificate = "Certificate"
	SectionReceiving   = "Receiving"
	SectionSending     = "Sending"
)

// All are the questions in the order in which they are asked.
var All = ask.Set[Facts]{
	role, profile,
	cert, key,
	inboundLevel, minProtocol, authTLSOnly, submission, submissionMinProtocol, receivedHeader,
	outboundLevel, policies, caFile, clientCert, clientKey, logLevel,
}

// Decisions holds the effective answers, typed.
type Decisions struct {
	Role         detect.Role
	Profile      Profile
	Cert, Key    []string // empty: no server certificate
	InboundLevel string
	MinProtocol  postfix.Protocol
	// OffersAuth is true if AuthTLSOnly matters: some service offers AUTH.
	OffersAuth  bool
	AuthTLSOnly bool
	Submission  SubmissionChange
	// SubmissionMinProtocol is the floor for users.
	SubmissionMinProtocol postfix.Protocol
	ReceivedHeader        bool
	OutboundLevel         string
	// Policy is empty if the question does not matter.
	Policy     string
	CAFile     string // empty: none
	ClientCert ClientCertificate
	ClientKey  string // empty: in the same file
	LogLevel   int
}

// Decide reads the answers.
func Decide(f Facts, a *ask.Answers) Decisions {
	d := Decisions{
		Role: role.Get(f, a), Profile: profile.Get(f, a),
		InboundLevel: inboundLevel.Get(f, a), MinProtocol: minProtocol.Get(f, a),
		OffersAuth: authTLSOnly.Relevant(f, a), AuthTLSOnly: authTLSOnly.Get(f, a), Submission: submission.Get(f, a), SubmissionMinProtocol: submissionMinProtocol.Get(f, a), ReceivedHeader: receivedHeader.Get(f, a),
		OutboundLevel: outboundLevel.Get(f, a), CAFile: caFile.Get(f, a),
		ClientCert: clientCert.Get(f, a), LogLevel: logLevel.Get(f, a),
	}
	if policies.Relevant(f, a) {
		d.Policy = policies.Get(f, a)
	}
	if serves(f, a) {
		d.Cert = cert.Get(f, a)
		if key.Relevant(f, a) {
			d.Key = key.Get(f, a)
		}
	}
	if clientKey.Relevant(f, a) {
		d.ClientKey = clientKey.Get(f, a)
	}
	return d
}

// Settle drops answers that belong to an overridden one: for example a key from the
// answers file, if a flag now names another certificate.
func Settle(a *ask.Answers) {
	for of, with := range map[string]string{cert.Key: key.Key, clientCert.Key: clientKey.Key} {
		if a.Source(of) > a.Source(with) {
			a.Forget(with)
		}
	}
}

// Missing returns the questions of a set that have neither an answer nor a
// suggestion.
func Missing(set ask.Set[Facts], f Facts, a *ask.Answers) ask.Set[Facts] {
	return slices.DeleteFunc(set.Relevant(f, a), func(q ask.Item[Facts]) bool {
		_, source := q.Value(f, a)
		return source != ask.Unset
	})
}

// receives reports whether the role accepts mail from other servers.
func receives(f Facts, a *ask.Answers) bool { return role.Get(f, a) != detect.Sender }

// serves reports whether there is a server certificate.
func serves(f Facts, a *ask.Answers) bool {
	return receives(f, a) && !slices.Equal(cert.Get(f, a), noCertificate)
}

// needsCertificate describes what serves requires.
const needsCertificate = "a server certificate: --cert FILE, created at once by postseal cert self-signed or ordered by postseal cert obtain"

// suggest is shorthand for what most questions return.
func suggest[T any](v T, source ask.Source, format string, args ...any) ask.Suggestion[T] {
	return ask.Suggestion[T]{Value: v, Why: fmt.Sprintf(format, args...), Source: source}
}

// one reads a single value as it is.
func one(texts []string) (string, error) { return texts[0], nil }

// now returns the value of a parameter and where it is set.
func now(f Facts, name string) string {
	v := f.Config.Value(nil, name)
	text := v.Text
	if text == "" {
		text = "not set"
	}
	if !v.Set {
		return fmt.Sprintf("%s (Postfix default)", text)
	}
	return fmt.Sprintf("%s (%s)", text, v.Origin)
}

// yesNo are the choices of a question that has only these.
func yesNo(yes, no string) []ask.Choice[bool] {
	return []ask.Choice[bool]{{Value: true, Name: "yes", Help: yes}, {Value: false, Name: "no", Help: no}}
}
