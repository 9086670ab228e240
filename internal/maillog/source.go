package maillog

import (
	"context"
	"fmt"
	"strings"

	"postseal/internal/host"
)

// Source is where one Postfix instance logs to. The zero value is nowhere that can be
// read.
type Source struct {
	// Path is a file. If it is empty and Journal is set, it is systemd's journal.
	Path    string
	Journal bool
	// Names are the values of syslog_name in main.cf and master.cf (postconf(5)); nil
	// stands for DefaultNames. Accounts are the users as which Postfix runs: root and
	// mail_owner.
	Names    []string
	Accounts []int
}

// names are the names that count.
func (s Source) names() []string {
	if s.Names == nil {
		return DefaultNames
	}
	return s.Names
}

// Mark is where the log ends now: an offset in bytes, or of the journal the time in
// seconds. It is -1 if there is no log that can be read.
func (s Source) Mark(m host.Reader) int64 {
	if s.Path == "" {
		if s.Journal {
			return m.Now().Unix()
		}
		return -1
	}
	st, err := m.Stat(s.Path)
	if err != nil {
		return -1
	}
	return st.Size
}

// Since returns what Postfix has logged from a mark on, at most host.MaxFile bytes of
// it, and the mark behind the last whole line. A file that has become shorter was
// rotated and is read from its start. The journal goes by whole seconds, and its mark
// does not move.
func (s Source) Since(ctx context.Context, m host.Reader, mark int64) (lines []Line, next int64, err error) {
	s.Names = s.names()
	if s.Path != "" {
		if st, err := m.Stat(s.Path); err == nil && st.Size < mark {
			mark = 0
		}
		data, err := m.ReadTail(s.Path, mark)
		if err != nil {
			return nil, mark, err
		}
		text := string(data)
		whole := text[:strings.LastIndexByte(text, '\n')+1]
		return ParseAll(text, s.Names), mark + int64(len(whole)), nil
	}
	o, err := m.Run(ctx, "journalctl", "--no-pager", "--quiet", "--all", "--output=json",
		"--output-fields=MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_UID", fmt.Sprintf("--since=@%d", mark), "SYSLOG_FACILITY=2") // mail
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("journalctl ended with %d: %.200s", o.Code, o.Stderr)
	}
	return parseJournal(o.Stdout, s), mark, err
}

// String is where a person finds the log.
func (s Source) String() string {
	if s.Path != "" {
		return s.Path
	}
	return "the journal: journalctl SYSLOG_FACILITY=2"
}
