package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"postseal/internal/maillog"
)

// broken are words with which Postfix says that TLS does not work; the lines
// come once, when the first process starts (research in postconf(5) and
// TLS_README: none of them shows in postfix check).
var broken = []string{
	"disabling TLS support", "TLS will be disabled", "error opening chain file", "cannot load", "cannot get", "No server certs available",
	"Invalid TLS", "invalid TLS", "invalid cipher grade", "invalid \"-o",
}

// readLog looks at what Postfix has logged since the mark. Nothing in it decides: any
// local account can write such lines, and what counts is what the listeners show. It
// returns whether there was a log, and lines that say that TLS is broken and did not
// come before the change too. These and other warnings about TLS are kept for the
// receipt.
func (t *transaction) readLog(ctx context.Context, mark maillog.Mark) (read bool, alarms []alarm) {
	const step = "read Postfix's log"
	done := t.step(step)
	if !mark.Readable() {
		why := "no log file that can be read"
		if t.o.Log.Path == "" && t.o.Log.Why != "" {
			why = t.o.Log.Why
		}
		t.event(Event{Step: step, State: Noted, Text: why})
		return false, nil
	}
	var lines []maillog.Line
	_, err := t.eachRead(ctx, mark, func(more []maillog.Line) { lines = append(lines, more...) })
	if err != nil {
		t.event(Event{Step: step, State: Noted, Text: err.Error()})
	}
	if err != nil && !errors.Is(err, errMuch) {
		return false, nil
	}
	for _, l := range lines {
		text := fmt.Sprintf("%.300s", l.Text)
		switch {
		case slices.Contains(commands, l.Program): // as in Tally
		case isBroken(l.Text) && t.oldTroubles[l.Text]:
			t.Warnings = append(t.Warnings, "as before the change: "+text)
		case isBroken(l.Text):
			alarms = append(alarms, alarm{l.Program, text})
			t.Warnings = append(t.Warnings, text)
		case strings.HasPrefix(l.Text, "warning: ") && strings.Contains(l.Text, "TLS") && !strings.Contains(l.Text, "TLS library problem"):
			t.Warnings = append(t.Warnings, text)
		}
	}
	slices.Sort(t.Warnings)
	t.Warnings = slices.Compact(t.Warnings)
	slices.SortFunc(alarms, func(a, b alarm) int {
		return cmp.Or(strings.Compare(a.text, b.text), strings.Compare(a.program, b.program))
	})
	alarms = slices.Compact(alarms)
	if len(alarms) > 0 {
		t.event(Event{Step: step, State: Noted, Text: t.logged(alarms)})
		return true, alarms
	}
	if err == nil {
		_ = done(nil)
	}
	return true, nil
}

// alarm is a line with which a program of Postfix says that TLS is broken.
type alarm struct{ program, text string }

// maxAlarms is how many lines of the log are repeated in a message.
const maxAlarms = 5

// logged says what Postfix has logged, and where.
func (t *transaction) logged(alarms []alarm) string {
	var texts []string
	for _, a := range alarms {
		if !slices.Contains(texts, a.text) {
			texts = append(texts, a.text)
		}
	}
	more := ""
	if len(texts) > maxAlarms {
		texts, more = texts[:maxAlarms], fmt.Sprintf(", and %d more lines", len(texts)-maxAlarms)
	}
	return fmt.Sprintf("Postfix logged: %s%s (see %s)", strings.Join(texts, "; "), more, t.o.Log)
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
func (t *transaction) noteTroubles(ctx context.Context, mark maillog.Mark) {
	t.oldTroubles = map[string]bool{}
	if !mark.Readable() {
		return
	}
	_, _ = t.eachRead(ctx, mark, func(lines []maillog.Line) { // a log that cannot be read excuses nothing
		for _, l := range lines {
			if isBroken(l.Text) {
				t.oldTroubles[l.Text] = true
			}
		}
	})
}
