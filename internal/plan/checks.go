package plan

import (
	"slices"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
)

// checks lists what must be seen on each listener afterwards.
func (b *builder) checks() {
	for _, s := range b.after.Master.Services() {
		if s.Type != "inet" || s.Program() != "smtpd" && s.Program() != "postscreen" {
			continue
		}
		l := b.f.Listener(b.after, s)
		_, existed := b.f.Config.Master.Find(s.Name, s.Type)
		c := Check{Service: s.ID(), Addr: l.Addr, Mode: GreetOnly, Proxy: l.Proxy, New: !existed}
		switch {
		case l.Wrapper:
			c.Mode = Implicit
		case l.Level != "none":
			c.Mode = STARTTLS
		}
		if c.Mode != GreetOnly {
			c.Floor = string(b.listenerFloor(b.after, l))
			c.Excludes = b.excludes(l)
			c.Serves = posture.Serves(b.f, b.after, s, b.fresh())
		}
		b.p.Checks = append(b.p.Checks, c)
	}
}

// listenerFloor is the oldest version that a listener accepts: services that
// demand TLS go by the mandatory parameters.
func (b *builder) listenerFloor(c postfix.Config, l detect.Listener) postfix.Protocol {
	name := "smtpd_tls_protocols"
	if l.Level == "encrypt" {
		name = "smtpd_tls_mandatory_protocols"
	}
	floor, err := postfix.ParseFloor(c.Text(&l.Service, name), c.Version)
	if err != nil {
		return ""
	}
	return floor
}

// excludes are the classes of suites that a listener must not take. What the
// block says is meant for every listener, whatever a service says of its own.
func (b *builder) excludes(l detect.Listener) (out []string) {
	names := []string{"smtpd_tls_exclude_ciphers"}
	if l.Level == "encrypt" {
		names = append(names, "smtpd_tls_mandatory_exclude_ciphers")
	}
	for _, name := range names {
		s := &l.Service
		if b.inBlock(name) {
			s = nil
		}
		out = append(out, words(b.after.Text(s, name))...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
