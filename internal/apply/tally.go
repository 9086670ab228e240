package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/host"
	"postseal/internal/maillog"
)

// Tally counts what Postfix's log says of TLS in some stretch of it.
type Tally struct {
	// InOK and InFailed are handshakes with clients, OutOK and OutFailed those
	// with servers. What went well is only logged from smtp_tls_loglevel 1 on.
	InOK, InFailed, OutOK, OutFailed int
	// Sent are deliveries to servers, however they went.
	Sent int
	// Deferred are deliveries that this side put off for security (status 4.7.x,
	// RFC 3463); what a server says of its own accord, such as a greylist, is none.
	Deferred int
	// Died counts daemons that ended, and how often the master held one back.
	Died int
	// Warnings are warnings about TLS on this side, each once.
	Warnings []string
	// Peers counts the failures by address.
	Peers map[string]int
	// seen are handshakes with clients by the line of each, counted the sum that
	// smtpd gives when a client leaves: of those the larger is right.
	seen, counted struct {
		ok, failed int
		peers      map[string]int
	}
	others map[string]int // failures of servers, by address
	// fine are peers of which a handshake went well, died counts by daemon, held how
	// often the master held one back.
	fine map[string]bool
	died map[string]int
	held int
}

// bracketed is an address as Postfix writes it after a name.
var bracketed = regexp.MustCompile(`\[([0-9A-Fa-f.:]+)\]`)

// Lines of which a peer's words cannot be a part (tls_misc.c, log_adhoc.c and
// master_spawn.c in the source).
var (
	established = regexp.MustCompile(`^\w+ TLS connection established (?:from|to) `)
	deferred    = regexp.MustCompile(`^[^()]*, dsn=4\.7\.\d+, status=deferred \((.*)\)$`)
	sent        = regexp.MustCompile(`^[^()]*, relay=[^ ,]+\[[0-9A-Fa-f.:]+\]:\d+, [^()]*, status=sent `)
	// smtpd.c, smtpd_format_cmd_stats: "ok", or "ok/all".
	disconnect = regexp.MustCompile(`^disconnect from \S+\[[^\]]*\](?: [a-z]+=[0-9/]+)* starttls=(\d+)(?:/(\d+))?(?: |$)`)
	throttled  = regexp.MustCompile(`^warning: \S+: bad command startup -- throttling$`)
)

// commands are the programs that people and other programs call: how one of them
// ends says nothing of the server (their pages are in section 1).
var commands = []string{
	"mailq", "newaliases", "postalias", "postcat", "postconf", "postdrop", "postfix", "postfix-script", "postkick", "postlock", "postlog", "postmap",
	"postmulti", "postqueue", "postsuper", "posttls-finger", "sendmail",
}

// maxPeers bounds what is kept of who comes.
const maxPeers = 10_000

// read counts lines.
func (t *Tally) read(lines []maillog.Line) {
	well := func(line string) {
		if m := bracketed.FindStringSubmatch(line); m != nil && len(t.fine) < maxPeers {
			if t.fine == nil {
				t.fine = map[string]bool{}
			}
			t.fine[m[1]] = true
		}
	}
	failed := func(n *int, at *map[string]int, line string) {
		*n++
		if m := bracketed.FindStringSubmatch(line); m != nil && len(*at) < maxPeers {
			if *at == nil {
				*at = map[string]int{}
			}
			(*at)[m[1]]++
		}
	}
	for _, line := range lines {
		switch l := line.Text; {
		case established.MatchString(l):
			well(l)
			if strings.Contains(established.FindString(l), " from ") {
				t.seen.ok++
			} else {
				t.OutOK++
			}
		case strings.HasPrefix(l, "SSL_accept error from "):
			failed(&t.seen.failed, &t.seen.peers, l)
		case strings.HasPrefix(l, "disconnect from "):
			ok, bad := leaves(l)
			if t.counted.ok += ok; ok > 0 {
				well(l)
			}
			for range bad {
				failed(&t.counted.failed, &t.counted.peers, l)
			}
		case strings.HasPrefix(l, "SSL_connect error to "):
			failed(&t.OutFailed, &t.others, l)
		case sent.MatchString(l):
			t.Sent++
		case deferred.MatchString(l):
			if ours(deferred.FindStringSubmatch(l)[1]) {
				failed(&t.Deferred, &t.others, l)
			}
		case throttled.MatchString(l):
			t.Died, t.held = t.Died+1, t.held+1
		case strings.HasPrefix(l, "fatal: "), strings.HasPrefix(l, "panic: "):
			if slices.Contains(commands, line.Program) {
				continue
			}
			if t.died == nil {
				t.died = map[string]int{}
			}
			t.Died, t.died[line.Program] = t.Died+1, t.died[line.Program]+1
		case strings.HasPrefix(l, "warning: ") && (strings.Contains(l, "TLS") || isBroken(l)) && !strings.Contains(l, "TLS library problem") && !peer.MatchString(l):
			if text := fmt.Sprintf("%.300s", l); !slices.Contains(t.Warnings, text) && len(t.Warnings) < 100 {
				t.Warnings = append(t.Warnings, text)
			}
		}
	}
	t.InOK, t.InFailed = max(t.seen.ok, t.counted.ok), max(t.seen.failed, t.counted.failed)
	t.Peers = maps.Clone(t.seen.peers)
	if t.Peers == nil {
		t.Peers = map[string]int{}
	}
	for peer, n := range t.counted.peers {
		t.Peers[peer] = max(t.Peers[peer], n)
	}
	for peer, n := range t.others {
		t.Peers[peer] += n
	}
}

