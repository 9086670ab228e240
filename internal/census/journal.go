package census

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/maillog"
)

// window is how many entries of the journal are put in the order in which they were
// written. The journal's own order is that in which it took them.
const window = 4096

// journal counts systemd's journal.
func (r *reading) journal(ctx context.Context) (*tally, error) {
	t := newTally(r.settings, clock{now: r.m.Now()})
	var held []maillog.Entry
	var line []byte
	give := func(n int) {
		slices.SortStableFunc(held, func(a, b maillog.Entry) int { return a.When.Compare(b.When) })
		for _, e := range held[:n] {
			line = append(appendEntry(line[:0], e), '\n')
			t.scan(line)
		}
		held = slices.Delete(held, 0, n)
	}
	mark := maillog.Mark{}
	if !r.Since.IsZero() {
		mark.Offset = r.Since.Unix()
	}
	var read int64
	_, err := r.Log.Entries(ctx, r.m, mark, func(e maillog.Entry) {
		if held = append(held, e); len(held) >= window {
			give(window / 2)
		}
		if read++; r.Progress != nil && read%1000 == 0 {
			r.Progress(read, 0)
		}
	})
	give(len(held))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && t.lines == 0 {
		return nil, err
	}
	if err != nil {
		r.trouble("%v: what comes before that was counted", err)
	}
	r.sources = append(r.sources, r.Log.String())
	return t, nil
}

// appendEntry writes an entry as a line of a file. A tag or a text that would make more
// of it does not.
func appendEntry(b []byte, e maillog.Entry) []byte {
	if strings.ContainsAny(e.Tag, " []:\n") || e.PID <= 0 {
		return b
	}
	b = e.When.AppendFormat(b, time.RFC3339)
	b = append(append(b, " journal "...), e.Tag...)
	b = append(strconv.AppendInt(append(b, '['), int64(e.PID), 10), "]: "...)
	for i := range len(e.Text) {
		c := e.Text[i]
		if c == '\n' {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}
