package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"postseal/cmd/cli"
	"postseal/internal/domain"
	"postseal/internal/hint"
	"postseal/internal/policy"
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
// TLSA records. A domain that cannot be looked up is an error if it was named, and else a
// finding.
func (a *app) publishMail(s *session.Session, names []string, reportTo string, named bool) ([]publish.Report, error) {
	ctx, cancel := context.WithTimeout(a.Ctx, mailTime)
	defer cancel()
	out := make([]publish.Report, len(names))
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
			out[i] = publish.Report{Name: in.Name, Steps: append([]publish.Step{}, in.Steps()...), Findings: append([]publish.Finding{}, in.Findings()...)}
		})
	}
	wg.Wait()
	for i, err := range errs {
		switch {
		case err != nil && !named:
			out[i] = publish.Report{Name: names[i], Steps: []publish.Step{}, Findings: []publish.Finding{{Owner: names[i], Text: err.Error(), Hint: "check the name, and that the resolver answers", Unknown: true}}}
		case err != nil:
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
	switch {
	case d.Missing, d.Implied && len(d.MX) == 1 && len(d.MX[0].Addresses) == 0:
		return publish.Mail{}, fmt.Errorf("%.80s has neither MX records nor an address in DNS", d.Name)
	case d.Silent:
		return publish.Mail{}, fmt.Errorf("%.80s accepts no mail (RFC 7505)", d.Name)
	}
	in := publish.Mail{Name: d.Name, Now: s.Machine.Now()}
	for _, x := range d.MX {
		in.MX = append(in.MX, x.Name)
	}
	r := s.Facts.Resolver.Ask(s.Machine)
	in.STS, in.Reports = everywhere(ctx, r, "_mta-sts."+d.Name), everywhere(ctx, r, "_smtp._tls."+d.Name)
	sts := d.STS
	if sts.ID == "" { // the policy may be served before its record is published
		sts = domain.STS{ID: "any"}
		sts.Fetch(ctx, s.Machine, d.Name, o)
	}
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
		if left := len(names) - mostMail; left > 0 && !a.JSON {
			a.Printer(a.Err).Note(fmt.Sprintf("Domains left out: %d. Name them to see their records.", left))
		}
		return names[:min(len(names), mostMail)], nil
	}
	for _, name := range args {
		if _, ok := policy.Name(name); !ok {
			return nil, cli.Misuse(hint.New(fmt.Sprintf("%.80q is not a domain", name), "write it as example.org; other letters in the form xn--..."))
		}
	}
	if len(args) > mostMail {
		return nil, cli.Misuse(hint.New(fmt.Sprintf("%d domains are too many at once", len(args)), fmt.Sprintf("name at most %d", mostMail)))
	}
	return args, nil
}
