package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	legoacme "github.com/go-acme/lego/v4/acme"

	"postseal/internal/hint"
)

// ErrUnreachable is why a CA was not heard at all, ErrAnswer that what it said
// is not ACME. What a CA says in ACME is a *Problem.
var (
	ErrUnreachable = errors.New("the CA cannot be reached")
	ErrAnswer      = errors.New("the CA's answer is invalid")
)

// Problem is why a CA refused (RFC 8555, section 6.7).
type Problem struct {
	// Type is the last word of the type: "rateLimited", "dns", "caa".
	Type   string
	Detail string
	Status int
	// Name is the host name that it is about, or empty.
	Name string
	// RetryAfter is when the CA will listen again, as it said; zero if it did not.
	RetryAfter time.Duration
}

// Error implements error.
func (p *Problem) Error() string {
	of := ""
	if p.Name != "" {
		of = fmt.Sprintf(" %.255s", oneLine(p.Name))
	}
	return fmt.Sprintf("the CA refuses%s (%.60s): %.500s", of, oneLine(p.Type), oneLine(p.Detail))
}

// oneLine is what a CA says as one line, without control characters: it stands in errors
// and logs of ours.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if hint.Hidden(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return strings.Join(strings.Fields(s), " ")
}

// advice is what to do about each type of problem.
var advice = map[string]string{
	"connection":              "the CA could not reach this host: check that port 80 (HTTP) or 443 (TLS-ALPN) is open from outside, and that the name points here",
	"dns":                     "the CA found no usable DNS answer: look up the name and its _acme-challenge TXT record from outside",
	"caa":                     "a CAA record of the domain forbids this CA: change the record, or choose a CA that it allows",
	"unauthorized":            "the CA got a different answer: check that the name points to this host, and that no other program answers there",
	"incorrectResponse":       "the CA got a different answer: check that the name points to this host, and that no other program answers there",
	"tls":                     "the CA's TLS connection failed: for TLS-ALPN-01 nothing else may terminate TLS on port 443",
	"rateLimited":             "too many requests: wait as long as the CA says; test with --staging",
	"externalAccountRequired": "this CA requires external account binding: get a key ID and key from its website, then use --eab-kid and --eab-hmac-file",
	"invalidProfile":          "the CA has no such profile: postseal cert obtain --list-profiles shows them",
	"rejectedIdentifier":      "this CA does not sign such names",
	"unsupportedIdentifier":   "this CA does not sign such names",
	"badCSR":                  "the CA rejects the request: try another --key-type",
	"badPublicKey":            "the CA does not accept this key type: try another --key-type",
	"userActionRequired":      "the CA requires an action first, such as accepting new terms: follow its message",
	"accountDoesNotExist":     "the CA no longer knows the account: remove its directory, and a new account is created",
	"invalidContact":          "the CA does not accept the address: use another --email",
	"unsupportedContact":      "the CA does not accept the address: use another --email",
	"serverInternal":          "the CA has an internal error: try again later",
	"orderNotReady":           "the CA has not seen the challenge response: try again",
	"notFound":                "check that this is the address of the CA's directory",
}

// advised adds to a problem what to do about it.
func advised(err error) error {
	var p *Problem
	if !errors.As(err, &p) {
		return err
	}
	text := advice[p.Type]
	switch {
	case p.RetryAfter > 0:
		text = fmt.Sprintf("wait %s", p.RetryAfter.Round(time.Second))
		if p.Type == "rateLimited" {
			text += "; test with --staging"
		}
	case p.Type == "unauthorized" && p.Name == "":
		text = "the CA does not permit this for the account: use the account with which the certificate was obtained"
	}
	return hint.Wrap(err, text)
}

// refusal is a problem document (RFC 9457, RFC 8555 section 6.7).
type refusal struct {
	Type        string `json:"type"`
	Detail      string `json:"detail"`
	Status      int    `json:"status"`
	SubProblems []struct {
		Type       string `json:"type"`
		Detail     string `json:"detail"`
		Identifier struct {
			Type  string `json:"type"`
			Value string `json:"value"`
		} `json:"identifier"`
	} `json:"subproblems,omitempty"`
}

