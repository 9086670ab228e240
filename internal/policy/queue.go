package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/detect"
	"postseal/internal/host"
)

// Held is a message that waits in the queue, for one recipient domain.
type Held struct {
	QueueID string    `json:"queue_id"`
	Domain  string    `json:"domain"`
	Reason  string    `json:"reason"`
	Arrived time.Time `json:"arrived"`
	// Bounces is when Postfix returns it, if nothing changes (maximal_queue_lifetime).
	Bounces time.Time `json:"bounces"`
	// ByTLS reports whether it waits because of TLS.
	ByTLS bool `json:"-"`
}

// queued is a message in the queue, as postqueue -j prints it.
type queued struct {
	QueueID    string `json:"queue_id"`
	Arrival    int64  `json:"arrival_time"`
	Recipients []struct {
		Address string `json:"address"`
		Reason  string `json:"delay_reason"`
	} `json:"recipients"`
}

// maxQueued bounds how many messages of the queue are looked at.
const maxQueued = 100000

// byTLS are the words with which Postfix defers mail because of TLS.
var byTLS = regexp.MustCompile(`(?i)\b4\.7\.[45]\b|\bTLSA?\b|STARTTLS|server certificate`)

// Queue asks for the messages that wait, and tells those apart that wait because of TLS.
// wanted reports whether a message is asked for, by its queue ID and the domain of a
// recipient.
func Queue(ctx context.Context, m host.Reader, f *detect.Facts, wanted func(id, domain string) bool) ([]Held, error) {
	o, err := m.Run(ctx, "postqueue", "-c", f.Config.Dir, "-j")
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("postqueue ended with %d: %.200s", o.Code, strings.TrimSpace(o.Stderr))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the queue: %w", err)
	}
	lifetime := Duration(f.Config.Text(nil, "maximal_queue_lifetime"), 24*time.Hour)
	type key struct {
		id, domain string
		byTLS      bool
	}
	out, known := []Held{}, map[key]bool{}
	n := 0
	for line := range strings.Lines(o.Stdout) {
		if n++; n > maxQueued {
			break
		}
		var q queued
		if json.Unmarshal([]byte(line), &q) != nil {
			continue
		}
		for _, r := range q.Recipients {
			domain := strings.ToLower(r.Address[strings.LastIndex(r.Address, "@")+1:])
			x := Held{QueueID: q.QueueID, Domain: domain, Reason: short(r.Reason), Arrived: time.Unix(q.Arrival, 0).UTC()}
			x.Bounces = x.Arrived.Add(lifetime)
			local, _, _ := strings.Cut(r.Reason, " said: ") // what follows are the words of the other server
			x.ByTLS = byTLS.MatchString(local)
			if k := (key{x.QueueID, domain, x.ByTLS}); r.Reason != "" && wanted(q.QueueID, domain) && !known[k] {
				known[k], out = true, append(out, x)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Held) int { return a.Bounces.Compare(b.Bounces) })
	return out, nil
}

// Recipients returns the domains of the recipients of one message in the queue.
func Recipients(ctx context.Context, m host.Reader, configDir, id string) (domains []string, err error) {
	o, err := m.Run(ctx, "postqueue", "-c", configDir, "-j")
	if err != nil {
		return nil, fmt.Errorf("reading the queue: %w", err)
	}
	for line := range strings.Lines(o.Stdout) {
		var q queued
		if json.Unmarshal([]byte(line), &q) != nil || q.QueueID != id {
			continue
		}
		for _, r := range q.Recipients {
			if name, ok := Name(r.Address[strings.LastIndex(r.Address, "@")+1:]); ok && !slices.Contains(domains, name) {
				domains = append(domains, name)
			}
		}
	}
	return domains, nil
}

// Duration reads a time of main.cf, such as 5d; unit is what a number alone counts.
func Duration(text string, unit time.Duration) time.Duration {
	text = strings.TrimSpace(text)
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if text != "" && units[text[len(text)-1]] > 0 {
		unit, text = units[text[len(text)-1]], text[:len(text)-1]
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 100000 {
		return 5 * 24 * time.Hour // Postfix's default
	}
	return time.Duration(n) * unit
}
