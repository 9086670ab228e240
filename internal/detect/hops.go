package detect

import (
	"cmp"
	"slices"
	"strings"

	"postseal/internal/host"
	"postseal/internal/postfix"
)

// Hop is a next hop of a transport, as far as the configuration and the lookup
// tables that can be read name it.
type Hop struct {
	// Name is the next hop as it is written: "[relay.example.net]:465". It is
	// empty for the servers of whatever domain the mail is for.
	Name string
	// From is the parameter that names it.
	From string
	// Port is its number, or empty if that is not known.
	Port string
	// Level is the TLS level towards it, by its policy or by the transport;
	// empty if not all policies could be read.
	Level string
}

// Local reports whether a next hop is on this machine.
func (h Hop) Local() bool { return h.Name != "" && loopback(h.Name) }

// findHops gives every transport its next hops. The policies must be known.
func (f *Facts) findHops(m host.Reader) {
	type key struct{ transport, hop string }
	byTransport, seen := map[string][]Hop{}, map[key]bool{}
	for _, d := range f.destinations(m) {
		names := postfix.List(d.hop)
		if len(names) == 0 {
			names = []string{""}
		}
		for _, name := range names {
			if k := (key{d.transport, name}); !seen[k] {
				seen[k] = true
				byTransport[d.transport] = append(byTransport[d.transport], Hop{Name: name, From: d.from})
			}
		}
	}
	complete := func(t *Transport) {
		hops := byTransport[t.Service.Name]
		if len(hops) > 0 && t.Use != Mailbox {
			for _, name := range postfix.List(f.Config.Text(&t.Service, "smtp_fallback_relay")) {
				hops = append(hops, Hop{Name: name, From: "smtp_fallback_relay"})
			}
		}
		for _, h := range hops {
			h.Port, h.Level = f.portOf(*t, h.Name), f.levelTo(*t, h.Name)
			t.Hops = append(t.Hops, h)
		}
	}
	for i := range f.Transports {
		complete(&f.Transports[i])
	}
	// An lmtp that nothing names receives no mail.
	for i := range f.Mailboxes {
		complete(&f.Mailboxes[i])
	}
	f.Mailboxes = slices.DeleteFunc(f.Mailboxes, func(t Transport) bool { return len(t.Hops) == 0 })
}

// destination is where mail is sent, and the parameter that says so.
type destination struct{ transport, hop, from string }

// destinations are found as trivial-rewrite(8) finds them: a transport that is
// named without a next hop takes the mail to the relay host, and one in
// transport_maps to the domain of the recipient.
func (f *Facts) destinations(m host.Reader) (out []destination) {
	const byDomain, bySender, relayBySender = "transport_maps", "sender_dependent_default_transport_maps", "sender_dependent_relayhost_maps"
	var relays []destination
	for _, e := range f.entries(m, relayBySender) {
		if !strings.EqualFold(e.value, "DUNNO") {
			relays = append(relays, destination{hop: e.value, from: relayBySender})
		}
	}
	if hop := f.Config.Text(nil, "relayhost"); hop != "" {
		relays = append(relays, destination{hop: hop, from: "relayhost"})
	} else if f.Config.Text(nil, relayBySender)+f.Config.Text(nil, bySender)+f.Config.Text(nil, byDomain) == "" {
		relays = append(relays, destination{}) // else a table may be for all mail
	}
	add := func(value, from string) {
		transport, hop, _ := strings.Cut(value, ":")
		if hop != "" {
			out = append(out, destination{transport, hop, from})
			return
		}
		for _, r := range relays {
			out = append(out, destination{transport, r.hop, cmp.Or(r.from, from)})
		}
	}
	table := f.entries(m, byDomain)
	all := slices.ContainsFunc(table, func(e entry) bool { return e.key == "*" })
	var usual []string
	for _, p := range []struct{ name, builtIn string }{{"default_transport", "smtp"}, {"relay_transport", "relay"}} {
		value := cmp.Or(f.Config.Text(nil, p.name), p.builtIn)
		if !all {
			add(value, p.name)
		}
		transport, _, _ := strings.Cut(value, ":")
		usual = append(usual, transport)
	}
	for _, e := range f.entries(m, bySender) {
		if !all {
			add(e.value, bySender)
		}
	}
	for _, e := range table {
		transport, hop, _ := strings.Cut(e.value, ":")
		switch {
		case transport != "":
			out = append(out, destination{transport, hop, byDomain})
		case hop != "": // by the transport that it would take anyway
			for _, transport := range usual {
				out = append(out, destination{transport, hop, byDomain})
			}
		}
	}
	for _, r := range f.routes(m) { // a service or a table may name a filter, too
		if r.filter && r.hop != "" {
			out = append(out, destination{r.transport, r.hop, r.from})
		}
	}
	for _, name := range []string{"virtual_transport", "local_transport", "mailbox_transport", "fallback_transport"} {
		transport, hop, _ := strings.Cut(f.Config.Text(nil, name), ":")
		mailbox := slices.ContainsFunc(f.Mailboxes, func(t Transport) bool { return t.Service.Name == transport })
		if hop != "" || mailbox {
			out = append(out, destination{transport, hop, name})
		}
	}
	return out
}

