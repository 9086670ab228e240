// Package probe sees a mail server's TLS from outside: it greets, asks for
// STARTTLS or speaks TLS at once, shakes hands, and leaves.
//
// It never sends MAIL FROM, trusts nothing and judges nothing: who asked
// compares the answer with what should have come.
package probe

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"
)

// Target is one listener.
type Target struct {
	// Addr is host:port.
	Addr string
	// Implicit is true if TLS starts at once, without STARTTLS (RFC 8314).
	Implicit bool
	// Proxy is true if the listener wants a PROXY protocol line first
	// (smtpd_upstream_proxy_protocol in postconf(5)).
	Proxy bool
}

// Options say how to shake hands. The zero value offers all that Go can.
type Options struct {
	// MinVersion and MaxVersion bound the protocol (tls.VersionTLS10 ...).
	MinVersion, MaxVersion uint16
	// Algorithm asks for a certificate of that kind, "RSA" or "ECDSA". It is
	// asked for with TLS 1.2, where the suite decides.
	Algorithm string
	// ServerName is sent as SNI, if not empty.
	ServerName string
	// Dial opens the connection; nil is the network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Timeout bounds the whole conversation; 0 is ten seconds. A postscreen
	// may hold its greeting back for six.
	Timeout time.Duration
}

// Result is what the server said.
type Result struct {
	// Greeting is the first line, Capabilities what EHLO listed before TLS.
	Greeting     string
	Capabilities []string
	// Version and Suite are what was agreed, such as "TLS 1.3" and
	// "TLS_AES_256_GCM_SHA384"; Group is the key exchange, "X25519MLKEM768".
	Version, Suite, Group string
	// Certs is the chain as served.
	Certs []*x509.Certificate
	// AsksCertificate is true if the server asked for a client certificate.
	AsksCertificate bool
}

// Fingerprint is the SHA-256 of the served leaf, or "" without TLS.
func (r Result) Fingerprint() string {
	if len(r.Certs) == 0 {
		return ""
	}
	sum := sha256.Sum256(r.Certs[0].Raw)
	return hex.EncodeToString(sum[:])
}

// Offers says whether EHLO listed the keyword.
func (r Result) Offers(keyword string) bool {
	for _, c := range r.Capabilities {
		word, _, _ := strings.Cut(c, " ")
		if strings.EqualFold(word, keyword) {
			return true
		}
	}
	return false
}

// Stage is how far a conversation came before it failed.
type Stage string

// The stages.
const (
	Connecting  Stage = "connecting"
	Greeting    Stage = "greeting"
	EHLO        Stage = "EHLO"
	STARTTLS    Stage = "STARTTLS"
	Handshaking Stage = "TLS handshake"
	Inside      Stage = "inside TLS" // the handshake is done
)

// Error is a conversation that failed.
type Error struct {
	Addr  string
	Stage Stage
	Err   error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Addr, e.Stage, e.Err) }

// Unwrap implements errors.Unwrap.
func (e *Error) Unwrap() error { return e.Err }

// ErrNotOffered is why STARTTLS fails on a server that does not list it.
var ErrNotOffered = errors.New("STARTTLS is not offered")

// maxText bounds what a server may say in clear, in bytes.
const maxText = 64 << 10

// Greet connects and reads greeting and EHLO, without TLS.
func Greet(ctx context.Context, t Target, o Options) (Result, error) {
	c, err := open(ctx, t, o)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	var r Result
	err = c.hello(&r)
	return r, err
}

