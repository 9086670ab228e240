package wizard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"postseal/certs/acme"
	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/lineage"
)

// newWay is what makes the certificate that is not there yet and that a line
// chooses by its number, or nil.
func (p *plain) newWay(line string, options []ask.Option) func() ([]string, error) {
	n, err := strconv.Atoi(line)
	if err != nil || n < 1 || n > len(options) {
		return nil
	}
	switch options[n-1].Text {
	case newText:
		return p.obtain
	case ownText:
		return p.selfSign
	}
	return nil
}

// selfSign makes a certificate without a CA, if the person says so.
func (p *plain) selfSign() ([]string, error) {
	if len(interview.Names(p.session.Facts)) > 0 {
		p.wrapped(selfSigning(p.session))
		answer, err := p.read("Make it? y yes, anything else returns:")
		if err == nil && answer != "y" {
			err = errBack
		}
		if err != nil {
			return nil, err
		}
	}
	p.made = true
	made := p.o.selfSigned(p.ctx, p.session, p.print.Step)
	if made.later != nil {
		p.session = p.session.Seen(made.later)
	}
	if made.said != "" {
		p.wrapped(made.said)
	}
	return made.files, made.err
}

// obtain asks about a new certificate, orders it, and returns its files. It
// fails with errBack if the person goes back.
func (p *plain) obtain() ([]string, error) {
	order, given, err := p.session.Order(p.ctx, nil)
	if err != nil {
		return nil, err
	}
	sub := *p
	sub.flow, sub.ordering = newFlow(order.Set, given), true
	defer func() { p.ordered = sub.answers }()
	answer := sub.interview
	if p.ordered != nil { // all was answered before, and may be why it was left
		answer, sub.answers = sub.change, p.ordered
	}
	if err := answer(); err != nil {
		return nil, err
	}
	if err := order.Check(p.session.Facts, sub.answers); err != nil {
		return nil, err
	}
	d, err := order.Decide(p.session.Facts, sub.answers)
	if err != nil {
		return nil, err
	}
	if !p.session.Facts.Root {
		return nil, hint.New("keys are kept where only root can read them", "leave, and run it as root: sudo postseal --plain")
	}
	l, k := lineage.From(d, nil), p.session.Keeper()
	if err := sub.confirm(k, l, d.CA.Staging != ""); err != nil {
		return nil, err
	}
	p.made = true
	made := make(chan struct{})
	k.ByHand = &acme.Manual{Done: made}
	k.Record = func(line string, there bool) { sub.record(line, there, made) }
	k.Step = p.print.Step
	p.say("Ordering from %s.", d.CA.Title)
	err = placeOrder(p.ctx, k, d, l, nil, p.print.Step)
	if errors.Is(err, apply.ErrRisk) {
		p.print.Errors(err)
		answer, again := p.read(riskUnproved + " y yes, anything else returns:")
		switch {
		case again != nil:
			return nil, again
		case answer != "y":
			return nil, errBack
		}
		err = placeOrder(p.ctx, k, d, l, []string{lineage.RiskUnprovedDANE}, p.print.Step)
	}
	if err != nil {
		return nil, err
	}
	s, err := p.o.open(p.ctx, nil)
	if err != nil {
		return nil, err
	}
	p.session = p.session.Seen(s)
	sub.answers = nil
	return k.Ordered(l), nil
}

// confirm shows what would be ordered, and asks whether to.
func (p *plain) confirm(k *lineage.Keeper, l *lineage.Lineage, staging bool) error {
	fmt.Fprintln(p.out)
	for _, q := range p.set.Relevant(p.session.Facts, p.answers) {
		values, _ := q.Value(p.session.Facts, p.answers)
		p.hung(fmt.Sprintf("  %-17s ", q.Name()), strings.Join(values, ", "))
	}
	ctx, cancel := context.WithTimeout(p.ctx, metaTime)
	defer cancel()
	limit, _, err := k.Allowance(l)
	if err != nil {
		return err
	}
	meta, err := k.Meta(ctx, l)
	if err != nil {
		return err
	}
	if len(meta.Profiles) > 0 {
		p.wrapped("Its profiles, to choose with --acme-profile: " + strings.Join(slices.Sorted(maps.Keys(meta.Profiles)), ", "))
	}
	if limit != "" {
		p.wrapped("The CA's limits: " + limit)
	}
	if meta.Terms != "" {
		p.wrapped("Ordering accepts the CA's terms of service: " + meta.Terms)
	}
	if staging {
		p.wrapped("The order is tested in the CA's staging environment first: mistakes there cost nothing.")
	}
	answer, err := p.read("Order it? y yes, anything else returns:")
	if err == nil && answer != "y" {
		err = errBack
	}
	return err
}

// record asks a person to make a DNS record, and says when it is not needed
// any more.
func (p *plain) record(line string, there bool, made chan<- struct{}) {
	if there {
		p.wrapped("No longer needed: " + line)
		return
	}
	p.say("Add this record to your zone:\n  %s", oneLine(line))
	go func() { // the order goes on, and is stopped, without this
		if _, err := p.read("Press Enter when it is published:"); err != nil {
			return
		}
		select {
		case made <- struct{}{}:
		case <-p.ctx.Done():
		}
	}()
}
