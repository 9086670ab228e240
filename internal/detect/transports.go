package detect

import (
	"cmp"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// Transport is a service that delivers to other servers.
type Transport struct {
	Service mastercf.Service
	Level   string
	Chroot  bool
	Use     Use
	// Blind says that its CA certificates lie where it cannot see them: outside
	// of its chroot (postconf(5), smtp_tls_CApath).
	Blind bool
	// Wrapper means implicit TLS (postconf(5), smtp_tls_wrappermode).
	Wrapper bool
	// Hops are the next hops that are known.
	Hops []Hop
}

// Use is what a transport is for.
type Use string

// The uses of a transport.
const (
	Default Use = "default" // mail to the Internet, or to a relay, takes it
	Some    Use = "some"    // mail to some destinations takes it, or none
	Inside  Use = "inside"  // it hands mail to a program on this machine
	Mailbox Use = "mailbox" // it hands mail to mailboxes, by LMTP
)

// Own is the name under which the program of a service reads a parameter of smtp: lmtp(8)
// has a name of its own for each (lmtp_params.c).
func Own(s mastercf.Service, name string) string {
	if rest, ok := strings.CutPrefix(name, "smtp_"); ok && s.Program() == "lmtp" {
		return "lmtp_" + rest
	}
	return name
}

func (f *Facts) findTransports(m host.Reader) {
	routes := f.routes(m)
	for _, s := range f.Config.Master.Services() {
		if s.Type != "unix" || s.Program() != "smtp" && s.Program() != "lmtp" {
			continue
		}
		t := Transport{
			Service: s,
			Level:   ClientLevel(func(name string) string { return f.Config.Text(&s, Own(s, name)) }),
			Chroot:  Chrooted(f.Config, s),
			Use:     f.use(s, routes),
			Wrapper: f.Config.Bool(&s, Own(s, "smtp_tls_wrappermode")),
		}
		if s.Program() == "lmtp" {
			t.Use = Mailbox
			f.Mailboxes = append(f.Mailboxes, t)
			continue
		}
		if path := f.Config.Text(&s, "smtp_tls_CApath"); t.Chroot && path != "" && f.Config.Text(&s, "smtp_tls_CAfile") == "" {
			t.Blind = !jailed(m, f.Config.Text(nil, "queue_directory"), path)
		}
		f.Transports = append(f.Transports, t)
	}
}

// debianStart is what Debian's systemd unit runs before it starts Postfix: it copies
// the CA folders into the chroot. "postfix start" by itself does not run it.
const debianStart = "/usr/lib/postfix/configure-instance.sh"

// jailed reports whether a folder of CA certificates is in the chroot. Where Postfix
// does not run, it is enough that Debian would copy it there at the start.
func jailed(m host.Reader, jail, path string) bool {
	inside := filepath.Join(jail, path)
	if strings.HasPrefix(path, jail+"/") {
		inside = path
	}
	if there, err := m.Glob(filepath.Join(inside, "*.[0-9]")); err == nil && len(there) > 0 {
		return true
	}
	if Started(m, jail) {
		return false
	}
	_, err := m.Stat(debianStart)
	outside, _ := m.Glob(filepath.Join(path, "*.pem"))
	return err == nil && len(outside) > 0
}

// route is where mail is sent, by which transport, and the parameter that says so.
type route struct {
	transport, hop string
	filter         bool
	from           string
}

// use tells what a transport is for from what names it.
func (f *Facts) use(s mastercf.Service, routes []route) Use {
	for name, builtIn := range map[string]string{"default_transport": "smtp", "relay_transport": "relay"} {
		if first, _, _ := strings.Cut(cmp.Or(f.Config.Text(nil, name), builtIn), ":"); first == s.Name {
			return Default
		}
	}
	named, outside := false, false
	for _, r := range routes {
		if r.transport == s.Name {
			named = true
			outside = outside || !r.filter && !loopback(r.hop)
		}
	}
	if named && !outside || !named && filterName.MatchString(s.Name) {
		return Inside
	}
	return Some
}

// filterName is what services for content filters are called in the guides;
// what hands mail to them may be in a table that cannot be read.
var filterName = regexp.MustCompile(`(?i)amavis|filter|spam|virus|clam|scan|dkim|dspam|policy`)

// loopback reports whether a next hop is on this machine: "[127.0.0.1]:10024".
func loopback(hop string) bool {
	h := strings.TrimPrefix(hop, "inet:")
	if end := strings.IndexByte(h, ']'); strings.HasPrefix(h, "[") && end > 0 {
		h = h[1:end]
	} else if i := strings.LastIndexByte(h, ':'); i >= 0 {
		h = h[:i]
	}
	ip, err := netip.ParseAddr(strings.TrimPrefix(h, "IPv6:"))
	return h == "localhost" || err == nil && ip.IsLoopback()
}

var (
	filterAction = regexp.MustCompile(`(?i)\bFILTER\s+([\w.-]+):(\S*)`)
	tableFile    = regexp.MustCompile(`\b(?:hash|btree|lmdb|cdb|texthash|regexp|pcre|cidr):(/[^\s,{}]+)`)
	transported  = regexp.MustCompile(`(?m)^\S+\s+([\w.-]+):(\S*)`)
)

// maxTables bounds how many tables are read for what they route.
const maxTables = 50

// routes are the transports that the configuration names: as content filters, in
// transport tables, and as FILTER in other tables whose text can be read.
func (f *Facts) routes(m host.Reader) (out []route) {
	single := func(name, text string, filter bool) {
		if transport, hop, ok := strings.Cut(text, ":"); ok && transport != "" {
			out = append(out, route{transport, hop, filter, name})
		}
	}
	filters := func(name, text string) {
		for _, found := range filterAction.FindAllStringSubmatch(text, -1) {
			out = append(out, route{found[1], found[2], true, name})
		}
	}
	read := map[string]bool{}
	tables := func(name, text string, inTable *regexp.Regexp, filter bool) {
		for _, found := range tableFile.FindAllStringSubmatch(text, -1) {
			if read[found[1]] || len(read) >= maxTables {
				continue
			}
			read[found[1]] = true
			data, err := m.ReadFile(found[1])
			if err != nil {
				continue
			}
			for _, hit := range inTable.FindAllStringSubmatch(string(data), -1) {
				out = append(out, route{hit[1], hit[2], filter, name})
			}
		}
	}
	value := func(name string, v postfix.Value) {
		switch name {
		case "content_filter":
			single(name, v.Text, true)
		case "transport_maps", "sender_dependent_default_transport_maps":
			tables(name, v.Text, transported, false)
		case "virtual_transport", "local_transport", "mailbox_transport", "fallback_transport":
			single(name, v.Text, false)
		default:
			filters(name, v.Text)
			if strings.HasSuffix(name, "_restrictions") || strings.HasSuffix(name, "_checks") { // not those with passwords
				tables(name, v.Text, filterAction, true)
			}
		}
	}
	for _, e := range f.Config.Main.Entries() {
		value(e.Name, f.Config.Value(nil, e.Name))
	}
	for _, s := range f.Config.Master.Services() {
		for _, o := range s.Options {
			value(o.Name, f.Config.Value(&s, o.Name))
		}
	}
	return slices.Compact(out)
}

// Senders are the transports of some uses.
func (f *Facts) Senders(uses ...Use) []Transport {
	return slices.DeleteFunc(slices.Clone(f.Transports), func(t Transport) bool { return !slices.Contains(uses, t.Use) })
}
