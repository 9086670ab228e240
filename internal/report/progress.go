package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Progress is a line on a terminal that says how much of something long is done.
type Progress struct {
	w     io.Writer
	what  string
	now   func() time.Time
	mu    sync.Mutex
	next  time.Time
	shown bool
}

// NewProgress makes a line that shows nothing for the first second.
func NewProgress(w io.Writer, what string, now func() time.Time) *Progress {
	return &Progress{w: w, what: what, now: now, next: now().Add(time.Second)}
}

const barWidth = 30

// Show shows how much of all is done, some times a second. If all is 0, it is not known.
func (p *Progress) Show(done, all int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Before(p.next) {
		return
	}
	p.next, p.shown = now.Add(200*time.Millisecond), true
	if all <= 0 {
		fmt.Fprintf(p.w, "\r%s ... %s", oneLine(p.what), grouped(int(done)))
		return
	}
	n := int(min(done, all) * barWidth / all)
	fmt.Fprintf(p.w, "\r%s [%s%s] %3d %%", oneLine(p.what), strings.Repeat("#", n), strings.Repeat(".", barWidth-n), min(done, all)*100/all)
}

// Done removes the line.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", len(p.what)+barWidth+12))
	}
	p.next = p.now().Add(24 * time.Hour)
}
