// Package posture works out what mail really meets on a server: the TLS of every
// listener that clients connect to, and of every route by which mail leaves.
//
// It is a pure function of the facts and of a configuration, the present one or a planned
// one. It judges nothing: audit judges a posture, and plan the difference between two.
package posture

import (
	"cmp"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// Posture is the TLS of one server.
type Posture struct {
	Listeners []Listener
	Routes    []Route
}

// Value is an effective value and where it was set.
type Value[T any] struct {
	Is     T
	Origin postfix.Origin
}

// Duty is what a listener or a route does about TLS.
type Duty int

// The duties, from loose to strict.
const (
	Never     Duty = iota // TLS is not to be had
	Offered               // TLS is there for those who want it
	Mandatory             // nothing goes without TLS
)

// String is the TLS level of a server that has this duty (postconf(5),
// smtpd_tls_security_level).
func (d Duty) String() string { return [...]string{"none", "may", "encrypt"}[d] }

// Of works out the posture of a configuration. The map fresh holds the certificates of
// chain files that are still to be written, by path; it may be nil.
func Of(f *detect.Facts, c postfix.Config, fresh map[string]certs.Facts) Posture {
	m := model{f: f, c: c, fresh: fresh}
	var p Posture
	for _, s := range c.Master.Services() {
		if s.Bad != "" {
			continue
		}
		switch program := s.Program(); {
		case s.Type == "inet" && program == "smtpd":
			p.Listeners = append(p.Listeners, m.listener(s, s))
		case s.Type == "inet" && program == "postscreen":
			p.Listeners = append(p.Listeners, m.screen(s))
			if behind, ok := c.Master.Find(cmp.Or(c.Text(&s, "smtpd_service_name"), "smtpd"), "pass"); ok {
				p.Listeners = append(p.Listeners, m.listener(s, behind))
			}
		}
	}
	for _, t := range slices.Concat(f.Transports, f.Mailboxes) {
		if s, ok := c.Master.Find(t.Service.Name, t.Service.Type); ok {
			p.Routes = append(p.Routes, m.routes(t, s)...)
		}
	}
	return p
}

// model is a configuration on a machine.
type model struct {
	f     *detect.Facts
	c     postfix.Config
	fresh map[string]certs.Facts
}

// settings reads the parameters of one service.
type settings struct {
	c postfix.Config
	s mastercf.Service
}

// value is an effective value. One that follows from another parameter, by a default
// such as "$smtpd_tls_security_level", has its origin.
func (p settings) value(name string) postfix.Value {
	name = p.own(name)
	v := p.c.Value(&p.s, name)
	if other, ok := strings.CutPrefix(v.Raw, "$"); ok && !v.Set && other != name {
		v.Origin = p.value(other).Origin
	}
	return v
}

func (p settings) text(name string) string { return p.value(name).Text }

func (p settings) yes(name string) bool { return p.c.Bool(&p.s, p.own(name)) }

// own is the name under which the program reads a parameter: lmtp has its own for all of
// those of smtp (lmtp_params.c).
func (p settings) own(name string) string { return detect.Own(p.s, name) }
