package acme

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	legoacme "github.com/go-acme/lego/v4/acme"

	"postseal/internal/hint"
)

// Problem is why a CA refused (RFC 8555, section 6.7).
type Problem struct {
	// Type is the last word of the type: "rateLimited", "dns", "caa".
	Type   string
	Detail string
	Status int
	// RetryAfter is when the CA will listen again, as it said; zero if it did not.
	RetryAfter time.Duration
}

// Error implements error.
func (p *Problem) Error() string {
	return fmt.Sprintf("the CA refuses (%s): %.500s", p.Type, p.Detail)
}

// advice is what to do about each type of problem.
var advice = map[string]string{
	"connection":              "the CA could not reach this host: is port 80 (HTTP) or 443 (TLS-ALPN) open from outside, and does the name lead here?",
	"dns":                     "the CA found no usable DNS answer: look up the name and its _acme-challenge TXT record from outside",
	"caa":                     "a CAA record of the domain forbids this CA: change the record, or choose a CA that it names",
	"unauthorized":            "the CA got another answer than ours: does the name lead to this host, and does another program answer there?",
	"incorrectResponse":       "the CA got another answer than ours: does the name lead to this host, and does another program answer there?",
	"tls":                     "the CA's TLS connection failed: for TLS-ALPN-01 nothing else may end TLS on port 443",
	"rateLimited":             "too many requests: wait as long as it says; try things out with --staging",
	"externalAccountRequired": "this CA wants an account of its own: get a key ID and key there, then --eab-kid and --eab-hmac-file",
	"invalidProfile":          "the CA has no such profile: postseal cert obtain --list-profiles shows them",
	"rejectedIdentifier":      "this CA does not sign such a name",
	"unsupportedIdentifier":   "this CA does not sign such a name",
	"badCSR":                  "the CA does not like the request: try another --key-type",
	"badPublicKey":            "the CA does not take this kind of key: try another --key-type",
	"userActionRequired":      "the CA wants you to do something first, such as accepting new terms: read what it says",
	"accountDoesNotExist":     "the CA does not know the account any more: remove its folder, and it is made anew",
	"invalidContact":          "the CA does not take the address: give another --email",
	"unsupportedContact":      "the CA does not take the address: give another --email",
	"serverInternal":          "the CA has a fault: try again later",
	"orderNotReady":           "the CA has not seen the proof: try again",
}

// explain turns an error of the library into one of ours.
func explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
	var limited *legoacme.RateLimitedError
	var d *legoacme.ProblemDetails
	switch {
	case errors.As(err, &limited) && limited.ProblemDetails != nil:
		p := problem(limited.ProblemDetails)
		p.RetryAfter = retryAfter(limited.RetryAfter, time.Now())
		if p.RetryAfter > 0 {
			return hint.Wrap(p, fmt.Sprintf("wait %s; try things out with --staging", p.RetryAfter.Round(time.Second)))
		}
		return hint.Wrap(p, advice["rateLimited"])
	case errors.As(err, &d):
		p := problem(d)
		return hint.Wrap(p, advice[p.Type])
	}
	var u *url.Error
	if errors.As(err, &u) {
		return connecting(u.URL, u.Err)
	}
	return hint.Wrap(fmt.Errorf("%.600s", plain(err.Error())), hint.Of(err))
}

func problem(d *legoacme.ProblemDetails) *Problem {
	p := &Problem{Type: d.Type[strings.LastIndexByte(d.Type, ':')+1:], Detail: d.Detail, Status: d.HTTPStatus}
	if p.Type == "" {
		p.Type = fmt.Sprintf("status %d", d.HTTPStatus)
	}
	for _, s := range d.SubProblems {
		p.Detail += fmt.Sprintf("; %s: %s", s.Identifier.Value, s.Detail)
	}
	return p
}

// connecting explains why a CA cannot be reached.
func connecting(address string, err error) error {
	host := address
	if u, e := url.Parse(address); e == nil {
		host = u.Host
	}
	err = fmt.Errorf("asking %s: %w", host, err)
	switch text := err.Error(); {
	case strings.Contains(text, "x509:"), strings.Contains(text, "certificate"):
		return hint.Wrap(err, "its certificate is not trusted here: for a CA of your own give --acme-ca-file")
	case strings.Contains(text, "no such host"):
		return hint.Wrap(err, "the name is wrong, or the resolver does not answer")
	}
	return hint.Wrap(err, "is there a way out to it: a firewall, a proxy (HTTPS_PROXY)?")
}

// retryAfter reads a Retry-After header, in seconds or as a date (RFC 9110,
// section 10.2.3).
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := time.ParseDuration(s + "s"); err == nil {
		return max(0, n)
	}
	if t, err := time.Parse(time.RFC1123, s); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
