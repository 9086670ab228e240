package rehearse

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"

	"postseal/internal/hint"
	"postseal/internal/sink"
)

// Anonymous is the behaviour that only a Postfix can play: TLS without any
// certificate. The library that the other sinks use has no such suites.
var Anonymous = sink.Behaviour{Name: "anonymous-only", Text: "TLS without any certificate, and nothing else"}

// anonymousLife is when such a sink ends by itself.
const anonymousLife = 24 * time.Hour

// anonymousService is a listener without a certificate, which takes everything and
// throws it away.
func anonymousService(addr, host string, more ...string) string {
	return fmt.Sprintf("%s inet n - n - - smtpd -o syslog_name=anonymous -o myhostname=%s -o smtpd_tls_security_level=may -o smtpd_tls_cert_file=none -o smtpd_tls_chain_files= -o content_filter=discard: %s\n",
		addr, host, strings.Join(more, " ")) + "discard unix - - n - - discard\n"
}

// free is a free address as master.cf names it. Postfix would share one that
// another Postfix has, the live one too, and swallow half of its mail (see Port).
func free(ctx context.Context, addr string) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", addr) // as inet_protocols has it in Base
	if err != nil {
		return "", hint.Wrap(err, "use another address with --listen")
	}
	return l.Addr().String(), l.Close()
}

// ServeAnonymous is such a sink on an address, until ctx ends. ready is called with
// the address once it answers, and told after each session. It needs root.
func ServeAnonymous(ctx context.Context, addr, host string, o Options, ready func(addr string), told func(sink.Session)) error {
	if _, err := hop(host); err != nil {
		return hint.Wrap(fmt.Errorf("%.80q is no host name", host), "use --host with an ASCII name")
	}
	addr, err := free(ctx, addr)
	if err != nil {
		return err
	}
	dir, remove, err := o.place()
	if err != nil {
		return err
	}
	defer remove()
	// INFO logs who sends what to whom, from the smtpd that also logs the rest (access(5)).
	service := anonymousService(addr, host, "-o smtpd_tls_loglevel=1", "-o { smtpd_relay_restrictions = check_client_access static:OK, reject }",
		"-o { smtpd_recipient_restrictions = check_recipient_access static:INFO, permit }")
	i, err := Create(dir, Base(dir, "")+"default_transport = discard:\n", service+BaseServices)
	if err != nil {
		return err
	}
	w := &watch{path: i.LogPath(), forget: true}
	heard := sessions{told: told, open: map[string]*sink.Session{}}
	w.each(heard.line)
	if err := i.Start(ctx, anonymousLife); err != nil {
		return err
	}
	defer i.Stop()
	if err := i.WaitFor(ctx, addr); err != nil {
		return hint.Wrap(err, "use another address with --listen")
	}
	ready(addr)
	w.follow(ctx)
	return nil
}

// sessions reads out of the log of a sink that is a Postfix what each client did.
type sessions struct {
	told func(sink.Session)
	open map[string]*sink.Session // by process, which serves one client at a time
	// answered says that our own look whether it answers has been seen.
	answered bool
}

var (
	encrypted = regexp.MustCompile(`^\S+ TLS connection established from \S+: (\S+) with cipher (\S+)`)
	taken     = regexp.MustCompile(` (?:data|bdat)=[1-9]`)
	recipient = regexp.MustCompile(`^NOQUEUE: info: RCPT from .* to=<([^>]*)> proto=\S+ helo=<([^>]*)>$`)
)

func (s *sessions) line(line string) {
	who, text, ok := split(line)
	if !ok || !strings.HasPrefix(who, "anonymous/") {
		return
	}
	head, _, _ := strings.Cut(line, "]: ")
	_, pid, _ := strings.Cut(head, "anonymous/")
	if client, ok := strings.CutPrefix(text, "connect from "); ok {
		s.open[pid] = &sink.Session{Client: client, When: time.Now()}
		return
	}
	x := s.open[pid]
	if x == nil {
		return
	}
	switch {
	case encrypted.MatchString(text):
		m := encrypted.FindStringSubmatch(text)
		x.Tried, x.Version, x.Suite = true, strings.Replace(m[1], "TLSv", "TLS ", 1), m[2]
	case strings.HasPrefix(text, "SSL_accept error from "):
		x.Tried, x.Error = true, "no handshake comes about"
	case recipient.MatchString(text):
		m := recipient.FindStringSubmatch(text)
		x.Recipients, x.HELO = append(x.Recipients, m[1]), m[2]
	case strings.HasPrefix(text, "disconnect from "):
		delete(s.open, pid)
		if !s.answered && strings.HasSuffix(text, " commands=0/0") {
			s.answered = true
			return
		}
		if !taken.MatchString(text) {
			x.Recipients = nil
		}
		s.told(*x)
	}
}
