package wizard

import (
	"net"

	"postseal/internal/hint"
	"postseal/internal/plan"
)

// mostTests is for how many listeners a command is shown.
const mostTests = 4

// tests are what an administrator can try while a run waits to be confirmed: the commands
// for this server, one a line.
func (m *Model) tests() (out []string) {
	domains, _ := m.session.Facts.Domains()
	return tests(m.session.ConfigDir, m.session.Facts.Hostname, domains, m.session.Facts.NeededNames(), m.end.receipt.Checks)
}

// tests are the commands for an instance of Postfix, a server of this name, which accepts mail for these domains,
// and these listeners.
func tests(configDir, hostname string, domains, needed []string, checks []plan.Check) (out []string) {
	name := hostname
	if len(needed) > 0 {
		name = needed[0]
	}
	for _, c := range checks {
		host, port, err := net.SplitHostPort(c.Addr)
		if err != nil || c.Mode == plan.GreetOnly || c.Proxy || len(out) == mostTests {
			continue
		}
		if out == nil {
			out = append(out, "A handshake, from another machine if it is to prove anything (it should say Verification: OK; a self-signed certificate gives error 18):")
		}
		if ip := net.ParseIP(host); ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) && name != "" {
			host = name // as others reach it
		}
		argv := []string{"openssl", "s_client", "-brief", "-connect", net.JoinHostPort(host, port), "-servername", name}
		if c.Mode == plan.STARTTLS {
			argv = append(argv, "-starttls", "smtp")
		}
		out = append(out, "  "+hint.ShellLine(argv))
	}
	domain := name
	if len(domains) > 0 {
		domain = domains[0]
	}
	sendmail := []string{"sendmail"}
	if configDir != "/etc/postfix" {
		sendmail = append(sendmail, "-C", configDir)
	}
	return append(out,
		"A message in: write from a mailbox elsewhere to postmaster@"+domain+"; its Received line should name TLSv1.2 or TLSv1.3.",
		"A message out, to a mailbox of yours elsewhere:",
		"  printf 'Subject: TLS test\\n\\n' | "+hint.ShellLine(append(sendmail, "YOU@elsewhere.example")))
}
