// Package probe sees a mail server's TLS from outside: it greets, asks for
// STARTTLS or speaks TLS at once, shakes hands, and leaves.
//
// It never sends MAIL FROM, trusts nothing and judges nothing: who asked
// compares the answer with what should have come.
package probe

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"postseal/certs"
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
	// Total bounds an enumeration; 0 is two minutes.
	Total time.Duration
	// Quick leaves out of an enumeration what is not a version, a suite, a group
	// or a certificate.
	Quick bool
	// Gate is shared by all that is asked of one host at the same time; nil is
	// one of its own.
	Gate *Gate
	// asked is told of every hello; it may be nil.
	asked func(hello)
}

// Result is what the server said.
type Result struct {
	// Greeting is the first line, Capabilities what EHLO listed before TLS.
	Greeting     string
	Capabilities []string
	// Version and Suite are what was agreed, such as "TLS 1.3" and
	// "TLS_AES_256_GCM_SHA384"; Group is the key exchange, "X25519MLKEM768".
	Version, Suite, Group string
	// Inside are the capabilities that EHLO listed within TLS.
	Inside []string
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

// Algorithm is what the served leaf's key is for: "RSA", "ECDSA" or "Ed25519". There
// must be a leaf.
func (r Result) Algorithm() string {
	switch r.Certs[0].PublicKeyAlgorithm {
	case x509.RSA:
		return "RSA"
	case x509.ECDSA:
		return "ECDSA"
	}
	return "Ed25519"
}

// Offers reports whether EHLO listed the keyword.
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
		if n := c.in.Buffered(); n > 0 {
			return r, &Error{t.Addr, STARTTLS, fmt.Errorf("%d bytes of cleartext after the reply", n)}
		}
	}
	conn := tls.Client(prompt{c.Conn}, o.config(&r))
	if err := conn.HandshakeContext(ctx); err != nil {
		return r, &Error{t.Addr, Handshaking, verdict(err)}
	}
	state := conn.ConnectionState()
	r.Version, r.Suite = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
	if state.CurveID != 0 {
		r.Group = state.CurveID.String()
	}
	if n := len(state.PeerCertificates); n > certs.MaxChain {
		return r, &Error{t.Addr, Handshaking, fmt.Errorf("the server sends %d certificates; at most %d are read", n, certs.MaxChain)}
	}
	r.Certs = state.PeerCertificates
	// With TLS 1.3 our side is done before the server has looked at it: only
	// its answer proves the session.
	c.use(conn)
	if t.Implicit {
		if err := c.hello(&r); err != nil {
			return r, err
		}
		r.Inside = r.Capabilities
	} else if r.Inside, err = c.ehlo(); err != nil {
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
