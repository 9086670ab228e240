package acme

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-acme/lego/v4/certcrypto"
	"github.com/go-acme/lego/v4/lego"
	legolog "github.com/go-acme/lego/v4/log"
)

// resolvers has room for one: the library keeps its list of resolvers for the
// whole process, so one run at a time may prove by DNS.
var resolvers = make(chan struct{}, 1)

// logSwitch takes the library's log lines; its default would write over the
// screen.
type logSwitch struct {
	mu sync.Mutex
	to io.Writer
}

var logs = &logSwitch{to: io.Discard}

func init() {
	legolog.Logger = logs
	log.SetOutput(logs) // some of its providers use the process's logger
}

// Write takes the lines of other loggers.
func (l *logSwitch) Write(p []byte) (int, error) {
	l.write(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

func (l *logSwitch) write(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.to, s+"\n")
}

func (l *logSwitch) direct(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to = w; w == nil {
		l.to = io.Discard
	}
}

func (l *logSwitch) Print(a ...any)            { l.write(fmt.Sprint(a...)) }
func (l *logSwitch) Println(a ...any)          { l.write(fmt.Sprint(a...)) }
func (l *logSwitch) Printf(f string, a ...any) { l.write(fmt.Sprintf(f, a...)) }

// The library itself never calls these; if a provider does, it is a failure of
// that run and not the end of the process.
func (l *logSwitch) Fatal(a ...any)            { panic(fmt.Sprint(a...)) }
func (l *logSwitch) Fatalln(a ...any)          { panic(fmt.Sprint(a...)) }
func (l *logSwitch) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// graceTime is how long a cancelled run may take to end and to clean up. The
// library sleeps between its questions without looking at a context.
const graceTime = 3 * time.Second

// do runs f with a client of the library, in a goroutine. When ctx ends, do
// returns within graceTime, and f ends at its next request; what f sets is to
// be read only if do returns nil.
func (c *Client) do(ctx context.Context, r *run, f func(*lego.Client) error) error {
	outer := ctx
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	r.ctx = ctx
	done := make(chan error, 1)
	go func() {
		result := context.Canceled // if a request ends the goroutine
		defer func() {
			if p := recover(); p != nil {
				result = fmt.Errorf("the ACME library failed: %.300s", fmt.Sprint(p))
			}
			done <- result
		}()
		logs.direct(c.o.Log)
		// Not lego.NewConfig: that reads LEGO_* variables, and panics if one
		// names a file that is not there.
		l, err := lego.NewClient(&lego.Config{
			CADirURL: c.o.Directory, User: user{c.o.Account}, UserAgent: c.o.UserAgent,
			HTTPClient:  &http.Client{Transport: transport{r, c.base, c.o.Poll, c.requestTime}},
			Certificate: lego.CertificateConfig{KeyType: certcrypto.EC256, Timeout: c.signTime, DisableCommonName: true},
		})
		if err == nil {
			err = f(l)
		}
		result = err
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		cleaned := make(chan struct{})
		go func() {
			defer close(cleaned)
			if r.cleanUp != nil {
				r.cleanUp()
			}
		}()
		grace, cancel := context.WithTimeout(context.Background(), graceTime)
		defer cancel()
		select {
		case err = <-done:
		case <-grace.Done():
			err = context.Canceled
		}
		select {
		case <-cleaned:
		case <-grace.Done():
		}
	}
	switch {
	case err == nil: // it was done in time, and may have cost something
		return nil
	case outer.Err() != nil:
		return stopped(outer)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return r.explain(err)
}
