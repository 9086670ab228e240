package audit

import (
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/hint"
)

// Cure says how to end a finding.
type Cure struct {
	// Text is for a person: an answer as a flag, a command, or what to do.
	Text string
	// Question is the key of the question that cures it, or empty, and Answer the value.
	Question, Answer string
	// Suggested is true if a plan of suggested answers cures it.
	Suggested bool
	// Drop are parameters to remove from main.cf, and Set is one to set there; with
	// InService, it is set for the service that was found.
	Drop      []string
	Set       Setting
	InService bool
	// Own are parameters that the answer does not change where a service overrides them.
	Own []string
}

// Setting is a parameter with a value.
type Setting struct{ Name, Value string }

// String returns the text.
func (c Cure) String() string { return c.Text }

// answer is a cure by one answer. More goes on after it.
func answer(question, value string, more ...string) Cure {
	return Cure{Text: "--" + question + " " + value + strings.Join(more, ""), Question: question, Answer: value}
}

// order is a cure by a certificate that is obtained or chosen.
func order(text string) Cure { return Cure{Text: text, Question: "cert"} }

// suggested is a cure by a plan of suggested answers.
func suggested(text string) Cure { return Cure{Text: text, Suggested: true} }

// drop is a cure by removal of parameters from main.cf.
func drop(names ...string) Cure {
	return Cure{Text: dropping(names), Drop: names}
}

// dropping is the removal of parameters from main.cf, as text.
func dropping(names []string) string { return "remove " + and(names) + " from main.cf" }

// and joins words as people do: "a, b and c".
func and(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// set is a cure by a parameter in main.cf. More goes on after it.
func set(name, value string, more ...string) Cure {
	return Cure{Text: "set " + name + " = " + value + strings.Join(more, ""), Set: Setting{name, value}}
}

// override is a cure by a parameter of the service that was found.
func override(name, value string) Cure {
	return Cure{Text: "-o " + name + "=" + value + " for that service, in master.cf", Set: Setting{name, value}, InService: true}
}

// outside is a cure that is left to the administrator.
func outside(text string) Cure { return Cure{Text: text} }

// then returns the cure followed by another one, which is an answer.
func (c Cure) then(next Cure) Cure {
	c.Text, c.Question, c.Answer = c.Text+"; then "+next.Text, next.Question, next.Answer
	return c
}

// leaving returns the cure, an answer that leaves overrides of these parameters as they are.
func (c Cure) leaving(names ...string) Cure {
	c.Own = names
	return c
}

// adding returns the cure with more text.
func (c Cure) adding(text string) Cure {
	c.Text += text
	return c
}

// usualBundle is the file of CA certificates that the cures name, on Debian and others.
const usualBundle = "/etc/ssl/certs/ca-certificates.crt"

// needCertificate are the questions that have no effect on a server without a certificate.
var needCertificate = []string{"inbound-level", "min-protocol", "submission", "auth-tls-only"}

// here returns a cure for this server: with its CA certificates and its instance of
// Postfix. Where there is no certificate, the cure is to get one first.
func (e *Evidence) here(c Cure) Cure {
	certified := slices.ContainsFunc(e.Certificates, func(c detect.Certificate) bool { return c.Server || len(c.Services) > 0 })
	switch {
	case !certified && slices.Contains(needCertificate, c.Question):
		return noCertificate.Cure
	case c.Answer == usualBundle && e.Bundle.Path == "":
		return outside("install the CA certificates of the distribution, mostly the package ca-certificates; then run postseal again")
	case c.Answer == usualBundle:
		c.Answer, c.Text = e.Bundle.Path, strings.ReplaceAll(c.Text, usualBundle, e.Bundle.Path)
	}
	if e.Config.Dir != "/etc/postfix" && e.Config.Dir != "" {
		for _, command := range []string{"reload", "start", "status"} {
			c.Text = strings.ReplaceAll(c.Text, "postfix "+command, hint.ShellLine([]string{"postfix", "-c", e.Config.Dir, command}))
		}
		c.Text = strings.ReplaceAll(c.Text, "postconf ", hint.ShellLine([]string{"postconf", "-c", e.Config.Dir})+" ")
	}
	return c
}
