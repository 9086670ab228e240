package maillog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"postseal/internal/host"
)

// Entry is an entry of the journal that an account of Postfix has written.
type Entry struct {
	// When is the time at which the program wrote it, which may differ from the journal's
	// order.
	When time.Time
	// Tag is the name that the program gave, Text what it says. Both may be of any form.
	Tag, Text string
	PID       int
	Cursor    string
}

// maxEntry bounds the JSON of an entry, in bytes. Postfix's lines have 2000 at most.
const maxEntry = 1 << 20

// Entries hands to take what the journal has after a mark, of any length, and returns the
// mark behind that. An entry that is too long or has no form is left out.
func (s Source) Entries(ctx context.Context, m host.Reader, mark Mark, take func(Entry)) (Mark, error) {
	args, err := s.selection(mark, ",_SOURCE_REALTIME_TIMESTAMP")
	if err != nil {
		return mark, err
	}
	err = m.Stream(ctx, func(r io.Reader) error {
		lines := bufio.NewReaderSize(r, maxEntry)
		for {
			one, err := lines.ReadSlice('\n')
			for errors.Is(err, bufio.ErrBufferFull) {
				one = nil
				_, err = lines.ReadSlice('\n')
			}
			if e, ok := readEntry(one); ok {
				mark.Cursor = e.Cursor
				take(e)
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}, "journalctl", args...)
	return mark, err
}

// readEntry reads an entry in JSON.
func readEntry(one []byte) (Entry, bool) {
	var e struct {
		entry
		Source string `json:"_SOURCE_REALTIME_TIMESTAMP"`
	}
	if len(one) == 0 || json.Unmarshal(one, &e) != nil {
		return Entry{}, false
	}
	out := Entry{Tag: e.Identifier, Text: message(e.Message), Cursor: e.Cursor}
	for _, pid := range []string{e.PID, e.SyslogPID} {
		if n, err := strconv.Atoi(pid); err == nil && out.PID == 0 {
			out.PID = n
		}
	}
	for _, stamp := range []string{e.Source, e.Time} {
		if us, err := strconv.ParseInt(stamp, 10, 64); err == nil && out.When.IsZero() {
			out.When = time.UnixMicro(us).UTC()
		}
	}
	return out, !out.When.IsZero()
}
