package domain

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"postseal/internal/host"
	"postseal/internal/resolve"
)

// Reports holds the addresses to which a domain wants reports of TLS failures (RFC 8460).
type Reports struct {
	Record string `json:"record,omitempty"`
	// To are the addresses: mailto: or https:.
	To      []string `json:"to"`
	Problem string   `json:"problem,omitempty"`
}

// LookReports looks the record up.
func LookReports(ctx context.Context, m host.Reader, name, resolver string) Reports {
	r := Reports{To: []string{}}
	text, several, err := record(ctx, m, resolver, "_smtp._tls."+name, "v=TLSRPTv1")
	switch {
	case err != nil:
		r.Problem = err.Error()
	case several:
		r.Problem = "there are several TLSRPT TXT records, so senders ignore them"
	case text != "":
		r.Record = text
		to, err := ParseReports(text)
		if err != nil {
			r.Problem = err.Error()
			break
		}
		r.To = to
	}
	return r
}

// IsAddress reports whether reports can be sent to a mail address: it stands in a mailto:
// URI, and what has a meaning in there would have to be encoded (RFC 8460, section 3).
func IsAddress(text string) bool {
	local, name, ok := strings.Cut(text, "@")
	return ok && local != "" && len(text) < 200 && strings.Contains(name, ".") && resolve.IsName(name) && !strings.ContainsFunc(local+name, func(c rune) bool {
		return c > '~' || c <= ' ' || strings.ContainsRune("!,;:?&=%#/\"\\<>()[]@", c)
	})
}

// ParseReports returns the addresses of a record (RFC 8460, section 3).
func ParseReports(text string) ([]string, error) {
	f := fields(text)
	if f["v"] != "TLSRPTv1" {
		return nil, fmt.Errorf("%.80q is not a TLSRPT record", text)
	}
	var out []string
	for to := range strings.SplitSeq(f["rua"], ",") {
		to = strings.TrimSpace(to)
		u, err := url.Parse(to)
		if err != nil || u.Scheme != "mailto" && u.Scheme != "https" || u.Scheme == "mailto" && !strings.Contains(u.Opaque, "@") || u.Scheme == "https" && u.Host == "" {
			return nil, fmt.Errorf("rua %.80q is not a mailto: or https: address", to)
		}
		out = append(out, to)
	}
	return out, nil
}
