package audit

import (
	"cmp"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix/mastercf"
)

// placed returns the cure for what was found: where overrides in master.cf are the cause,
// it names them and their services.
func (e *Evidence) placed(c Cure, hits []Hit) Cure {
	var own, names, services, main []string
	for _, h := range hits {
		s, ok := e.service(cmp.Or(h.At.Service, h.service))
		if h.At.Service == "" {
			main = union(main, e.setInMain(c, func(string) bool { return true })...)
		}
		if !ok || h.At.Service == "" && len(c.overridden(s)) == 0 {
			continue
		}
		services = union(services, s.ID())
		for _, name := range c.overridden(s) {
			own, names = union(own, "-o "+name+" from "+s.ID()), union(names, name)
		}
		// Without the override the line in main.cf counts.
		main = union(main, e.setInMain(c, func(name string) bool { return strings.EqualFold(e.Config.Text(nil, name), e.Config.Text(&s, name)) })...)
	}
	if slices.Contains(requiring, c.Question) && slices.ContainsFunc(hits, func(h Hit) bool { return e.behindProxy(h.service) }) {
		c.Text = "if the proxy in front does not terminate TLS: " + c.Text
	}
	switch removal := "remove " + and(own) + " in master.cf"; {
	case len(services) == 0 || strings.Contains(c.Text, "master.cf"):
	case len(c.Drop) > 0 && len(own) > 0:
		if len(main) > 0 {
			removal = dropping(main) + "; " + removal
		}
		c.Text = strings.Replace(c.Text, dropping(c.Drop), removal, 1)
	case slices.Contains(names, c.Set.Name), len(c.Own) > 0 && len(own) > 0:
		c.Text = removal + "; then " + c.Text
	case len(c.Own) == 0 && (c.Answer != "" || c.Suggested):
		c.Text += ", which changes " + and(services) + " in master.cf too"
	case len(main) == 0 && strings.Contains(c.Text, "from main.cf"):
		c.Text = strings.Replace(c.Text, "from main.cf", "from "+and(services)+" in master.cf", 1)
	default:
		c.Text += " (set for " + and(services) + " in master.cf)"
	}
	return c
}

// requiring are the questions whose answers require TLS: behind a proxy that terminates it,
// nobody could send any more.
var requiring = []string{"submission", "auth-tls-only"}

// behindProxy reports whether a proxy is in front of a service.
func (e *Evidence) behindProxy(id string) bool {
	return slices.ContainsFunc(e.Listeners, func(l detect.Listener) bool { return l.Proxy && l.Service.ID() == id })
}

// service is one of master.cf by its name: "smtp/inet".
func (e *Evidence) service(id string) (mastercf.Service, bool) {
	name, typ, _ := strings.Cut(id, "/")
	return e.Config.Master.Find(name, typ)
}

// overridden are the parameters that the cure is about and a service overrides: tlsproxy
// has names of its own for those of smtpd.
func (c Cure) overridden(s mastercf.Service) (out []string) {
	for _, name := range slices.Concat(c.Drop, c.Own, []string{c.Set.Name}) {
		for _, n := range []string{name, strings.Replace(name, "smtpd_", "tlsproxy_", 1)} {
			if _, ok := s.Override(n); ok {
				out = union(out, n)
			}
		}
	}
	return out
}

// setInMain are the parameters that the cure removes, main.cf sets, and that are wanted.
func (e *Evidence) setInMain(c Cure, wanted func(name string) bool) (out []string) {
	for _, name := range c.Drop {
		if e.Config.Value(nil, name).Set && wanted(name) {
			out = append(out, name)
		}
	}
	return out
}

// union appends what is not there yet.
func union(to []string, more ...string) []string {
	for _, s := range more {
		if !slices.Contains(to, s) {
			to = append(to, s)
		}
	}
	return to
}
