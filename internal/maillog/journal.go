package maillog

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// entry is one entry of `journalctl --output=json`. The fields with an underscore are the
// journal's own and cannot be chosen by the sender (systemd.journal-fields(7)).
type entry struct {
	Message    any    `json:"MESSAGE"`
	Identifier string `json:"SYSLOG_IDENTIFIER"`
	SyslogPID  string `json:"SYSLOG_PID"`
	PID        string `json:"_PID"`
	UID        string `json:"_UID"`
	Time       string `json:"__REALTIME_TIMESTAMP"`
}

// parseJournal reads what journalctl prints. Lines of accounts other than those of
// Postfix are left out; of a line that came from another machine, or another logger,
// the journal knows no account, and only its form counts.
func parseJournal(text string, s Source) (out []Line) {
	for one := range strings.Lines(text) {
		var e entry
		if json.Unmarshal([]byte(one), &e) != nil {
			continue // a field may come as bytes, which is no name of Postfix
		}
		if uid, err := strconv.Atoi(e.UID); err == nil && !slices.Contains(s.Accounts, uid) {
			continue
		}
		pid := e.PID
		if pid == "" {
			pid = e.SyslogPID
		}
		stamp := ""
		if us, err := strconv.ParseInt(e.Time, 10, 64); err == nil {
			stamp = time.UnixMicro(us).UTC().Format(time.RFC3339)
		}
		if l, ok := tagged(stamp, e.Identifier, pid, message(e.Message), s.Names); ok {
			out = append(out, l)
		}
	}
	return out
}

// message is a MESSAGE: a string, or the numbers of its bytes where it is not UTF-8.
func message(v any) string {
	switch m := v.(type) {
	case string:
		return m
	case []any:
		var b []byte
		for _, x := range m {
			if n, ok := x.(float64); ok && n >= 0 && n <= 255 {
				b = append(b, byte(n))
			}
		}
		return string(b)
	}
	return ""
}
