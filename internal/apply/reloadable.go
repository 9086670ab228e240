package apply

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/plan"
	"postseal/internal/postfix/mastercf"
)

// Reloadable is an error if it is certain that postfix(1) would refuse the next
// reload, or master(8) die of it, by what somebody has written and not loaded yet.
func Reloadable(ctx context.Context, m host.Machine, configDir string) error {
	return (&transaction{m: m, Receipt: &Receipt{ConfigDir: configDir}}).reloadable(ctx)
}

// reloadable is Reloadable for the files as the run leaves them. Nothing of such an
// edit shows in the listeners, and putting the run back would not mend it.
func (t *transaction) reloadable(ctx context.Context) error {
	why := slices.DeleteFunc(append(t.unbindable(ctx), t.refused(ctx), t.throttled(ctx)), func(s string) bool { return s == "" })
	if len(why) == 0 {
		return nil
	}
	return hint.New("a reload of Postfix would fail, or stop it: "+strings.Join(why, "; "),
		"Postfix has not read that yet: mend it first")
}

// refused is what the programs of Postfix say of a value in main.cf with which none of
// them starts (mail_params_init in the source); empty if it is nothing.
func (t *transaction) refused(ctx context.Context) string {
	o, err := t.m.Run(ctx, "postmap", "-c", t.ConfigDir, "-q", "key", "static:value")
	if _, why, fatal := strings.Cut(o.Stderr, "fatal: "); err == nil && o.Code != 0 && fatal {
		return strings.TrimSpace(why)
	}
	return ""
}

// throttleTimes are the values of service_throttle_time that master(8) takes, which
// alone reads it: a time of at least 1s, and after its unit anything (conv_time.c).
var throttleTimes = regexp.MustCompile(`^\+?0*[1-9][0-9]*([smhdw]|$)`)

func (t *transaction) throttled(ctx context.Context) string {
	if value := t.parameter(ctx, "service_throttle_time"); value != "" && !throttleTimes.MatchString(value) {
		return "service_throttle_time is " + strconv.Quote(value) + ", and has to be a time of at least 1s"
	}
	return ""
}

// parameter is a value of main.cf, expanded; empty if nothing says it.
func (t *transaction) parameter(ctx context.Context, name string) string {
	o, err := t.m.Run(ctx, "postconf", "-c", t.ConfigDir, "-xh", name)
	if err != nil || o.Code != 0 {
		return ""
	}
	return strings.TrimSpace(o.Stdout)
}

// unbindable are the services of master.cf, as it will be, that master(8) cannot read,
// or does not have yet and cannot bind; each with the reason. What it has already it
// does not bind again (master_conf.c), and what is switched off neither.
func (t *transaction) unbindable(ctx context.Context) (out []string) {
	pid, lives, _ := t.master(ctx)
	held, err := host.Listening(t.m, pid)
	if !lives || err != nil || t.parameter(ctx, "master_service_disable") != "" {
		return nil
	}
	path := filepath.Join(t.ConfigDir, "master.cf")
	text, err := t.m.ReadFile(path)
	if i := slices.IndexFunc(t.Entries, func(e Entry) bool { return e.Path == path }); i >= 0 {
		text, err = t.new[i], nil
	}
	if err != nil {
		return nil // Postfix runs, and says itself what is wrong
	}
	for _, s := range mastercf.Parse(string(text)).Services() {
		why := s.Bad
		ours := slices.ContainsFunc(t.Checks, func(c plan.Check) bool { return c.New && c.Service == s.ID() }) // observe looks there itself
		if why == "" && s.Type == "inet" && !ours {
			why = t.unbindableAt(ctx, s.Name, held)
		}
		if why != "" {
			out = append(out, "service "+s.ID()+" of "+path+": "+why)
		}
	}
	return out
}

// unbindableAt is why master(8) cannot bind a service of that name; empty if it may,
// has it already, or nothing is certain. The name is "port" or "host:port" (master(5),
// host_port.c).
func (t *transaction) unbindableAt(ctx context.Context, name string, held []netip.AddrPort) string {
	at := strings.LastIndex(name, ":")
	port, known := t.port(ctx, name[at+1:])
	if !known {
		return "there is no TCP port " + name[at+1:]
	}
	address := t.boundTo(ctx, strings.Trim(name[:max(0, at)], "[]"))
	if port == 0 || !address.IsValid() {
		return ""
	}
	if slices.ContainsFunc(held, func(a netip.AddrPort) bool { return a.Port() == port && (at < 0 || a.Addr() == address) }) {
		return ""
	}
	switch err := t.m.Bind(netip.AddrPortFrom(address, port)); {
	case errors.Is(err, syscall.EADDRINUSE):
		return "something listens there already: ss -ltnp shows what it is"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return address.String() + " is no address of this machine"
	}
	return ""
}

// port is the number of a TCP port; 0 if that is not certain. It is not known if
// neither Postfix (postconf(5), known_tcp_ports, from 3.6 on) nor services(5), nor
// whatever else this system asks for names, has it.
func (t *transaction) port(ctx context.Context, name string) (number uint16, known bool) {
	if n, err := strconv.ParseUint(name, 10, 16); err == nil {
		return uint16(n), true
	}
	if strings.Trim(name, "0123456789") == "" {
		return 0, true // too large a number, which Postfix cuts
	}
	for _, f := range strings.FieldsFunc(t.parameter(ctx, "known_tcp_ports"), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
		if alias, n, ok := strings.Cut(f, "="); ok && alias == name {
			number, _ := strconv.ParseUint(n, 10, 16)
			return uint16(number), true
		}
	}
	if n, err := net.DefaultResolver.LookupPort(ctx, "tcp", name); err == nil {
		return uint16(n), true
	}
	o, err := t.m.Run(ctx, "getent", "services", name)
	return 0, err != nil || o.Code != 2 // 2: not found (getent(1))
}

// boundTo is the address that a service with that host is bound to; none if it is not
// certain that there is one such.
func (t *transaction) boundTo(ctx context.Context, host string) netip.Addr {
	if host == "" {
		host = t.parameter(ctx, "inet_interfaces")
	}
	protocols := t.parameter(ctx, "inet_protocols")
	v4 := protocols == "all" || strings.Contains(protocols, "ipv4")
	switch {
	case host == "all" && v4:
		return netip.IPv4Unspecified()
	case host == "all" && protocols == "ipv6":
		return netip.IPv6Unspecified()
	case (host == "loopback-only" || host == "localhost") && v4:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	address, err := netip.ParseAddr(strings.TrimPrefix(host, "ipv6:"))
	if err != nil || address.Zone() != "" || address.Is4() && !v4 || address.Is6() && protocols == "ipv4" {
		return netip.Addr{}
	}
	return address
}
