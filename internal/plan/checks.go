package plan

import (
	"slices"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
)

// checks lists what must be seen on each listener afterwards. Of a postscreen, that is
// the smtpd behind it: this machine is usually exempt from its tests.
func (b *builder) checks(after posture.Posture) {
	for _, l := range after.Listeners {
		if i := len(b.p.Checks) - 1; i >= 0 && b.p.Checks[i].Service == l.At.Service.ID() {
			b.p.Checks = b.p.Checks[:i]
		}
		_, existed := b.f.Config.Master.Find(l.At.Service.Name, l.At.Service.Type)
		c := Check{Service: l.At.Service.ID(), Addr: l.At.Addr, Mode: GreetOnly, Proxy: l.At.Proxy, New: !existed}
		switch {
		case l.Implicit:
			c.Mode = Implicit
		case l.TLS.Is != posture.Never:
			c.Mode = STARTTLS
		}
		if c.Mode != GreetOnly {
			c.Floor, c.Excludes, c.Serves = string(l.Floor()), b.excludes(l), l.Serves
		}
		b.p.Checks = append(b.p.Checks, c)
	}
}

// excludes are the classes of suites that a listener must not take. What the block says
// is meant for every listener, whatever a service says of its own, except for ports for
// machines, which stay as they are.
func (b *builder) excludes(l posture.Listener) (out []string) {
	names := []string{"smtpd_tls_exclude_ciphers"}
	if l.TLS.Is == posture.Mandatory {
		names = append(names, "smtpd_tls_mandatory_exclude_ciphers")
	}
	for _, name := range names {
		s := &l.Service
		if b.inBlock(name) && l.At.Kind != detect.Internal {
			s = nil
		}
		out = append(out, postfix.TLSList(b.after.Text(s, name))...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