// entry is one of a lookup table.
type entry struct{ key, value string }

// entries are those of a parameter's tables whose text can be read.
func (f *Facts) entries(m host.Reader, parameter string) (out []entry) {
	text := f.Config.Text(nil, parameter)
	for _, one := range postfix.List(text) {
		if value, ok := strings.CutPrefix(one, "static:"); ok {
			out = append(out, entry{"*", strings.Trim(value, "{}")})
		}
	}
	for _, found := range tableFile.FindAllStringSubmatch(text, maxTables) {
		data, err := m.ReadFile(found[1])
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if strings.HasPrefix(line, "#") || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
				continue
			}
			line = strings.TrimSpace(line)
			if i := strings.IndexAny(line, " \t"); i > 0 {
				out = append(out, entry{line[:i], strings.TrimSpace(line[i:])})
			}
		}
	}
	return out
}

// portOf is the number of the port of a next hop, or empty.
func (f *Facts) portOf(t Transport, hop string) string {
	hop = strings.TrimPrefix(hop, "inet:")
	name, port, bracketed := strings.Cut(hop, "]")
	switch {
	case bracketed:
		port = strings.TrimPrefix(port, ":")
	case f.Config.Text(&t.Service, "use_srv_lookup") != "":
		return "" // the SRV record has the port
	default:
		name, port, _ = strings.Cut(name, ":")
	}
	if name == "unix" {
		return ""
	}
	port = strings.ToLower(cmp.Or(port, f.Config.Text(&t.Service, Own(t.Service, "smtp_tcp_port")), "smtp"))
	return cmp.Or(ports[port], port)
}

// levelTo is the TLS level of a transport towards a next hop.
func (f *Facts) levelTo(t Transport, hop string) string {
	switch own := PolicyTables(f.Config, &t.Service).Text; own {
	case "":
		return t.Level
	case PolicyTables(f.Config, nil).Text:
	default:
		return "" // only the tables of main.cf were read
	}
	switch p := f.PolicyFor(hop); {
	case p != nil:
		return p.Level
	case len(f.UnreadPolicies) > 0:
		return ""
	}
	return t.Level
}

// WrapperNeedsMore reports whether a transport in wrapper mode defers mail at a
// TLS level: Postfix requires encrypt or a stronger one. For a server with TLSA
// records dane is such a level, where DANE works; whether there are records is
// not known here.
func (f *Facts) WrapperNeedsMore(t Transport, level string) bool {
	switch level {
	case "none", "may":
		return true
	case "dane":
		return f.Resolver.Validates != Yes || !strings.EqualFold(f.Config.Text(&t.Service, "smtp_dns_support_level"), "dnssec")
	}
	return false
}

// WrapperAt divides the transports whose TLS level main.cf sets: at that level,
// wrapper mode would defer mail of refused, and not of rest.
func (f *Facts) WrapperAt(level string) (refused, rest []Transport) {
	for _, t := range f.Transports {
		if _, own := t.Service.Override("smtp_tls_security_level"); own {
			continue
		}
		t.Level = level
		hops := t.Hops
		if len(hops) == 0 {
			hops = []Hop{{}}
		}
		if t.Wrapper && slices.ContainsFunc(hops, func(h Hop) bool { return f.WrapperNeedsMore(t, f.levelTo(t, h.Name)) }) {
			refused = append(refused, t)
		} else {
			rest = append(rest, t)
		}
	}
	return refused, rest
}