// leaves is what smtpd counts of a client that leaves. It says so at any
// smtpd_tls_loglevel, and of a 454 it says nothing else; of TLS from the first
// byte on, and behind postscreen, it counts nothing.
func leaves(line string) (ok, failed int) {
	m := disconnect.FindStringSubmatch(line)
	if m == nil {
		return 0, 0
	}
	ok, _ = strconv.Atoi(m[1])
	if m[2] == "" {
		return ok, 0
	}
	all, _ := strconv.Atoi(m[2])
	return ok, min(max(0, all-ok), 100) // a client that tries for ever is one line
}

// ours reports whether this side put a delivery off. "host NAME[ADDR] said: ..." are
// the server's words (smtp_trouble.c); to STARTTLS it has only one answer that
// puts anything off.
func ours(reason string) bool {
	host, _, said := strings.Cut(reason, " said: ")
	return !said || !strings.HasPrefix(host, "host ") || strings.HasSuffix(reason, "(in reply to STARTTLS command)")
}

// Worst are the addresses that failed most often, n at most.
func (t Tally) Worst(n int) []string {
	all := slices.SortedFunc(maps.Keys(t.Peers), func(a, b string) int {
		return cmp.Or(t.Peers[b]-t.Peers[a], strings.Compare(a, b))
	})
	return all[:min(n, len(all))]
}

// Worse says why a tally is clearly worse than what was before, or nothing. A
// few failures are the daily noise of scanners: it takes several peers, or one that
// went well before, and a share that was not there before. Where nothing is known
// of what went well before, half of all is too much.
func (t Tally) Worse(before Tally) string {
	const many, several, more, half = 5, 3, 0.2, 0.5
	lost := len(t.Peers) >= several
	for peer, n := range t.Peers {
		lost = lost || n >= many && before.fine[peer]
	}
	dead := t.held > 0
	for daemon, n := range t.died {
		dead = dead || n > before.died[daemon]
	}
	grown := func(failed, ok, failedBefore, okBefore int) bool {
		share := float64(failed) / float64(max(1, failed+ok))
		switch {
		case failed < many || !lost:
			return false
		case okBefore == 0:
			return share >= half
		}
		return share > float64(failedBefore)/float64(failedBefore+okBefore)+more
	}
	switch {
	case dead:
		return "a Postfix daemon died"
	case slices.ContainsFunc(t.Warnings, func(w string) bool { return isBroken(w) && !slices.Contains(before.Warnings, w) }):
		return "Postfix reports that TLS does not work"
	case grown(t.InFailed, t.InOK, before.InFailed, before.InOK):
		return fmt.Sprintf("%d of %d clients fail at the handshake", t.InFailed, t.InFailed+t.InOK)
	case grown(t.OutFailed, t.outFine(), before.OutFailed, before.outFine()):
		return fmt.Sprintf("%d of %d servers fail at the handshake", t.OutFailed, t.OutFailed+t.outFine())
	case t.Deferred >= many && t.Deferred > t.outFine() && before.Deferred <= before.outFine():
		return fmt.Sprintf("%d deliveries are deferred by TLS", t.Deferred)
	}
	return ""
}

