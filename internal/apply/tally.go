package apply

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"postseal/internal/host"
)

// Tally counts what Postfix's log says of TLS in some stretch of it.
type Tally struct {
	// InOK and InFailed are handshakes with clients, OutOK and OutFailed those
	// with servers.
	InOK, InFailed, OutOK, OutFailed int
	// Deferred are deliveries put off for security (status 4.7.x, RFC 3463).
	Deferred int
	// Died are daemons that ended, or that the master holds back.
	Died int
	// Warnings are warnings about TLS on this side, each once.
	Warnings []string
	// Peers counts the failures by address.
	Peers map[string]int
}

// bracketed is an address as Postfix writes it after a name.
var bracketed = regexp.MustCompile(`\[([0-9A-Fa-f.:]+)\]`)

// Lines of which a peer's words cannot be a part (tls_misc.c, log_adhoc.c and
// master_spawn.c in the source).
var (
	established = regexp.MustCompile(`^\w+ TLS connection established (?:from|to) `)
	deferred    = regexp.MustCompile(`^[^()]*, dsn=4\.7\.\d+, status=deferred `)
	throttled   = regexp.MustCompile(`^warning: \S+: bad command startup -- throttling$`)
)

// read counts lines, as logSince returns them.
func (t *Tally) read(lines []string) {
	if t.Peers == nil {
		t.Peers = map[string]int{}
	}
	failed := func(n *int, line string) {
		*n++
		if m := bracketed.FindStringSubmatch(line); m != nil && len(t.Peers) < 10_000 {
			t.Peers[m[1]]++
		}
	}
	for _, l := range lines {
		switch {
		case established.MatchString(l):
			if strings.Contains(established.FindString(l), " from ") {
				t.InOK++
			} else {
				t.OutOK++
			}
		case strings.HasPrefix(l, "SSL_accept error from "):
			failed(&t.InFailed, l)
		case strings.HasPrefix(l, "SSL_connect error to "):
			failed(&t.OutFailed, l)
		case deferred.MatchString(l):
			failed(&t.Deferred, l)
		case strings.HasPrefix(l, "fatal: "), strings.HasPrefix(l, "panic: "), throttled.MatchString(l):
			t.Died++
		case strings.HasPrefix(l, "warning: ") && (strings.Contains(l, "TLS") || isBroken(l)) && !strings.Contains(l, "TLS library problem") && !peer.MatchString(l):
			if text := fmt.Sprintf("%.300s", l); !slices.Contains(t.Warnings, text) && len(t.Warnings) < 100 {
				t.Warnings = append(t.Warnings, text)
			}
		}
	}
}

// Worst are the addresses that failed most often, n at most.
func (t Tally) Worst(n int) []string {
	all := slices.SortedFunc(maps.Keys(t.Peers), func(a, b string) int {
		return cmp.Or(t.Peers[b]-t.Peers[a], strings.Compare(a, b))
	})
	return all[:min(n, len(all))]
}

// Worse says why a tally is clearly worse than what was before, or nothing. A
// few failures are the daily noise of scanners: it takes several peers, and a
// share that was not there before.
func (t Tally) Worse(before Tally) string {
	share := func(failed, ok int) float64 { return float64(failed) / float64(max(1, failed+ok)) }
	const many, more = 5, 0.2
	switch {
	case t.Died > before.Died: // a program that users call dies now and then too
		return "a daemon of Postfix died"
	case slices.ContainsFunc(t.Warnings, func(w string) bool { return isBroken(w) && !slices.Contains(before.Warnings, w) }):
		return "Postfix says that TLS does not work"
	case t.InFailed >= many && len(t.Peers) >= 3 && share(t.InFailed, t.InOK) > share(before.InFailed, before.InOK)+more:
		return fmt.Sprintf("%d of %d clients fail at the handshake", t.InFailed, t.InFailed+t.InOK)
	case t.OutFailed >= many && len(t.Peers) >= 3 && share(t.OutFailed, t.OutOK) > share(before.OutFailed, before.OutOK)+more:
		return fmt.Sprintf("%d of %d servers fail at the handshake", t.OutFailed, t.OutFailed+t.OutOK)
	case t.Deferred >= many && t.Deferred > t.OutOK && before.Deferred <= before.OutOK:
		return fmt.Sprintf("%d deliveries are put off for security", t.Deferred)
	}
	return ""
}

// Follow counts a log as it grows.
type Follow struct {
	t      transaction
	mark   int64
	Before Tally // what the log said last before
	Now    Tally
}

// before is how much of the log counts as what was before, in bytes.
const before = 1 << 20

// NewFollow begins at the end of the log that the options name. Readable is
// false if there is no log to read.
func NewFollow(ctx context.Context, m host.Reader, o Options) (f *Follow, readable bool) {
	f = &Follow{t: transaction{m: host.ReadOnly{Reader: m}, o: o, Receipt: &Receipt{}}}
	f.mark = f.t.markLog()
	if f.mark < 0 {
		return f, false
	}
	from := f.mark - before
	if o.LogPath == "" {
		from = f.mark - 3600 // the journal goes by seconds
	}
	if lines, err := f.t.logSince(ctx, max(0, from)); err == nil {
		f.Before.read(lines)
	}
	return f, true
}

// Poll counts again from where it began. Of a log that grew beyond what is read
// at once, only the first part counts.
func (f *Follow) Poll(ctx context.Context) error {
	lines, err := f.t.logSince(ctx, f.mark)
	if err != nil {
		return err
	}
	f.Now = Tally{}
	f.Now.read(lines)
	return nil
}
