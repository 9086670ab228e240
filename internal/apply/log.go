package apply

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"postseal/internal/hint"
)

// markLog notes how long Postfix's log is now. -1 means that it cannot be read.
func (t *transaction) markLog() int64 {
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
// warnings about TLS are kept for the receipt.
func (t *transaction) readLog(mark int64) error {
	done := t.step("read Postfix's log")
	if mark < 0 {
		t.event(Event{Step: "read Postfix's log", State: Noted, Text: "no log file that can be read"})
		return nil
	}
	lines, err := t.logSince(mark)
	if err != nil {
		t.event(Event{Step: "read Postfix's log", State: Noted, Text: err.Error()})
		return nil //nolint:nilerr // the handshakes have proved it; the log is a second witness
	}
	for _, text := range lines {
		switch {
		case isBroken(text) && t.oldTroubles[text]:
			t.Warnings = append(t.Warnings, fmt.Sprintf("as before the change: %.300s", text))
		case isBroken(text):
			return done(hint.New(fmt.Sprintf("Postfix logged: %.300s", text), "the line is in "+t.o.LogPath))
		case strings.HasPrefix(text, "warning: ") && strings.Contains(text, "TLS") && !strings.Contains(text, "TLS library problem"):
			t.Warnings = append(t.Warnings, fmt.Sprintf("%.300s", text))
		}
	}
	slices.Sort(t.Warnings)
	t.Warnings = slices.Compact(t.Warnings)
	return done(nil)
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
func (t *transaction) noteTroubles(mark int64) {
	t.oldTroubles = map[string]bool{}
	if mark < 0 {
		return
	}
	lines, _ := t.logSince(mark) // a log that cannot be read excuses nothing
	for _, text := range lines {
		if isBroken(text) {
			t.oldTroubles[text] = true
		}
	}
}

// logSince returns what Postfix logged from an offset on, without time and
// process. A log that has become shorter was rotated and is read from its start.
func (t *transaction) logSince(mark int64) ([]string, error) {
	data, err := t.m.ReadTail(t.o.LogPath, mark)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, l := range strings.Split(string(data), "\n") {
		if _, text, ok := strings.Cut(l, "]: "); ok && (strings.Contains(l, "postfix") || strings.Contains(l, "/smtpd[")) {
			out = append(out, text)
		}
	}
	return out, nil
}
