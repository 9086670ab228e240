package rehearse

import (
	"context"
	"errors"
	"sync"
	"time"

	"postseal/internal/postfix/mastercf"
)

// Run rehearses receiving and sending side by side. What one of them could not
// do is a note if the other one could; it needs root.
func Run(ctx context.Context, c Candidate, o Options) (*Report, error) {
	began := time.Now()
	var mu sync.Mutex
	both := o
	both.Events = func(t Trial) {
		mu.Lock()
		defer mu.Unlock()
		o.tell(t)
	}
	var wg sync.WaitGroup
	var in, out *Report
	var inErr, outErr error
	wg.Add(1)
	go func() {
		defer wg.Done()
		in, inErr = Receive(ctx, c, both)
	}()
	if _, ok := c.sender(); ok {
		out, outErr = Send(ctx, c, nil, Destination{}, both)
	} else {
		out = &Report{Notes: []string{"master.cf has no service smtp/unix that runs smtp: nothing here sends mail to others"}}
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if inErr != nil && outErr != nil {
		return nil, errors.Join(inErr, outErr)
	}
	report := &Report{}
	for _, half := range []struct {
		report *Report
		err    error
		what   string
	}{{in, inErr, receiving}, {out, outErr, sending}} {
		if half.err != nil {
			report.Missing = append(report.Missing, half.what)
			report.Notes = append(report.Notes, half.what+" was not rehearsed: "+half.err.Error())
			continue
		}
		report.Trials, report.Notes = append(report.Trials, half.report.Trials...), append(report.Notes, half.report.Notes...)
	}
	report.Took = time.Since(began)
	return report, nil
}

// sender is the service that sends to other servers.
func (c Candidate) sender() (mastercf.Service, bool) {
	s, ok := c.Config.Master.Find("smtp", "unix")
	return s, ok && s.Bad == "" && s.Program() == "smtp"
}
