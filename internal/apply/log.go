package apply

import (
	"fmt"
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
	"Invalid TLS", "invalid TLS", "invalid cipher grade", "invalid \"-o", "fatal: ", "panic: ",
}

// readLog looks at what Postfix has logged since the mark. A line that says
// that TLS is broken is an error; other warnings about TLS are kept for the
// receipt.
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
	for _, l := range lines {
		_, text, ok := strings.Cut(l, "]: ")
		if !ok || !strings.Contains(l, "postfix") && !strings.Contains(l, "/smtpd[") {
			continue
		}
		for _, b := range broken {
			if strings.Contains(text, b) {
				return done(hint.New(fmt.Sprintf("Postfix logged: %.300s", text), "the line is in "+t.o.LogPath))
			}
		}
		if strings.HasPrefix(text, "warning: ") && strings.Contains(text, "TLS") && !strings.Contains(text, "TLS library problem") {
			t.Warnings = append(t.Warnings, fmt.Sprintf("%.300s", text))
		}
	}
	return done(nil)
}

// logSince reads the log from an offset on. A log that has become shorter was
// rotated and is read from its start.
func (t *transaction) logSince(mark int64) ([]string, error) {
	data, err := t.m.ReadTail(t.o.LogPath, mark)
	if err != nil {
		return nil, err
	}
	return strings.Split(string(data), "\n"), nil
}