// Handshake connects, starts TLS, and leaves with QUIT.
func Handshake(ctx context.Context, t Target, o Options) (Result, error) {
	c, err := open(ctx, t, o)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	var r Result
	if !t.Implicit {
		if err := c.hello(&r); err != nil {
			return r, err
		}
		if !r.Offers("STARTTLS") {
			return r, &Error{t.Addr, STARTTLS, ErrNotOffered}
		}
		// In lockstep: since 3.10 Postfix refuses a pipelined STARTTLS.
		if _, err := c.command("STARTTLS", 220); err != nil {
			return r, &Error{t.Addr, STARTTLS, err}
		}
		if n := c.text.R.Buffered(); n > 0 {
			return r, &Error{t.Addr, STARTTLS, fmt.Errorf("%d bytes of clear text after the reply", n)}
		}
	}
	conn := tls.Client(c.Conn, o.config(&r))
	if err := conn.HandshakeContext(ctx); err != nil {
		return r, &Error{t.Addr, Handshaking, err}
	}
	state := conn.ConnectionState()
	r.Version, r.Suite = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
	if state.CurveID != 0 {
		r.Group = state.CurveID.String()
	}
	r.Certs = state.PeerCertificates
	// With TLS 1.3 our side is done before the server has looked at it: only
	// its answer proves the session.
	c.use(conn)
	if t.Implicit {
		if err := c.hello(&r); err != nil {
			return r, err
		}
	} else if _, err := c.command("EHLO "+heloName, 250); err != nil {
		return r, &Error{t.Addr, Inside, err}
	}
	_, _ = c.command("QUIT", 221)
	return r, nil
}

// config is what we offer; it notes in r whether the server asks for a
// certificate of ours.
func (o Options) config(r *Result) *tls.Config {
	c := &tls.Config{
		// Verification is not the question here, and a test server or a
		// snakeoil certificate must be seen as it is.
		InsecureSkipVerify: true, //nolint:gosec // see above
		ServerName:         o.ServerName,
		MinVersion:         tls.VersionTLS10,
		MaxVersion:         o.MaxVersion,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			r.AsksCertificate = true
			return new(tls.Certificate), nil
		},
	}
	if o.MinVersion != 0 {
		c.MinVersion = o.MinVersion
	}
	if o.Algorithm != "" {
		c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS12
		for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if strings.HasPrefix(s.Name, "TLS_ECDHE_"+o.Algorithm+"_") {
				c.CipherSuites = append(c.CipherSuites, s.ID)
			}
		}
	}
	return c
}

// conversation is a connection with its SMTP side.
type conversation struct {
	net.Conn
	addr   string
	text   *textproto.Reader
	forget func() bool
}

func open(ctx context.Context, t Target, o Options) (*conversation, error) {
	timeout := o.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", t.Addr)
	if err != nil {
		return nil, &Error{t.Addr, Connecting, err}
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(&Error{t.Addr, Connecting, err}, conn.Close())
	}
	if t.Proxy {
		if _, err := io.WriteString(conn, "PROXY TCP4 127.0.0.1 127.0.0.1 1025 25\r\n"); err != nil {
			return nil, errors.Join(&Error{t.Addr, Connecting, err}, conn.Close())
		}
	}
	c := &conversation{addr: t.Addr}
	c.use(conn)
	// Whoever waits for an answer stops waiting when ctx ends.
	c.forget = context.AfterFunc(whole, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return c, nil
}

// Close leaves.
func (c *conversation) Close() error {
	c.forget()
	return c.Conn.Close()
}

// use makes conn the connection that commands go over.
func (c *conversation) use(conn net.Conn) {
	c.Conn = conn
	c.text = textproto.NewReader(bufio.NewReader(io.LimitReader(conn, maxText)))
}

const heloName = "postseal.invalid"

// hello reads the greeting and says EHLO.
func (c *conversation) hello(r *Result) error {
	_, greeting, err := c.text.ReadResponse(220)
	if err != nil {
		return &Error{c.addr, Greeting, err}
	}
	r.Greeting = greeting
	reply, err := c.command("EHLO "+heloName, 250)
	if err != nil {
		return &Error{c.addr, EHLO, err}
	}
	lines := strings.Split(reply, "\n")
	r.Capabilities = lines[1:]
	return nil
}

func (c *conversation) command(line string, want int) (string, error) {
	if _, err := io.WriteString(c.Conn, line+"\r\n"); err != nil {
		return "", err
	}
	_, reply, err := c.text.ReadResponse(want)
	return reply, err
}
