// Package acme gets certificates from a CA that speaks ACME (RFC 8555).
//
// It stands between us and the lego library, whose types do not leave it. It
// keeps nothing: accounts, keys and certificates are the caller's to store. It
// writes no file but a challenge in a web root, and opens no port but the one
// that a challenge is answered on. It does not decide when to renew, and does
// not know Postfix.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"postseal/internal/hint"
)

// Options say how to reach a CA.
type Options struct {
	// Directory is the address of the CA's directory (RFC 8555, section 7.1.1).
	Directory string
	// Roots are trusted for the connection to the CA; nil is the system's.
	Roots *x509.CertPool
	// Account is who asks. Register makes it known to the CA.
	Account *Account
	// UserAgent is sent with each request; empty is "postseal".
	UserAgent string
	// Log takes what the library says, for fault finding; nil discards it.
	Log io.Writer
	// Poll is how often a pending challenge is asked about; 0 is two seconds.
	Poll time.Duration
}

// Client talks to one CA for one account.
type Client struct {
	o    Options
	base http.RoundTripper
	// requestTime and signTime are the constants, but in tests.
	requestTime, signTime time.Duration
}

// AccountURL is where the CA keeps the account; empty if it is not registered.
func (c *Client) AccountURL() string { return c.o.Account.URL }

// requestTime bounds one request to the CA, from connecting to the last byte.
const requestTime = 30 * time.Second

// signTime is how long a CA may take to sign.
const signTime = 90 * time.Second

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// New makes a client. It does not connect yet.
func New(o Options) (*Client, error) {
	if !strings.HasPrefix(o.Directory, "https://") {
		return nil, hint.New(fmt.Sprintf("%.200q is not the https address of an ACME directory", o.Directory), "use the address in the CA's documentation, or the short name of a known CA")
	}
	if o.Account == nil || o.Account.key == nil {
		return nil, fmt.Errorf("no account key was given")
	}
	if o.UserAgent == "" {
		o.UserAgent = "postseal"
	}
	if o.Poll == 0 {
		o.Poll = 2 * time.Second
	}
	if o.Account.Directory != "" && o.Account.Directory != o.Directory {
		return nil, hint.New(fmt.Sprintf("the account is for %.200s, not for %.200s", o.Account.Directory, o.Directory), "each CA and each staging environment needs its own account")
	}
	return &Client{o: o, requestTime: requestTime, signTime: signTime, base: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
	}}, nil
}

// Meta is what a CA says of itself (RFC 8555, section 7.1.1).
type Meta struct {
	// Profiles are the kinds of certificates it offers, with its own words
	// (draft-ietf-acme-profiles); empty if it has only one.
	Profiles map[string]string `json:"profiles"`
	// EAB is true if an account must be bound to one at the CA.
	EAB   bool   `json:"external_account_required"`
	Terms string `json:"terms"`
	// CAA are the names by which CAA records allow it (RFC 8659).
	CAA []string `json:"caa_identities"`
	// RenewalInfo is the address for RFC 9773, or empty.
	RenewalInfo string `json:"renewal_info"`
}

// Meta reads the directory.
func (c *Client) Meta(ctx context.Context) (Meta, error) {
	var d struct {
		NewOrder    string `json:"newOrder"`
		RenewalInfo string `json:"renewalInfo"`
		Meta        struct {
			Terms    string            `json:"termsOfService"`
			CAA      []string          `json:"caaIdentities"`
			EAB      bool              `json:"externalAccountRequired"`
			Profiles map[string]string `json:"profiles"`
		} `json:"meta"`
	}
	if _, err := c.getJSON(ctx, c.o.Directory, &d); err != nil {
		return Meta{}, fmt.Errorf("reading the directory of the CA: %w", err)
	}
	if d.NewOrder == "" {
		return Meta{}, hint.Wrap(fmt.Errorf("%w: %s is not an ACME directory: it contains no address for orders", ErrAnswer, c.o.Directory), "look up the address in the CA's documentation")
	}
	return Meta{Profiles: d.Meta.Profiles, EAB: d.Meta.EAB, Terms: d.Meta.Terms, CAA: d.Meta.CAA, RenewalInfo: d.RenewalInfo}, nil
}

// getJSON reads a public resource. It fails with a *Problem, ErrUnreachable or
// ErrAnswer.
func (c *Client) getJSON(ctx context.Context, address string, v any) (http.Header, error) {
	if !strings.HasPrefix(address, "https://") {
		return nil, unusable("%.200q is not an https address", address)
	}
	request, cancel := context.WithTimeout(ctx, c.requestTime)
	defer cancel()
	req, err := http.NewRequestWithContext(request, http.MethodGet, address, nil)
	if err != nil {
		return nil, unusable("%v", err)
	}
	req.Header.Set("User-Agent", c.o.UserAgent)
	var data []byte
	resp, err := c.base.RoundTrip(req)
	if err == nil {
		data, err = read(resp)
	}
	switch {
	case ctx.Err() != nil:
		return nil, stopped(ctx)
	case errors.Is(err, ErrAnswer):
		return nil, err
	case err != nil:
		return nil, connecting(address, late(ctx, request, c.requestTime, err))
	case resp.StatusCode != http.StatusOK:
		d := readRefusal(resp, data)
		p := d.problem("")
		p.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
		return nil, advised(p)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return nil, unusable("%.100v", err)
	}
	return resp.Header, nil
}

// Close ends idle connections.
func (c *Client) Close() {
	if t, ok := c.base.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}
