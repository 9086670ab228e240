package detect

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"

	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// Kind is what a listener is for.
type Kind string

// The kinds of listeners.
const (
	Relay       Kind = "smtp"        // other servers deliver here: port 25
	Submission  Kind = "submission"  // users send here with STARTTLS: port 587
	Submissions Kind = "submissions" // users send here in TLS: port 465
	Internal    Kind = "internal"    // programs of this machine or of its networks: a content filter, a web mailer
)

// Listener is a service that other programs connect to.
type Listener struct {
	Service  mastercf.Service
	Kind     Kind
	Screened bool // postscreen stands before it
	// Addr is where to reach it from this machine.
	Addr string
	// Level is none, may or encrypt, as Postfix takes the settings together.
	Level string
	// Wrapper is true for implicit TLS.
	Wrapper bool
	// Proxy is true if a PROXY protocol line must come first.
	Proxy bool
	// Auth is true if it offers SMTP AUTH.
	Auth bool
}

// ServerLevel is what a receiving service does about TLS: none, may or
// encrypt (postconf(5), smtpd_tls_security_level and what it replaced).
// get gives an expanded parameter of the service.
func ServerLevel(get func(name string) string) string {
	level := strings.ToLower(get("smtpd_tls_security_level")) // tls_level_lookup(3) folds case
	yes := func(name string) bool { return strings.EqualFold(get(name), "yes") }
	switch {
	case yes("smtpd_tls_wrappermode"):
		return "encrypt"
	case level == "none" || level == "may":
		return level
	case level != "":
		return "encrypt" // other level names act as encrypt on a server
	case yes("smtpd_enforce_tls"):
		return "encrypt"
	case yes("smtpd_use_tls"):
		return "may"
	}
	return "none"
}

// ClientLevel is what a sending service does about TLS.
func ClientLevel(get func(name string) string) string {
	level := strings.ToLower(get("smtp_tls_security_level"))
	yes := func(name string) bool { return strings.EqualFold(get(name), "yes") }
	switch {
	case level != "":
		return level
	case yes("smtp_enforce_tls"):
		if strings.EqualFold(get("smtp_tls_enforce_peername"), "no") {
			return "encrypt"
		}
		return "verify"
	case yes("smtp_use_tls"):
		return "may"
	}
	return "none"
}

func (f *Facts) findListeners() {
	for _, s := range f.Config.Master.Services() {
		program := s.Program()
		if s.Type != "inet" || program != "smtpd" && program != "postscreen" {
			continue
		}
		f.Listeners = append(f.Listeners, f.Listener(f.Config, s))
	}
}

// Listener works out what a service does under a configuration, which may be
// one that is only planned.
func (f *Facts) Listener(c postfix.Config, s mastercf.Service) Listener {
	get := func(name string) string { return c.Text(&s, name) }
	l := Listener{Service: s, Screened: s.Program() == "postscreen"}
	l.Wrapper = c.Bool(&s, "smtpd_tls_wrappermode")
	l.Level = ServerLevel(get)
	proxy := "smtpd_upstream_proxy_protocol"
	if l.Screened {
		proxy = "postscreen_upstream_proxy_protocol"
		if level := strings.ToLower(get("postscreen_tls_security_level")); level != "" {
			l.Level = level
		}
	}
	l.Proxy = get(proxy) != ""
	behind := Behind(c, s)
	l.Auth = c.Bool(&behind, "smtpd_sasl_auth_enable")
	host, port := endpoint(s.Name)
	l.Addr = net.JoinHostPort(f.dialHost(c, host), port)
	l.Kind = kind(c, l, host, port)
	own := slices.ContainsFunc(f.Managers, func(m Manager) bool { return m.inside != "" && m.inside == s.Name })
	if l.Kind != Internal && (own || !l.Proxy && inside(c, s) && !f.fronted(c)) {
		l.Kind = Internal
	}
	return l
}

// OnPort25 reports whether other servers find the listener by themselves.
func (l Listener) OnPort25() bool { return strings.HasSuffix(l.Addr, ":25") }

