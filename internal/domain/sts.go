package domain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postseal/internal/host"
	"postseal/internal/resolve"
)

// STS holds what a domain publishes for MTA-STS (RFC 8461).
type STS struct {
	// Record is the TXT record, and ID the id in it.
	Record string `json:"record,omitempty"`
	ID     string `json:"id,omitempty"`
	// Policy is the file; nil if there is none that senders would follow.
	Policy *Policy `json:"policy"`
	// Problem is why senders do not follow what is published. Unseen says that
	// nothing answered, which may be due to this machine: others may see it.
	Problem string `json:"problem,omitempty"`
	Unseen  bool   `json:"unseen"`
}

// Policy is the file that senders follow.
type Policy struct {
	Mode   string   `json:"mode"`
	MaxAge int      `json:"max_age"`
	MX     []string `json:"mx"`
}

// The modes (RFC 8461, section 3.2).
const (
	Enforce = "enforce"
	Testing = "testing"
	Off     = "none"
)

const (
	// maxPolicy bounds the file, as section 3.3 of RFC 8461 suggests: 64 KB. A
	// policy has maxPatterns patterns at most.
	maxPolicy   = 64 << 10
	maxPatterns = 100
	// maxMaxAge is about a year (section 3.2).
	maxMaxAge = 31557600
	// fetchTime is what a sender waits for the file (section 3.3).
	fetchTime = 20 * time.Second
)

// LookSTS looks up what a domain publishes, and fetches its policy.
func LookSTS(ctx context.Context, m host.Reader, name string, o Options) STS {
	s := STSRecord(ctx, m, name, o)
	s.Fetch(ctx, m, name, o)
	return s
}

// STSRecord looks up the record of a domain alone: its id tells senders whether the
// policy that they have cached has changed (RFC 8461, section 3.1).
func STSRecord(ctx context.Context, m host.Reader, name string, o Options) (s STS) {
	text, several, err := record(ctx, m, o.Resolver, "_mta-sts."+name, "v=STSv1")
	switch {
	case err != nil:
		s.Problem, s.Unseen = err.Error(), silent(err)
		return s
	case several:
		s.Problem = "there are several MTA-STS TXT records, so senders ignore them"
		return s
	case text == "":
		return s
	}
	s.Record = text
	if s.ID, err = ParseSTSRecord(text); err != nil {
		s.Problem = err.Error()
	}
	return s
}

// Fetch fetches the policy of a domain whose record is sound.
func (s *STS) Fetch(ctx context.Context, m host.Reader, name string, o Options) {
	if s.ID == "" {
		return
	}
	file, err := fetch(ctx, m, "mta-sts."+name, o)
	if err == nil {
		s.Policy, err = ParsePolicy(file)
	}
	if err != nil {
		s.Problem, s.Unseen = "the policy: "+err.Error(), silent(err)
	}
}

// silent reports whether nothing came back: many mail servers may not connect to
// the web at all.
func silent(err error) bool {
	var at *net.OpError
	var unknown resolve.Unknown
	if errors.As(err, &unknown) {
		return unknown.Reason == resolve.Timeout || unknown.Reason == resolve.Unreached
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &at) && (at.Timeout() || at.Op == "dial" && !errors.Is(err, syscall.ECONNREFUSED))
}

// record looks up the one TXT record that begins with a version.
func record(ctx context.Context, m host.Reader, resolver, name, version string) (text string, several bool, err error) {
	var values []string
	switch a := (Options{Resolver: resolver}).resolver(m).Ask(ctx, name, resolve.TXT).(type) {
	case resolve.Unknown:
		return "", false, a
	case resolve.Records:
		values = a.Values
	}
	texts := Texts(values, version)
	if len(texts) > 0 {
		text = texts[len(texts)-1]
	}
	return text, len(texts) > 1, nil
}

// Texts returns those of some TXT records in presentation form that begin with a version,
// such as v=STSv1, each with its strings joined.
func Texts(values []string, version string) (out []string) {
	for _, r := range values {
		r = unquote(r)
		if first, _, _ := strings.Cut(r, ";"); strings.TrimSpace(first) == version {
			out = append(out, r)
		}
	}
	return out
}

// unquote joins the strings of a TXT record in presentation form (RFC 1035,
// section 5.1).
func unquote(text string) string {
	var b strings.Builder
	inside := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			inside = !inside
		case c == '\\' && i+3 < len(text) && digits(text[i+1:i+4]):
			n, _ := strconv.Atoi(text[i+1 : i+4])
			b.WriteByte(byte(n))
			i += 3
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case inside:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// fields takes "v=X; a=b; c=d;" apart.
func fields(text string) map[string]string {
	out := map[string]string{}
	for f := range strings.SplitSeq(text, ";") {
		name, value, ok := strings.Cut(f, "=")
		name = strings.TrimSpace(name)
		if _, twice := out[name]; ok && !twice {
			out[name] = strings.TrimSpace(value)
		}
	}
	return out
}

// ParseSTSRecord returns the id of a record (RFC 8461, section 3.1).
func ParseSTSRecord(text string) (id string, err error) {
	f := fields(text)
	switch id = f["id"]; {
	case f["v"] != "STSv1":
		return "", fmt.Errorf("%.80q is not an MTA-STS record", text)
	case id == "" || len(id) > 32 || strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}):
		if id == "" {
			return "", errors.New("the record has no id: it needs one of 1 to 32 letters and digits")
		}
		return "", fmt.Errorf("the id %.80q of the record is not valid: it must have 1 to 32 letters and digits", id)
	}
	return id, nil
}

