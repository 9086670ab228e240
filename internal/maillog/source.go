package maillog

import (
	"context"
	"strings"

	"postseal/internal/host"
)

// Source is where one Postfix instance logs to. The zero value is nowhere that can be
// read.
type Source struct {
	// Path is a file. If it is empty and Journal is set, it is systemd's journal.
	Path    string
	Journal bool
	// Why says how that is known, or, if neither is set, why there is nothing to read.
	Why string
	// Names are the values of syslog_name in main.cf and master.cf (postconf(5)); nil
	// stands for DefaultNames. Accounts are the users as which Postfix runs, root and
	// mail_owner; the journal is read for these only.
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

// Mark is a place in a log.
type Mark struct {
	// Offset is in bytes, or of the journal the time in seconds. It is negative if
	// there is no log that can be read.
	Offset int64
	// Cursor, if set, is the journal's entry after which to go on.
	Cursor string
}

// Readable reports whether there is a log to read.
func (k Mark) Readable() bool { return k.Offset >= 0 }

// Mark returns where the log ends now.
func (s Source) Mark(m host.Reader) Mark {
	if s.Path == "" {
		if s.Journal {
			return Mark{Offset: m.Now().Unix()}
		}
		return Mark{Offset: -1}
	}
	st, err := m.Stat(s.Path)
	if err != nil {
		return Mark{Offset: -1}
	}
	return Mark{Offset: st.Size}
}

// Since returns what Postfix has logged from a mark on, and the mark behind the last
// whole line. It reads at most host.MaxFile bytes: only when next is the mark it was
// given is there no more. A file that has become shorter was rotated and is read from
// its start. The journal's entries without an account (_UID) are not read: nothing
// tells that they are Postfix's.
func (s Source) Since(ctx context.Context, m host.Reader, mark Mark) (lines []Line, next Mark, err error) {
	s.Names = s.names()
	if s.Path == "" {
		return s.journalSince(ctx, m, mark)
	}
	if st, err := m.Stat(s.Path); err == nil && st.Size < mark.Offset {
		mark.Offset = 0
	}
	data, err := m.ReadTail(s.Path, mark.Offset)
	if err != nil {
		return nil, mark, err
	}
	text := string(data)
	whole := text[:strings.LastIndexByte(text, '\n')+1]
	if whole == "" && len(text) >= host.MaxFile {
		whole = text // no line of syslog, and nothing to stop at
	}
	return ParseAll(whole, s.Names), Mark{Offset: mark.Offset + int64(len(whole))}, nil
}

// String is where a person finds the log.
func (s Source) String() string {
	switch {
	case s.Path != "":
		return s.Path
	case !s.Journal && s.Why != "":
		return s.Why
	}
	return "journalctl SYSLOG_FACILITY=2"
}
