package apply

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"postseal/internal/hint"
)

// markLog notes how long Postfix's log is now, or, of the journal, what time it
// is. -1 means that there is no log that can be read.
func (t *transaction) markLog() int64 {
	if t.o.LogPath == "" && t.o.Journal {
		return t.m.Now().Unix()
	}
	if t.o.LogPath == "" {
		return -1
	}
	st, err := t.m.Stat(t.o.LogPath)
	if err != nil {
		return -1
	}
	return st.Size
}

// broken are words with which Postfix says that TLS does not work; the lines
// come once, when the first process starts (research in postconf(5) and
// TLS_README: none of them shows in postfix check).
var broken = []string{
	"disabling TLS support", "TLS will be disabled", "error opening chain file", "cannot load", "cannot get", "No server certs available",
	"Invalid TLS", "invalid TLS", "invalid cipher grade", "invalid \"-o",
}

// readLog looks at what Postfix has logged since the mark. A line that says
// that TLS is broken is an error, unless it came before the change too; other
// warnings about TLS are kept for the receipt. It returns whether there was a log.
func (t *transaction) readLog(ctx context.Context, mark int64) (read bool, err error) {
	done := t.step("read Postfix's log")
	if mark < 0 {
		t.event(Event{Step: "read Postfix's log", State: Noted, Text: "no log file that can be read"})
		return false, nil
	}
	lines, err := t.logSince(ctx, mark)
	if err != nil {
		t.event(Event{Step: "read Postfix's log", State: Noted, Text: err.Error()})
		return false, nil //nolint:nilerr // the handshakes have proved it; the log is a second witness
	}
	for _, l := range lines {
		text := l.text
		switch {
		case isBroken(text) && t.oldTroubles[text]:
			t.Warnings = append(t.Warnings, fmt.Sprintf("as before the change: %.300s", text))
		case isBroken(text):
			return true, done(hint.New(fmt.Sprintf("Postfix logged: %.300s", text), "the line is in "+t.logName()))
		case strings.HasPrefix(text, "warning: ") && strings.Contains(text, "TLS") && !strings.Contains(text, "TLS library problem"):
			t.Warnings = append(t.Warnings, fmt.Sprintf("%.300s", text))
		}
	}
	slices.Sort(t.Warnings)
	t.Warnings = slices.Compact(t.Warnings)
	return true, done(nil)
}

// isBroken looks only at what Postfix says of itself. A line that names a
// client or a server may hold that one's words.
func isBroken(text string) bool {
	kind, rest, ok := strings.Cut(text, ": ")
	switch {
	case !ok || peer.MatchString(text):
		return false
	case kind == "fatal" || kind == "panic":
		return true
	}
	return (kind == "warning" || kind == "error") && slices.ContainsFunc(broken, func(b string) bool { return strings.Contains(rest, b) })
}

// peer is an address in brackets, as Postfix writes it after a name.
var peer = regexp.MustCompile(`\[[0-9A-Fa-f.:]+\]|\[unknown\]|from <|to=<|from=<`)

// noteTroubles remembers what Postfix complains of before anything has changed.
func (t *transaction) noteTroubles(ctx context.Context, mark int64) {
	t.oldTroubles = map[string]bool{}
	if mark < 0 {
		return
	}
	lines, _ := t.logSince(ctx, mark) // a log that cannot be read excuses nothing
	for _, l := range lines {
		if isBroken(l.text) {
			t.oldTroubles[l.text] = true
		}
	}
}

// logLine is a line of Postfix's log: its time as it stands there, the program
// that wrote it, and what it says.
type logLine struct{ stamp, program, text string }

// when is the time of a line that was written before now: as syslog has always
// written it, without a year (RFC 3164 section 4.1.2), or by RFC 3339. A line with
// neither may be of now.
func (l logLine) when(now time.Time) time.Time {
	if word, _, ok := strings.Cut(l.stamp, " "); ok {
		if t, err := time.Parse(time.RFC3339, word); err == nil {
			return t
		}
	}
	t, err := time.ParseInLocation(time.Stamp, fmt.Sprintf("%.15s", l.stamp), now.Location())
	if err != nil {
		return now
	}
	if t = t.AddDate(now.Year(), 0, 0); t.After(now.AddDate(0, 0, 1)) {
		t = t.AddDate(-1, 0, 0)
	}
	return t
}

// logSince returns what Postfix logged from an offset on. A log that has become
// shorter was rotated and is read from its start.
func (t *transaction) logSince(ctx context.Context, mark int64) ([]logLine, error) {
	data, err := t.logText(ctx, mark)
	if err != nil {
		return nil, err
	}
	return ofPostfix(data), nil
}

// ofPostfix are the lines of a log that Postfix wrote.
func ofPostfix(log string) (out []logLine) {
	for _, l := range strings.Split(log, "\n") {
		if head, text, ok := strings.Cut(l, "]: "); ok && (strings.Contains(l, "postfix") || strings.Contains(l, "/smtpd[")) {
			head, _, _ = strings.Cut(head, "[")
			out = append(out, logLine{head, head[strings.LastIndexAny(head, " /")+1:], text})
		}
	}
	return out
}

// logText is the log as it stands, from the mark on.
func (t *transaction) logText(ctx context.Context, mark int64) (string, error) {
	if t.o.LogPath != "" {
		data, err := t.m.ReadTail(t.o.LogPath, mark)
		return string(data), err
	}
	o, err := t.m.Run(ctx, "journalctl", "--no-pager", "--quiet", "--output=short", fmt.Sprintf("--since=@%d", mark), "SYSLOG_FACILITY=2") // mail
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("journalctl ended with %d: %.200s", o.Code, o.Stderr)
	}
	return o.Stdout, err
}

// logName is where a person finds the log.
func (t *transaction) logName() string {
	if t.o.LogPath != "" {
		return t.o.LogPath
	}
	return "the journal: journalctl SYSLOG_FACILITY=2"
}