// fetch gets the file. There are no redirects, and the server must have a
// certificate for its name (RFC 8461, section 3.3).
func fetch(ctx context.Context, m host.Reader, server string, o Options) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	there := MX{Name: server}
	for _, kind := range []uint16{resolve.A, resolve.AAAA} {
		switch a := o.resolver(m).Ask(ctx, server, kind).(type) {
		case resolve.Unknown:
			return "", a
		case resolve.Records:
			there.Addresses = append(there.Addresses, a.Values[:min(len(a.Values), maxAddresses)]...)
		}
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return there.Dial(m)(ctx, network, addr)
		},
		TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}, MaxResponseHeaderBytes: maxPolicy, DisableKeepAlives: true,
	}
	client := http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+server+"/.well-known/mta-sts.txt", nil)
	if err != nil {
		return "", err
	}
	r, err := client.Do(q)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return "", fmt.Errorf("fetching it from %s: %w", server, err)
	}
	defer func() { _ = r.Body.Close() }()
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case r.StatusCode/100 == 3:
		return "", fmt.Errorf("%s redirects, which senders do not follow", server)
	case r.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s answers %d", server, r.StatusCode)
	case kind != "text/plain":
		return "", fmt.Errorf("%s sends it as %.40q, not as text/plain", server, kind)
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxPolicy+1))
	if err == nil && len(b) > maxPolicy {
		err = fmt.Errorf("%s sends more than %d KiB", server, maxPolicy>>10)
	}
	return string(b), err
}

// ParsePolicy reads the file (RFC 8461, section 3.2).
func ParsePolicy(text string) (*Policy, error) {
	p := &Policy{MX: []string{}, MaxAge: -1}
	version := ""
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n \t"), ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(name) {
		case "version":
			if version == "" {
				version = value
			}
		case "mode":
			if p.Mode == "" {
				p.Mode = value
			}
		case "max_age":
			if p.MaxAge >= 0 {
				continue
			}
			n, err := strconv.Atoi(value)
			if err != nil || !digits(value) || n > maxMaxAge {
				return nil, fmt.Errorf("max_age %.40q is not a number of seconds up to %d", value, maxMaxAge)
			}
			p.MaxAge = n
		case "mx":
			if p.MX = append(p.MX, strings.ToLower(value)); len(p.MX) > maxPatterns {
				return nil, fmt.Errorf("more than %d mx lines", maxPatterns)
			}
		}
	}
	switch {
	case version != "STSv1":
		return nil, errors.New("it lacks the line version: STSv1")
	case p.Mode != Enforce && p.Mode != Testing && p.Mode != Off:
		return nil, fmt.Errorf("mode %.40q is not enforce, testing or none", p.Mode)
	case p.MaxAge < 0:
		return nil, errors.New("it has no max_age")
	case len(p.MX) == 0 && p.Mode != Off:
		return nil, errors.New("it lists no mx")
	}
	return p, nil
}

// Unannounced reports whether the policy differs from the one seen earlier while the id is
// the same: senders that have the earlier one do not fetch it again (RFC 8461, section 3.1).
func (s STS) Unannounced(earlier STS) bool {
	if s.Policy == nil || earlier.Policy == nil || s.ID == "" || s.ID != earlier.ID {
		return false
	}
	a, b := s.Policy, earlier.Policy
	set := func(mx []string) []string { return slices.Compact(slices.Sorted(slices.Values(mx))) }
	return a.Mode != b.Mode || a.MaxAge != b.MaxAge || !slices.Equal(set(a.MX), set(b.MX))
}

// Almost says in brackets which mx line names a server but for a final dot, with which
// senders find no server; empty if none does.
func (p *Policy) Almost(server string) string {
	for _, pattern := range p.MX {
		if undotted, ok := strings.CutSuffix(pattern, "."); ok && (&Policy{MX: []string{undotted}}).Names(server) {
			return " (mx: " + pattern + " ends with a dot)"
		}
	}
	return ""
}

// Names reports whether a policy names a server (RFC 8461, section 4.1): a star
// stands for one label.
func (p *Policy) Names(server string) bool {
	server = strings.ToLower(strings.TrimSuffix(server, "."))
	for _, pattern := range p.MX {
		if pattern == server {
			return true
		}
		if rest, ok := strings.CutPrefix(pattern, "*."); ok {
			if label, parent, ok := strings.Cut(server, "."); ok && label != "" && parent == rest {
				return true
			}
		}
	}
	return false
}