// Behind is the smtpd that speaks with the clients of a listener in the end: the one
// to which postscreen hands them on (postscreen(8), smtpd_service_name), or the
// service itself. postscreen never offers AUTH.
func Behind(c postfix.Config, s mastercf.Service) mastercf.Service {
	if s.Program() != "postscreen" {
		return s
	}
	if next, ok := c.Master.Find(cmp.Or(c.Text(&s, "smtpd_service_name"), "smtpd"), "pass"); ok {
		return next
	}
	return s
}

// inside reports whether a service listens on loopback addresses alone.
func inside(c postfix.Config, s mastercf.Service) bool {
	host, _ := endpoint(s.Name)
	if host == "" {
		host = c.Text(&s, "inet_interfaces")
	}
	all := postfix.List(host)
	return len(all) > 0 && !slices.ContainsFunc(all, func(h string) bool {
		ip, err := netip.ParseAddr(strings.Trim(h, "[]"))
		return h != "loopback-only" && h != "localhost" && (err != nil || !ip.IsLoopback())
	})
}

// fronted reports whether mail of others must come in over the loopback interface:
// domains are served here, and every listener is there, so something in front
// hands mail on, such as a tunnel or the forwarding of a container.
func (f *Facts) fronted(c postfix.Config) bool {
	for _, s := range c.Master.Services() {
		if program := s.Program(); s.Type == "inet" && (program == "smtpd" || program == "postscreen") && !inside(c, s) {
			return false
		}
	}
	return slices.ContainsFunc(domainLists[1:], func(name string) bool {
		v := c.Value(nil, name)
		return v.Set && v.Text != ""
	})
}

func kind(c postfix.Config, l Listener, host, port string) Kind {
	filter, unfiltered := l.Service.Override("content_filter")
	_, overridden := l.Service.Override("receive_override_options")
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	local := host == "localhost" || err == nil && ip.IsLoopback()
	switch {
	case local && (unfiltered || overridden):
		return Internal
	case err == nil && ip.IsPrivate() && unfiltered && filter.Value == "": // from a filter on another machine
		return Internal
	case port == "465" || l.Wrapper:
		return Submissions
	case port == "587":
		return Submission
	case port != "25" && networksAlone(c, l.Service):
		return Internal
	case l.Auth && port != "25" && (!l.Proxy || forUsers(c, l)):
		return Submission
	}
	return Relay
}

// clientLists are the restrictions by which a service of its own says whom it serves.
var clientLists = []string{"smtpd_client_restrictions", "smtpd_relay_restrictions", "smtpd_recipient_restrictions"}

// networksAlone reports whether a service turns away all clients outside of mynetworks,
// logged in or not, by restrictions of its own.
func networksAlone(c postfix.Config, s mastercf.Service) bool {
	return slices.ContainsFunc(clientLists, func(name string) bool {
		_, ok := s.Override(name)
		words := postfix.List(strings.ToLower(c.Text(&s, name))) // it may name a parameter of one's own
		return ok && len(words) > 1 && words[len(words)-1] == "reject" &&
			!slices.ContainsFunc(words, func(w string) bool {
				return w != "permit_mynetworks" && w != "permit_inet_interfaces" && !strings.HasPrefix(w, "reject")
			})
	})
}

// forUsers reports whether a service says itself that users log in there. Behind a proxy
// one that only inherits SMTP AUTH from main.cf takes what comes to port 25.
func forUsers(c postfix.Config, l Listener) bool {
	if _, own := l.Service.Override("smtpd_sasl_auth_enable"); own || l.Level == "encrypt" {
		return true
	}
	return slices.ContainsFunc(clientLists, func(name string) bool {
		_, own := l.Service.Override(name)
		return own && slices.Contains(postfix.List(c.Text(&l.Service, name)), "permit_sasl_authenticated")
	})
}

// ports are the service names that a mail server uses; from 3.6 on Postfix
// has such a table of its own (known_tcp_ports).
var ports = map[string]string{"smtp": "25", "submission": "587", "smtps": "465", "submissions": "465"}

// endpoint splits the name of an inet service: "smtp", "host:port", "[::1]:26".
func endpoint(name string) (host, port string) {
	port = name
	if h, p, err := net.SplitHostPort(name); err == nil {
		host, port = h, p
	}
	if known, ok := ports[port]; ok {
		port = known
	}
	return host, port
}

