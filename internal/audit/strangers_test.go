package audit

import (
	"context"
	cryptotls "crypto/tls"
	"errors"
	mail "net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// refusal is the code with which a server refuses mail in cleartext for a domain, or 0.
func refusal(t *testing.T, addr, to string) int {
	t.Helper()
	c, err := mail.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("a@example.net"); err != nil {
		t.Fatal(err)
	}
	err = c.Rcpt(to)
	var said *textproto.Error
	if errors.As(err, &said) {
		return said.Code
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// TestRefusesCleartext: a real Postfix refuses mail that comes without TLS exactly where
// the card says so.
func TestRefusesCleartext(t *testing.T) {
	scenes := []struct {
		name, option string
		refused      bool
	}{
		{"not there", "smtpd_client_restrictions=permit_mynetworks", false},
		{"for clients", "smtpd_client_restrictions=permit_mynetworks, reject_plaintext_session", true},
		{"for recipients", "smtpd_recipient_restrictions=reject_unauth_destination, reject_plaintext_session", true},
		{"with a warning alone", "smtpd_client_restrictions=warn_if_reject reject_plaintext_session", false},
		{"after all is permitted", "smtpd_client_restrictions=permit, reject_plaintext_session", false},
		{"by a reference", "smtpd_sender_restrictions=$encrypted", true},
	}
	var services []string
	for _, x := range scenes {
		services = append(services, "%s inet n - n - - smtpd -o mynetworks=192.0.2.0/24 -o smtpd_relay_restrictions=reject_unauth_destination -o {"+x.option+"}")
	}
	s := lab.Postfix(t, withChain(t)+"relay_domains = example.org\nencrypted = reject_plaintext_session\n", services...)
	f, err := detect.Look(context.Background(), host.ReadOnly{Reader: host.Local{}}, s.Config(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Listeners { // as if it were not this machine's alone
		f.Listeners[i].Kind, f.Role = detect.Relay, detect.Router
	}
	hits := plaintextRejected.Find(&Evidence{Facts: f})
	for i, x := range scenes {
		said := slices.ContainsFunc(hits, func(h Hit) bool { return strings.Contains(h.Detail, s.Addrs[i]+"/") })
		if code := refusal(t, s.Addrs[i], "b@example.org"); (code != 0) != x.refused || said != x.refused || x.refused && code != 450 {
			t.Errorf("%s: Postfix says %d, the card %+v", x.name, code, hits)
		}
	}
}

// TestNoTLSProxy: without its helper a real postscreen offers TLS to strangers and does
// not do it.
func TestNoTLSProxy(t *testing.T) {
	const screen = "%s inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\ndnsblog unix - - n - 0 dnsblog\n"
	for _, x := range []struct {
		service string
		works   bool
	}{{"", false}, {"tlsproxy unix - - n - 0 tlsproxy", true}} {
		s := lab.Postfix(t, withChain(t)+"postscreen_access_list =\npostscreen_greet_wait = 1s\npostscreen_pipelining_enable = yes\npostscreen_pipelining_action = enforce\n", screen+x.service)
		f, err := detect.Look(context.Background(), host.ReadOnly{Reader: host.Local{}}, s.Config(), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		f.Listeners[0].Kind = detect.Relay
		e := &Evidence{Facts: f}
		p := e.Posture() // as if it were not this machine's alone
		for i := range p.Listeners {
			p.Listeners[i].At.Kind = detect.Relay
		}
		c, err := mail.Dial(s.Addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		err = c.StartTLS(&cryptotls.Config{InsecureSkipVerify: true}) //nolint:gosec // the lab's server
		_ = c.Close()
		var said *textproto.Error
		if x.works != (err == nil) || !x.works && (!errors.As(err, &said) || said.Code != 454) {
			t.Errorf("%q: %v", x.service, err)
		}
		if hits := noTLSProxy.Find(e); x.works != (len(hits) == 0) {
			t.Errorf("%q: %+v", x.service, hits)
		}
	}
}
