package policy

import (
	"context"
	"strings"
	"time"

	"postseal/internal/detect"
	"postseal/internal/host"
)

// Holdup is the messages for one destination that wait in the queue because of TLS, for
// one reason.
type Holdup struct {
	Domain   string `json:"domain"`
	Reason   string `json:"reason"`
	Messages int    `json:"messages"`
	// Arrived is when the oldest of them came, Bounces when Postfix returns it, if nothing
	// changes (maximal_queue_lifetime).
	Arrived time.Time `json:"arrived"`
	Bounces time.Time `json:"bounces"`
}

// Holdups asks for all messages that wait because of TLS; those that are returned soonest
// come first.
func Holdups(ctx context.Context, m host.Reader, f *detect.Facts) ([]Holdup, error) {
	held, err := Queue(ctx, m, f, func(string, string) bool { return true })
	if err != nil {
		return nil, err
	}
	type key struct{ domain, cause string }
	out, at := []Holdup{}, map[key]int{}
	for _, h := range held { // the oldest first
		if !h.ByTLS {
			continue
		}
		k := key{h.Domain, cause(h.Reason)}
		i, known := at[k]
		if !known {
			i = len(out)
			at[k], out = i, append(out, Holdup{Domain: h.Domain, Reason: h.Reason, Arrived: h.Arrived, Bounces: h.Bounces})
		}
		out[i].Messages++
	}
	return out, nil
}

// cause is a reason without the server that gave it: a destination has several.
func cause(reason string) string {
	before, after, ok := strings.Cut(reason, "[")
	if !ok {
		return reason
	}
	_, after, _ = strings.Cut(after, "]")
	return before[:strings.LastIndex(before, " ")+1] + after
}
