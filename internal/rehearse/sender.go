package rehearse

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
	"postseal/internal/sink"
)

// quick are settings by which a message that is held back is tried again
// within seconds (postconf(5), minimal_backoff_time and queue_run_delay). The queue
// manager takes what is due within a second (qmgr_active.c): with less than two it
// would come while the delivery agent still has the message locked, and leave it
// for minutes ("skipped, still being delivered").
var quick = []setting{
	{"minimal_backoff_time", "2s"}, {"maximal_backoff_time", "2s"}, {"queue_run_delay", "1s"},
	{"smtp_connect_timeout", "5s"}, {"smtp_helo_timeout", "5s"}, {"smtp_starttls_timeout", "5s"}, {"smtp_quit_timeout", "1s"},
	{"smtp_mail_timeout", "5s"}, {"smtp_rcpt_timeout", "5s"}, {"smtp_data_init_timeout", "5s"}, {"smtp_data_done_timeout", "5s"},
	{"default_destination_concurrency_failed_cohort_limit", "0"}, {"smtp_tls_loglevel", "1"}, {"smtp_host_lookup", "dns"},
}

// agentBackoff is from what age on the delivery agent sends in clear text what TLS
// kept back (smtp_proto.c): at its second try, that is.
var agentBackoff = setting{"minimal_backoff_time", "1s"}

// create lays the private sender out: one transport for each delivery.
func (r *run) create(dir string, login bool, all []*delivery, anonymousAddr string, report *Report) (*Instance, *Port, error) {
	c := r.candidate
	settings := c.carry(dir, postfix.Sending, []mastercf.Service{r.service})
	mine := slices.Clone(quick)
	switch support := c.Config.Text(&r.service, "smtp_dns_support_level"); support {
	case "disabled":
		report.Notes = append(report.Notes, "smtp_dns_support_level is disabled; the rehearsal needs DNS and enables it")
	default:
		mine = append(mine, setting{"smtp_dns_support_level", support})
	}
	if login {
		mine = append(mine, setting{"smtp_sasl_auth_enable", "yes"}, setting{"smtp_sasl_password_maps", "static:rehearsal:none"})
	}
	jail := ""
	if detect.Chrooted(c.Config, r.service) {
		jail = c.Config.Text(nil, "queue_directory")
	}
	store, note := c.trust(r.service, jail, r.ids.RootPEM)
	r.trusting = strings.Contains(string(store), r.ids.RootPEM)
	r.ownCA = len(store) > 0 && !r.trusting
	if note != "" {
		report.Notes = append(report.Notes, note)
	}
	if len(store) > 0 {
		mine = append(mine, setting{"smtp_tls_CAfile", filepath.Join(dir, "files", "ca.pem")})
	}
	// The folder of the live server is not in the private jail.
	mine = append(mine, setting{"smtp_tls_CApath", ""})
	switch {
	case r.wrapper:
		report.Notes = append(report.Notes, "smtp_tls_wrappermode is on: the servers of the rehearsal use implicit TLS, and those with faulty STARTTLS are left out")
	case c.Config.Bool(&r.service, "smtp_tls_wrappermode"):
		report.Notes = append(report.Notes, "smtp_tls_wrappermode is disabled here: it requires level encrypt or a stronger one, which smtp_tls_policy_maps may set for the relay; the rehearsal sends with STARTTLS")
		mine = append(mine, setting{"smtp_tls_wrappermode", "no"})
	}
	anchors := c.anchors(r.service)
	if len(anchors) > 0 {
		mine = append(mine, setting{"smtp_tls_trust_anchor_file", "/etc/anchors.pem"})
	}
	var route, master strings.Builder
	for _, d := range all {
		_, port, err := net.SplitHostPort(d.addr)
		if err != nil {
			return nil, nil, err
		}
		fmt.Fprintf(&route, " { %s@rehearsal.invalid = %s: }", d.name, d.name)
		more := append([]setting{{"syslog_name", d.name}, {"smtp_tcp_port", port}}, own(mine, r.service)...)
		more = append(more, agentBackoff)
		more = append(more, r.levelOf(d)...)
		command, err := c.command(dir, "smtp", r.service, postfix.Sending, more...)
		if err != nil {
			return nil, nil, err
		}
		fmt.Fprintf(&master, "%s unix - - y - - %s\n", d.name, command)
	}
	mine = append(mine, setting{"sender_dependent_default_transport_maps", "inline:{" + route.String() + " }"})
	entry, err := Reserve()
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(&master, "%s inet n - n - - smtpd\n", entry.Addr)
	var more []string
	if r.wrapper {
		more = append(more, "-o smtpd_tls_wrappermode=yes")
	}
	master.WriteString(anonymousService(anonymousAddr, r.host, more...) + "retry unix - - n - - error\n")
	settings = slices.DeleteFunc(settings, func(s setting) bool {
		return slices.ContainsFunc(mine, func(m setting) bool { return m.name == s.name })
	})
	i, err := Create(dir, Base(dir, "")+text(settings)+text(mine), master.String()+BaseServices)
	if err == nil {
		err = c.stageFiles(dir)
	}
	if err == nil && len(store) > 0 {
		err = os.WriteFile(filepath.Join(dir, "files", "ca.pem"), store, 0o600)
	}
	if err == nil { // smtp runs in a jail with our DNS in it, and reads anchors there
		err = errors.Join(os.MkdirAll(filepath.Join(dir, "queue", "etc"), 0o755), os.Chmod(filepath.Join(dir, "queue", "etc"), 0o755),
			os.WriteFile(filepath.Join(dir, "queue", "etc", "resolv.conf"), fmt.Appendf(nil, "nameserver %s\noptions trust-ad timeout:1 attempts:2\n", r.addr), 0o644),
			os.WriteFile(filepath.Join(dir, "queue", "etc", "anchors.pem"), append(anchors, r.ids.RootPEM...), 0o644),                              // certificates only
			os.Chmod(filepath.Join(dir, "queue", "etc", "resolv.conf"), 0o644), os.Chmod(filepath.Join(dir, "queue", "etc", "anchors.pem"), 0o644)) // whatever the umask
	}
	if err != nil {
		entry.Close()
		return nil, nil, err
	}
	return i, entry, nil
}

