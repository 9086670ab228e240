package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"postseal/cmd/cli"
	"postseal/internal/domain"
	"postseal/internal/hint"
	"postseal/internal/publish"
	"postseal/internal/resolve"
	"postseal/internal/session"
)

const (
	// mostMail bounds for how many domains of this server publish looks, and mailTime for
	// how long.
	mostMail = 50
	mailTime = 30 * time.Second
)

// publishMail is what is to be published for domains whose mail this server accepts, beside
// TLSA records.
func (a *app) publishMail(s *session.Session, names []string, reportTo string) ([]published, error) {
	ctx, cancel := context.WithTimeout(a.Ctx, mailTime)
	defer cancel()
	out := make([]published, len(names))
	errs := make([]error, len(names))
	busy := make(chan struct{}, 8)
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			busy <- struct{}{}
			defer func() { <-busy }()
			in, err := lookMail(ctx, s, name)
			if err != nil {
				errs[i] = err
				return
			}
			if in.ReportTo = reportTo; reportTo == "" {
				in.ReportTo = "postmaster@" + in.Name
			}
			out[i] = published{in.Name, append([]publish.Step{}, in.Steps()...), append([]publish.Finding{}, in.Findings()...)}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, hint.Wrap(err, "check the name, and that the resolver answers: "+hint.ShellLine([]string{"postseal", "probe", "--mx", "DOMAIN"}))
		}
	}
	return out, context.Cause(a.Ctx)
}

// lookMail looks at what one domain publishes.
func lookMail(ctx context.Context, s *session.Session, name string) (publish.Mail, error) {
	o := domain.Options{Resolver: s.Facts.Resolver.Servers[0]}
	d, err := domain.Look(ctx, s.Machine, name, o)
	if err != nil {
		return publish.Mail{}, fmt.Errorf("looking up %.80s: %w", name, err)
	}
	in := publish.Mail{Name: d.Name, Now: s.Machine.Now()}
	for _, x := range d.MX {
		in.MX = append(in.MX, x.Name)
	}
	r := s.Facts.Resolver.Ask(s.Machine)
	in.STS, in.Reports = everywhere(ctx, r, "_mta-sts."+d.Name), everywhere(ctx, r, "_smtp._tls."+d.Name)
	sts := domain.STS{ID: "any"} // the policy may be served before its record is published
	sts.Fetch(ctx, s.Machine, d.Name, o)
	in.Policy, in.Problem = sts.Policy, sts.Problem
	in.Unseen = sts.Unseen && d.STS.Record != ""
	return in, nil
}

// everywhere asks all name servers of a zone for TXT records; the resolver, if a firewall
// keeps them away.
func everywhere(ctx context.Context, r resolve.Resolver, name string) resolve.View {
	v := r.Everywhere(ctx, name, resolve.TXT)
	if v.Unknown == nil && !v.Reached() {
		v.Servers = []resolve.Server{{Name: "the resolver", Answer: r.Ask(ctx, name, resolve.TXT)}}
	}
	return v
}

// mailDomains are the domains that are named, or else those of this server.
func (a *app) mailDomains(s *session.Session, args []string) ([]string, error) {
	if len(args) == 0 {
		names, tables := s.Facts.Domains()
		if tables && !a.JSON {
			a.Printer(a.Err).Note("Domains in lookup tables are not listed here: name them, as in postseal publish example.org")
		}
		return names[:min(len(names), mostMail)], nil
	}
	if len(args) > mostMail {
		return nil, cli.Misuse(hint.New(fmt.Sprintf("%d domains are too many at once", len(args)), fmt.Sprintf("name at most %d", mostMail)))
	}
	return args, nil
}
