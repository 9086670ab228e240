// Package sink is a mail server to send to that gets TLS wrong in one known
// way, and tells what each client did about it (RFC 3207, RFC 5321).
//
// It takes every message and throws it away; it relays nothing, asks DNS
// nothing and keeps nothing on disk. It knows no Postfix.
package sink

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// Behaviour is a way in which a server treats TLS.
type Behaviour struct {
	// Name is what it is called on the command line, Text what it is.
	Name, Text string
	// Certificate is which one it shows.
	Certificate Certificate
	// trouble is what it does about STARTTLS.
	trouble trouble
	// version is the only version that it speaks, or 0.
	version uint16
	ask     tls.ClientAuthType
}

// Certificate is a kind of certificate.
type Certificate string

// The kinds of certificates.
const (
	Good       Certificate = "good"
	SelfSigned Certificate = "self-signed"
	WrongName  Certificate = "wrong name"
	Expired    Certificate = "expired"
)

// trouble is what goes wrong before the handshake.
type trouble int

const (
	none    trouble = iota
	absent          // STARTTLS is not offered
	refused         // offered, and answered 454
	cut             // offered, and hung up
	masked          // offered by the server, taken out on the way
)

// Behaviours are all there are, good first.
var Behaviours = []Behaviour{
	{Name: "trusted", Text: "a certificate from a trusted CA, for the right name", Certificate: Good},
	{Name: "self-signed", Text: "a self-signed certificate", Certificate: SelfSigned},
	{Name: "wrong-name", Text: "a certificate from a trusted CA, for another name", Certificate: WrongName},
	{Name: "expired", Text: "an expired certificate", Certificate: Expired},
	{Name: "no-starttls", Text: "no TLS at all", Certificate: Good, trouble: absent},
	{Name: "starttls-refused", Text: "TLS offered, then refused (454)", Certificate: Good, trouble: refused},
	{Name: "starttls-cut", Text: "TLS offered, then the connection is closed", Certificate: Good, trouble: cut},
	{Name: "stripped", Text: "an attacker on the network path removes STARTTLS", Certificate: Good, trouble: masked},
	{Name: "tls10-only", Text: "only TLS 1.0", Certificate: Good, version: tls.VersionTLS10},
	{Name: "tls13-only", Text: "only TLS 1.3", Certificate: Good, version: tls.VersionTLS13},
	{Name: "asks-certificate", Text: "asks for a client certificate", Certificate: Good, ask: tls.RequestClientCert},
	{Name: "requires-certificate", Text: "requires a client certificate", Certificate: Good, ask: tls.RequireAnyClientCert},
}

// Named finds a behaviour.
func Named(name string) (Behaviour, bool) {
	for _, b := range Behaviours {
		if b.Name == name {
			return b, true
		}
	}
	return Behaviour{}, false
}

// Session is what one client did.
type Session struct {
	Client string    `json:"client"`
	When   time.Time `json:"when"`
	HELO   string    `json:"helo,omitempty"`
	// Tried says that it asked for STARTTLS.
	Tried bool `json:"starttls"`
	// Version, Suite and ServerName are of the handshake; empty without TLS.
	Version    string `json:"version,omitempty"`
	Suite      string `json:"suite,omitempty"`
	ServerName string `json:"server_name,omitempty"`
	// Presented is the SHA-256 of its client certificate, Subject what it says.
	Presented string `json:"client_certificate,omitempty"`
	Subject   string `json:"client_subject,omitempty"`
	// Recipients are those of the messages that were taken.
	Recipients []string `json:"recipients,omitempty"`
	// Error is why it ended, if it did not end well.
	Error string `json:"error,omitempty"`
}

// Encrypted reports whether the session was in TLS.
func (s Session) Encrypted() bool { return s.Version != "" }

// Server is one listener with one behaviour.
type Server struct {
	Behaviour
	// Host is the name that it greets with and has certificates for.
	Host string
	// Implicit means implicit TLS, as on port 465 (RFC 8314): a
	// server whose trouble is that it offers no TLS speaks cleartext there too.
	Implicit bool
	// Identities are its certificates.
	Identities *Identities
	// Told is called after each session; nil for nobody.
	Told func(Session)
}

// limits of a session: nothing of a client is kept beyond them.
const (
	sessionTime = 2 * time.Minute
	maxMessage  = 64 << 20
	maxCommands = 1000
	maxSessions = 100 // at once; others wait
)

// Serve answers on l until ctx ends, and waits for the sessions.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	certificate, err := s.Identities.Certificate(s.Certificate)
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: s.ask, MinVersion: tls.VersionTLS10, MaxVersion: s.version}
	if s.version != 0 {
		config.MinVersion = s.version
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	busy := make(chan struct{}, maxSessions)
	for {
		select {
		case busy <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("sink %s: %w", s.Name, err)
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() { <-busy }()
			s.session(ctx, c, config)
		}()
	}
}

