package maillog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"postseal/internal/host"
)

// entry is one entry of `journalctl --output=json`. The fields with an underscore are the
// journal's own and cannot be chosen by the sender (systemd.journal-fields(7)).
type entry struct {
	Message    any    `json:"MESSAGE"`
	Identifier string `json:"SYSLOG_IDENTIFIER"`
	SyslogPID  string `json:"SYSLOG_PID"`
	PID        string `json:"_PID"`
	Time       string `json:"__REALTIME_TIMESTAMP"`
	Cursor     string `json:"__CURSOR"`
}

// selection returns the arguments with which journalctl prints what follows a mark. It
// selects the accounts itself, so that other accounts cannot fill the output with entries
// of their own. More are further fields, each after a comma.
func (s Source) selection(mark Mark, more string) ([]string, error) {
	if len(s.Accounts) == 0 {
		return nil, errors.New("reading the journal: the accounts of Postfix are not known")
	}
	args := []string{"--no-pager", "--quiet", "--all", "--output=json", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID" + more}
	if mark.Cursor != "" {
		args = append(args, "--after-cursor="+mark.Cursor)
	} else {
		args = append(args, fmt.Sprintf("--since=@%d", mark.Offset))
	}
	args = append(args, "SYSLOG_FACILITY=2") // mail
	for _, uid := range s.Accounts {
		args = append(args, fmt.Sprintf("_UID=%d", uid)) // or: matches of one field add up
	}
	return args, nil
}

// journalSince reads the journal, as much as one run of journalctl may print.
func (s Source) journalSince(ctx context.Context, m host.Reader, mark Mark) ([]Line, Mark, error) {
	args, err := s.selection(mark, "")
	if err != nil {
		return nil, mark, err
	}
	o, err := m.Run(ctx, "journalctl", args...)
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("journalctl ended with %d: %.200s", o.Code, o.Stderr)
	}
	if err != nil {
		return nil, mark, err
	}
	text := o.Stdout
	if len(text) >= host.MaxFile { // the rest was cut off, and the next read begins there
		text = text[:strings.LastIndexByte(text, '\n')+1]
		if text == "" {
			return nil, mark, fmt.Errorf("reading the journal: an entry is larger than %d MiB", host.MaxFile>>20)
		}
	}
	lines, cursor := parseJournal(text, s.Names)
	if cursor != "" {
		mark.Cursor = cursor
	}
	return lines, mark, nil
}

// parseJournal reads what journalctl prints, and returns the cursor of the last entry.
func parseJournal(text string, names []string) (out []Line, cursor string) {
	for one := range strings.Lines(text) {
		var e entry
		err := json.Unmarshal([]byte(one), &e)
		if e.Cursor != "" {
			cursor = e.Cursor
		}
		if err != nil {
			continue // a field may come as bytes, which is no name of Postfix
		}
		pid := e.PID
		if pid == "" {
			pid = e.SyslogPID
		}
		stamp := ""
		if us, err := strconv.ParseInt(e.Time, 10, 64); err == nil {
			stamp = time.UnixMicro(us).UTC().Format(time.RFC3339)
		}
		if l, ok := tagged(stamp, e.Identifier, pid, message(e.Message), names); ok {
			out = append(out, l)
		}
	}
	return out, cursor
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
