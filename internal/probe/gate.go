package probe

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// atOnce is how many connections a host gets at most at a time: it has few
	// processes, and other clients.
	atOnce = 4
	// patience is how many pauses in a row are made for a busy host before it is
	// left alone: 1, 2, 4, 8, 16 and 32 seconds, so that a limit by the minute
	// (anvil_rate_time_unit in postconf(5)) is waited for once.
	patience = 6
	// recovery is how many connections must go well until one more is tried.
	recovery = 16
)

// Gate bounds how a host is treated, over all that is asked of it at the same
// time: one connection first, four if that went well. If it says that it is
// busy, everybody waits, and half as many go on.
type Gate struct {
	// unit is the first pause; a test takes a shorter one.
	unit time.Duration

	mu            sync.Mutex
	limit, inside int
	waiting       []chan struct{}
	paused        bool
	row           int // pauses without a success between them
	served        int // since the last pause
	everBusy      bool
}

// NewGate is a gate for one host.
func NewGate() *Gate { return &Gate{limit: 1, unit: time.Second} }

// enter waits for a place.
func (g *Gate) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	g.mu.Lock()
	if !g.paused && g.inside < g.limit && len(g.waiting) == 0 {
		g.inside++
		g.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	g.waiting = append(g.waiting, mine)
	g.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, mine); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	} else { // let in at the same moment
		g.inside--
		g.next()
	}
	return context.Cause(ctx)
}

// leave gives the place back after a connection that went well.
func (g *Gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.row = 0
	g.served++
	switch {
	case !g.everBusy:
		g.limit = atOnce
	case g.served%recovery == 0:
		g.limit = min(g.limit+1, atOnce)
	}
	g.next()
}

// fail gives the place back after a connection that came to nothing.
func (g *Gate) fail() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.next()
}

// busy gives the place back after a connection that was put off. It says how
// many pauses there were in a row. Those that were put off together are one.
func (g *Gate) busy() (row int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.everBusy, g.served = true, 0
	if !g.paused {
		g.paused = true
		g.limit = max(1, g.limit/2)
		pause := g.unit << min(g.row, patience)
		g.row++
		time.AfterFunc(pause, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.paused = false
			g.next()
		})
	}
	return g.row
}

// next lets in who may.
func (g *Gate) next() {
	for !g.paused && g.inside < g.limit && len(g.waiting) > 0 {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
		g.inside++
	}
}