// session talks to one client.
func (s *Server) session(ctx context.Context, c net.Conn, config *tls.Config) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(sessionTime))
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	d := &dialogue{server: s, config: config, told: Session{Client: c.RemoteAddr().String(), When: time.Now().UTC()}}
	d.use(c)
	if err := d.run(ctx); err != nil && !errors.Is(err, io.EOF) {
		d.told.Error = err.Error()
	}
	if s.Told != nil {
		s.Told(d.told)
	}
}

// dialogue is the server's side of one session.
type dialogue struct {
	server *Server
	config *tls.Config
	conn   net.Conn
	text   *textproto.Conn
	told   Session
	// pending are the recipients of a message that has not come yet.
	pending []string
}

func (d *dialogue) use(c net.Conn) {
	d.conn = c
	// A line may be as long as the buffer of the reader, a session longer.
	d.text = textproto.NewConn(struct {
		io.Reader
		io.WriteCloser
	}{bufio.NewReader(io.LimitReader(c, maxMessage)), c})
}

func (d *dialogue) say(format string, args ...any) error {
	return d.text.PrintfLine(format, args...)
}

// errLeft is why a session ends that the server ends.
var errLeft = errors.New("the connection was cut, as intended")

// run answers commands until the client leaves.
func (d *dialogue) run(ctx context.Context) error {
	if d.server.Implicit && d.server.trouble != absent {
		if err := d.handshake(ctx); err != nil {
			return err
		}
	}
	if err := d.say("220 %s ESMTP sink", d.server.Host); err != nil {
		return err
	}
	for range maxCommands {
		line, err := d.line()
		if err != nil {
			return err
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO", "LHLO":
			d.told.HELO, d.pending = rest, nil
			err = d.capabilities()
		case "HELO":
			d.told.HELO, d.pending = rest, nil
			err = d.say("250 %s", d.server.Host)
		case "STARTTLS":
			err = d.startTLS(ctx)
		case "MAIL", "RSET":
			d.pending = nil
			err = d.say("250 2.0.0 ok")
		case "NOOP":
			err = d.say("250 2.0.0 ok")
		case "RCPT":
			if _, to, ok := strings.Cut(rest, ":"); ok {
				d.pending = append(d.pending, strings.Trim(strings.Fields(to + " ")[0], "<>"))
			}
			err = d.say("250 2.1.5 ok")
		case "DATA":
			err = d.data()
		case "QUIT":
			_ = d.say("221 2.0.0 bye")
			return nil
		default:
			err = d.say("502 5.5.2 command not recognized")
		}
		if err != nil {
			return err
		}
	}
	return errors.New("too many commands")
}

// line reads a command; one that does not fit the reader's buffer (4 KiB; RFC
// 5321, section 4.5.3.1.4 allows 512 octets) is an error.
func (d *dialogue) line() (string, error) {
	b, err := d.text.R.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errors.New("a command of more than 4 KiB")
	}
	return strings.TrimRight(string(b), "\r\n"), err
}

func (d *dialogue) capabilities() error {
	lines := []string{d.server.Host}
	switch {
	case d.told.Encrypted() || d.server.trouble == absent:
	case d.server.trouble == masked:
		lines = append(lines, "XXXXXXXA") // as the middleboxes do that rewrite it in place
	default:
		lines = append(lines, "STARTTLS")
	}
	lines = append(lines, "8BITMIME", "ENHANCEDSTATUSCODES")
	for _, l := range lines[:len(lines)-1] {
		if err := d.say("250-%s", l); err != nil {
			return err
		}
	}
	return d.say("250 %s", lines[len(lines)-1])
}

// startTLS does what the behaviour says about STARTTLS.
func (d *dialogue) startTLS(ctx context.Context) error {
	d.told.Tried = true
	switch {
	case d.server.trouble == absent || d.server.trouble == masked || d.told.Encrypted():
		return d.say("502 5.5.1 not offered")
	case d.server.trouble == refused:
		return d.say("454 4.7.0 TLS not available due to temporary reason")
	}
	if err := d.say("220 2.0.0 ready"); err != nil {
		return err
	}
	return d.handshake(ctx)
}

// handshake goes on in TLS, unless the behaviour is to hang up there.
func (d *dialogue) handshake(ctx context.Context) error {
	if d.server.trouble == cut {
		return errLeft
	}
	conn := tls.Server(d.conn, d.config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	state := conn.ConnectionState()
	d.told.Version, d.told.Suite = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
	d.told.ServerName = state.ServerName
	if len(state.PeerCertificates) > 0 {
		sum := sha256.Sum256(state.PeerCertificates[0].Raw)
		d.told.Presented, d.told.Subject = hex.EncodeToString(sum[:]), state.PeerCertificates[0].Subject.String()
	}
	d.pending = nil // RFC 3207, section 4.2: nothing of before counts
	d.use(conn)
	return nil
}

// data takes a message and throws it away.
func (d *dialogue) data() error {
	if err := d.say("354 go on"); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, d.text.DotReader()); err != nil {
		return err
	}
	d.told.Recipients, d.pending = append(d.told.Recipients, d.pending...), nil
	return d.say("250 2.0.0 accepted and discarded")
}