// readRefusal reads why a CA refused. Proxies before it answer in their own
// way, and of that only the status is of use.
func readRefusal(resp *http.Response, data []byte) refusal {
	var d refusal
	if json.Unmarshal(data, &d) != nil || d.Type == "" {
		detail := d.Detail
		d = refusal{Type: "notACME:" + strconv.Itoa(resp.StatusCode), Detail: detail}
		if detail == "" {
			d.Detail = fmt.Sprintf("it answers %.60s", resp.Status)
		}
		switch {
		case resp.StatusCode == http.StatusTooManyRequests:
			d.Type = "rateLimited"
		case resp.StatusCode >= http.StatusInternalServerError:
			d.Type = "serverInternal"
		case resp.StatusCode == http.StatusNotFound:
			d.Type = "notFound"
		}
	}
	if d.Status < http.StatusBadRequest {
		d.Status = resp.StatusCode
	}
	return d
}

// problem is a refusal in our form; of nil it says that no reason was given.
func (d *refusal) problem(name string) *Problem {
	if d == nil {
		return &Problem{Type: "unknown", Detail: "it gives no reason", Name: name}
	}
	p := &Problem{Type: d.Type[strings.LastIndexByte(d.Type, ':')+1:], Detail: d.Detail, Status: d.Status, Name: name}
	for _, s := range d.SubProblems {
		p.Detail += fmt.Sprintf("; %.255s: %.300s", s.Identifier.Value, s.Detail)
	}
	return p
}

// stopped is the error of a run that its caller ended.
func stopped(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("stopped: %w: %w", ctx.Err(), cause)
	}
	return fmt.Errorf("stopped: %w", ctx.Err())
}

// said is an error of which the text is shortened, and the kind kept.
type said struct {
	text string
	error
}

func (s said) Error() string { return s.text }
func (s said) Unwrap() error { return s.error }

// explain turns an error of the library into one of ours.
func (r *run) explain(err error) error {
	var d *legoacme.ProblemDetails
	direct := errors.As(err, &d) && d.URL != "" // an answer, and not the end of a challenge
	all := r.failures()
	if direct || len(all) == 0 {
		if e := r.translate(err, d); direct || e != nil {
			all = append(all, e)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

func (r *run) translate(err error, d *legoacme.ProblemDetails) error {
	var own *Problem
	var u *url.Error
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &own), errors.Is(err, ErrAnswer), errors.Is(err, ErrUnreachable):
		return err
	case d != nil:
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.refusal != nil && r.refusedAt == d.URL {
			return advised(r.refusal)
		}
		return advised(&Problem{Type: d.Type[strings.LastIndexByte(d.Type, ':')+1:], Detail: d.Detail, Status: d.HTTPStatus})
	case errors.As(err, &u):
		return connecting(u.URL, u.Err)
	case errors.As(err, &syntax):
		return unusable("%v", syntax)
	case errors.As(err, &kind):
		return unusable("%.200v", kind)
	}
	return hint.Wrap(said{fmt.Sprintf("%.600s", plain(err.Error())), err}, hint.Of(err))
}

// plain takes what the library puts around a reason away: heading, name and
// prefix.
func plain(s string) string {
	s = strings.TrimSpace(strings.TrimPrefix(s, "error: one or more domains had a problem:"))
	for _, around := range []string{"acme: error presenting token: ", "acme: "} {
		if _, after, ok := strings.Cut(s, around); ok {
			s = after
		}
	}
	return strings.TrimSpace(s)
}

// connecting explains why a CA cannot be reached.
func connecting(address string, err error) error {
	host := address
	if u, e := url.Parse(address); e == nil {
		host = u.Host
	}
	err = fmt.Errorf("%w: asking %.255s: %w", ErrUnreachable, host, err)
	switch text := err.Error(); {
	case strings.Contains(text, "x509:"), strings.Contains(text, "certificate"):
		return hint.Wrap(err, "its certificate is not trusted here: for a private CA use --acme-ca-file")
	case strings.Contains(text, "no such host"):
		return hint.Wrap(err, "the name is wrong, or the resolver does not answer")
	}
	return hint.Wrap(err, "check the route to it: a firewall may block it, or a proxy may be needed (HTTPS_PROXY)")
}

// retryAfter reads a Retry-After header, in seconds or as a date (RFC 9110,
// section 10.2.3). What is neither, or past, is zero.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		return max(0, time.Duration(n)*time.Second)
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