// wraps reports whether the service sends with implicit TLS here too.
// At a level at which Postfix refuses that, a policy that is not known may be
// what makes it work.
func (r *run) wraps() bool {
	c := r.candidate.Config
	below := slices.Contains([]string{"none", "may", "dane"}, r.column(&delivery{}))
	return c.Bool(&r.service, "smtp_tls_wrappermode") && (!below || r.to.Policy != "" || c.Text(&r.service, "smtp_tls_policy_maps") == "")
}

// own are the settings that a service would override with its own.
func own(all []setting, s mastercf.Service) []setting {
	return slices.DeleteFunc(slices.Clone(all), func(x setting) bool {
		_, overridden := s.Override(x.name)
		return !overridden
	})
}

// levelOf is what makes a delivery go at its level.
func (r *run) levelOf(d *delivery) (out []setting) {
	policy := r.to.Policy
	if d.policy != "" {
		policy = fmt.Sprintf(d.policy, r.host)
	}
	if pinned(policy) { // no server here has that key; the good one plays it
		policy = strings.Join(slices.DeleteFunc(strings.Fields(policy), func(word string) bool { return strings.HasPrefix(word, "match=") }), " ")
	}
	if policy != "" {
		out = append(out, setting{"smtp_tls_policy_maps", fmt.Sprintf("inline:{ { %s = %s } }", r.to.Domain, policy)})
	}
	if d.level != "" {
		out = append(out, setting{"smtp_tls_security_level", d.level})
	}
	switch level := r.column(d); level {
	case "dane", "dane-only":
		if d.level != "" {
			out = append(out, setting{"smtp_dns_support_level", "dnssec"})
		}
	case "fingerprint":
		good, err := r.ids.Certificate(sink.Good)
		if err == nil {
			out = append(out, setting{"smtp_tls_fingerprint_digest", "sha256"}, setting{"smtp_tls_fingerprint_cert_match", publicKeyDigest(good)})
		}
	}
	return out
}
