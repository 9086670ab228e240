// Package maillog reads what Postfix has logged, from a file or from systemd's journal.
//
// A log is testimony: many accounts can write to it, with any words. The journal knows
// which account sent a line, so that lines of others are left out there. In a file only
// the form of a line tells its sender: "postfix/smtpd[123]: " where syslog puts the name
// of the program. Every local account can imitate that, so that no line alone may
// decide anything; and what Postfix quotes of a client or a server is not its own word.
package maillog

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Line is one line of Postfix's log.
type Line struct {
	// Stamp is the time as it stands in the line.
	Stamp string
	// Program is the program that wrote it: "smtpd", also where master.cf sets a
	// syslog_name for the service (postconf(5)): "submission/smtpd".
	Program string
	PID     int
	// Text is what it says. It may hold a peer's words.
	Text string
}

// DefaultNames are the names with which Postfix begins its tags by default
// (postconf(5), syslog_name).
var DefaultNames = []string{"postfix"}

// form is a line of syslog: a time as RFC 3164 or RFC 3339 has it, the host, and the tag
// with the process. FreeBSD's syslogd may put "<mail.info>" before the tag, and
// BusyBox's always puts "mail.info" there.
var form = regexp.MustCompile(`^([A-Z][a-z]{2} [ 0-3][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.,+Z-]+) [^ \[\]]+ (?:<[a-z0-9.]+> |mail\.[a-z]+ )?([^ \[\]:]+)\[([0-9]{1,10})\]: (.*)$`)

// Parse reads one line of a file, without its line end. It reports false for a line that
// Postfix has not written under one of these names (postconf(5), syslog_name).
func Parse(line string, names []string) (Line, bool) {
	if !strings.Contains(line, "]: ") {
		return Line{}, false
	}
	m := form.FindStringSubmatch(line)
	if m == nil {
		return Line{}, false
	}
	return tagged(m[1], m[2], m[3], m[4], names)
}

// tagged makes a line of its parts, if its tag is one of Postfix's.
func tagged(stamp, tag, pid, text string, names []string) (Line, bool) {
	i := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(tag, n+"/") })
	if i < 0 {
		return Line{}, false
	}
	// A service of its own name may have another before its program: the names of
	// master.cf are not all known where a log is older than the file.
	service := strings.TrimPrefix(tag, names[i]+"/")
	program := service[strings.LastIndexByte(service, '/')+1:]
	n, err := strconv.Atoi(pid)
	if program == "" || err != nil {
		return Line{}, false
	}
	return Line{Stamp: stamp, Program: program, PID: n, Text: text}, true
}

// ParseAll reads the lines of a text.
func ParseAll(text string, names []string) (out []Line) {
	for line := range strings.Lines(text) {
		if l, ok := Parse(strings.TrimRight(line, "\r\n"), names); ok {
			out = append(out, l)
		}
	}
	return out
}

// When is the time of a line that was written before now. The form of RFC 3164 has no
// year: it is the last such day. The result is the zero time if the line does not say.
func (l Line) When(now time.Time) time.Time {
	if t, err := time.Parse(time.RFC3339, l.Stamp); err == nil {
		return t
	}
	t, err := time.ParseInLocation(time.Stamp, fmt.Sprintf("%.15s", l.Stamp), now.Location())
	if err != nil {
		return time.Time{}
	}
	if t = t.AddDate(now.Year(), 0, 0); t.After(now.AddDate(0, 0, 1)) {
		t = t.AddDate(-1, 0, 0)
	}
	return t
}