// Sending says what is wrong with what was sent, taken by itself, or nothing.
func (t Tally) Sending() string {
	return Tally{OutOK: t.OutOK, OutFailed: t.OutFailed, Sent: t.Sent, Deferred: t.Deferred, Peers: t.others}.Worse(Tally{})
}

// outFine are the handshakes with servers that went well, or, where none is
// logged, the deliveries.
func (t Tally) outFine() int {
	if t.OutOK == 0 {
		return t.Sent
	}
	return t.OutOK
}

// Follow counts a log as it grows.
type Follow struct {
	t      transaction
	mark   maillog.Mark
	Before Tally // what the log said last before
	Now    Tally
}

// before is how much of the log counts as what was before, in bytes.
const before = 1 << 20

// NewFollow begins at the end of the log that the options name. Readable is
// false if there is no log to read.
func NewFollow(ctx context.Context, m host.Reader, o Options) (f *Follow, readable bool) {
	f = &Follow{t: transaction{m: host.ReadOnly{Reader: m}, o: o, Receipt: &Receipt{}}}
	f.mark = f.t.settledLog(ctx)
	if !f.mark.Readable() {
		return f, false
	}
	f.Before = f.t.tallyBefore(ctx, f.mark, time.Time{})
	return f, true
}

// tallyBefore counts what the log said last before the mark, since then. A line that
// does not say when it was logged counts.
func (t *transaction) tallyBefore(ctx context.Context, mark maillog.Mark, since time.Time) (out Tally) {
	from := mark.Offset - before
	if t.o.Log.Path == "" {
		from = mark.Offset - 3600 // the journal goes by seconds
	}
	now := t.m.Now()
	_, _ = t.eachRead(ctx, maillog.Mark{Offset: max(0, from)}, func(lines []maillog.Line) { // as far as it can be read
		out.read(slices.DeleteFunc(lines, func(l maillog.Line) bool {
			when := l.When(now)
			return !when.IsZero() && when.Before(since)
		}))
	})
	return out
}

// settledLog is the mark of the log once what was just done is logged: the handshakes
// that proved a run, of which some were to fail, are no clients. On a server that
// never rests it is not waited for long.
func (t *transaction) settledLog(ctx context.Context) maillog.Mark {
	const pause, still, most = 50 * time.Millisecond, 5, 30
	mark := t.o.Log.Mark(t.m)
	if t.o.Log.Path == "" && mark.Readable() {
		return maillog.Mark{Offset: mark.Offset + 1} // the journal goes by seconds
	}
	for n, same := 0, 0; n < most && same < still && mark.Readable() && ctx.Err() == nil; n++ {
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		now := t.o.Log.Mark(t.m)
		if same++; now != mark {
			same = 0
		}
		mark = now
	}
	return mark
}

// Poll counts what has come since, and of warnings those that were not there
// before. What is too much for one Poll is left to the next.
func (f *Follow) Poll(ctx context.Context) (err error) {
	f.mark, err = f.t.eachRead(ctx, f.mark, f.count)
	if errors.Is(err, errMuch) {
		return nil
	}
	return err
}

// maxReads bounds how much of a log is taken at a time, by the size of one read.
const maxReads = 16

// errMuch is the error of a log of which a part was not read.
var errMuch = fmt.Errorf("more than %d MiB were logged; the rest was not read", maxReads*host.MaxFile>>20)

// eachRead hands to take what was logged from a mark on, and returns the mark behind
// that. It fails with errMuch if there may be more.
func (t *transaction) eachRead(ctx context.Context, mark maillog.Mark, take func([]maillog.Line)) (maillog.Mark, error) {
	for range maxReads {
		lines, next, err := t.o.Log.Since(ctx, t.m, mark)
		if err != nil {
			return mark, err
		}
		take(lines)
		if next == mark {
			return mark, nil
		}
		mark = next
	}
	return mark, errMuch
}

func (f *Follow) count(lines []maillog.Line) {
	f.Now.read(lines)
	f.Now.Warnings = slices.DeleteFunc(f.Now.Warnings, func(w string) bool { return slices.Contains(f.Before.Warnings, w) })
}
