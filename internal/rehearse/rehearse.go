package rehearse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"postseal/internal/detect"
	"postseal/internal/postfix"
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
	} else if out = new(Report); len(c.others()) == 0 {
		out = &Report{Notes: []string{"master.cf has no service smtp/unix that runs smtp: this server sends no mail to other servers"}}
	}
	others := c.others()
	more := make([]*Report, len(others))
	failed := make([]error, len(others))
	busy := make(chan struct{}, maxOthers)
	for n, s := range others {
		wg.Add(1)
		go func() {
			defer wg.Done()
			busy <- struct{}{}
			defer func() { <-busy }()
			right := slices.DeleteFunc(slices.Clone(servers), func(s server) bool { return !slices.Contains(upright, s.name) })
			more[n], failed[n] = c.send(ctx, s, right, nil, Destination{}, both)
		}()
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if inErr != nil && outErr != nil {
		return nil, errors.Join(inErr, outErr)
	}
	report := &Report{}
	report.add(in, inErr, receiving, "")
	report.add(out, outErr, sending, "")
	for n, s := range others {
		report.add(more[n], failed[n], sending, " by "+s.ID())
	}
	report.Took = time.Since(began)
	return report, nil
}

// sender returns the service that sends to other servers.
func (c Candidate) sender() (mastercf.Service, bool) {
	s, ok := c.Config.Master.Find("smtp", "unix")
	return s, ok && s.Bad == "" && s.Program() == "smtp"
}

// add adds the result of a part of the rehearsal.
func (r *Report) add(part *Report, err error, direction, by string) {
	if err != nil {
		r.Missing = append(r.Missing, direction)
		r.Notes = append(r.Notes, direction+by+" was not rehearsed: "+err.Error())
		return
	}
	r.Trials = append(r.Trials, part.Trials...)
	for _, n := range part.Notes {
		if !slices.Contains(r.Notes, n) {
			r.Notes = append(r.Notes, n)
		}
	}
}

// maxOthers limits how many other services are rehearsed at once: each needs a
// Postfix of its own.
const maxOthers = 4

// others returns the services other than the usual one that run smtp with TLS settings
// of their own, one of each kind. The rest send as the usual one does.
func (c Candidate) others() (out []mastercf.Service) {
	kind := func(s mastercf.Service) string {
		text := fmt.Sprint(detect.Chrooted(c.Config, s), refused(s))
		var all []string
		for _, o := range s.Options {
			if c.carries(o.Name, postfix.Sending) {
				all = append(all, o.Name+"="+o.Value)
			}
		}
		slices.Sort(all)
		return text + strings.Join(all, "\n")
	}
	var seen []string
	first, ok := c.sender()
	if ok {
		seen = append(seen, kind(first))
	}
	for _, s := range c.Config.Master.Services() {
		if s.Type != "unix" || ok && s.ID() == first.ID() || s.Program() != "smtp" || slices.Contains(seen, kind(s)) {
			continue
		}
		seen = append(seen, kind(s))
		out = append(out, s)
	}
	return out
}