// dialHost is an address at which this machine reaches a listener.
func (f *Facts) dialHost(c postfix.Config, host string) string {
	if host != "" && host != "0.0.0.0" && host != "::" {
		if host == "localhost" {
			return "127.0.0.1"
		}
		return host
	}
	loopback := "127.0.0.1"
	if c.Text(nil, "inet_protocols") == "ipv6" {
		loopback = "::1"
	}
	interfaces := postfix.List(c.Text(nil, "inet_interfaces"))
	for _, i := range interfaces {
		if i == "all" || i == "loopback-only" || i == "localhost" || i == loopback {
			return loopback
		}
	}
	if len(interfaces) > 0 {
		return strings.Trim(interfaces[0], "[]")
	}
	return loopback
}

// Chrooted reads the chroot column; "-" means y below compatibility level 1
// (master(5)).
func Chrooted(c postfix.Config, s mastercf.Service) bool {
	if s.Chroot != "-" {
		return s.Chroot == "y"
	}
	level := c.Text(nil, "compatibility_level")
	return level == "" || level == "0"
}

// Receives lists the listeners to which other servers or users connect.
func (f *Facts) Receives(kinds ...Kind) []Listener {
	return slices.DeleteFunc(slices.Clone(f.Listeners), func(l Listener) bool { return !slices.Contains(kinds, l.Kind) })
}

// domainLists are the parameters that name the domains for which mail is taken.
var domainLists = []string{"mydestination", "relay_domains", "virtual_alias_domains", "virtual_mailbox_domains"}

// Domains are the domains that the configuration names itself; those in
// tables are not seen. tables says whether there are any.
func (f *Facts) Domains() (domains []string, tables bool) {
	own := []string{"localhost", f.Hostname, "localhost." + f.Config.Text(nil, "mydomain"), "localhost.localdomain"}
	for _, name := range domainLists {
		v := f.Config.Value(nil, name)
		if !v.Set && name != "mydestination" {
			continue // the defaults of the others refer to each other
		}
		for _, d := range postfix.List(v.Text) {
			switch {
			case strings.HasPrefix(d, "!"): // what match_list(3) leaves out
			case strings.ContainsAny(d, ":/"):
				tables = true
			case strings.Contains(d, ".") && !slices.Contains(own, d) && !slices.Contains(domains, d):
				domains = append(domains, d)
			}
		}
	}
	return domains, tables
}

// guessRole tells what kind of server this is from what it listens to.
func (f *Facts) guessRole() {
	if !f.HasMaster {
		f.Role, f.RoleWhy = Router, "most servers are; master.cf was not read"
		return
	}
	if users := f.Receives(Submission, Submissions); len(users) > 0 {
		f.Role, f.RoleWhy = Mailserver, "users send through "+users[0].Service.ID()
		return
	}
	domains, tables := f.Domains()
	switch {
	case len(f.Listeners) == 0:
		f.Role, f.RoleWhy = Sender, "nothing listens on port 25"
	case len(f.Receives(Relay)) == 0:
		f.Role, f.RoleWhy = Sender, "port 25 is open only to this machine"
	case len(domains) > 0:
		f.Role, f.RoleWhy = Router, "it accepts mail for "+domains[0]
	case tables:
		f.Role, f.RoleWhy = Router, "it accepts mail for the domains in its lookup tables"
	case !slices.ContainsFunc(f.Receives(Relay), func(l Listener) bool { return !Private(f.Config, l.Service) }):
		f.Role, f.RoleWhy = Router, "port 25 is open to machines on a private network"
	default:
		f.Role, f.RoleWhy = Router, "port 25 is open to other servers"
	}
}

// Private reports whether a service listens on private addresses alone, as far as it
// names them (RFC 1918, RFC 4193). A router in front can forward mail to one.
func Private(c postfix.Config, s mastercf.Service) bool {
	host, _ := endpoint(s.Name)
	if host == "" {
		host = c.Text(&s, "inet_interfaces")
	}
	all := postfix.List(host)
	return len(all) > 0 && !slices.ContainsFunc(all, func(h string) bool {
		ip, err := netip.ParseAddr(strings.Trim(h, "[]"))
		return h != "loopback-only" && h != "localhost" && (err != nil || !ip.IsLoopback() && !ip.IsPrivate())
	})
}
