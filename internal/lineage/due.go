package lineage

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/internal/apply"
)

// Due reports whether a certificate is to be renewed now, and why, in words.
func (i *Issued) Due(now time.Time) (bool, string) {
	if !i.At.IsZero() {
		if now.Before(i.At) {
			return false, "the CA asks for renewal about " + i.At.UTC().Format(time.DateOnly)
		}
		return true, "the CA asks for renewal now"
	}
	at := i.Moment()
	if now.Before(at) {
		return false, "due on " + at.UTC().Format(time.DateOnly) + ", when a third of its lifetime is left"
	}
	return true, "less than a third of its lifetime is left"
}

// Moment is when it is to be renewed: the moment drawn from what the CA said, or
// when a third of its life is left.
func (i *Issued) Moment() time.Time {
	if !i.At.IsZero() {
		return i.At
	}
	return certs.DueByLifetime(i.NotBefore, i.NotAfter)
}

// ask asks the CA when to renew, if it is time to ask. Of a new window one
// moment is drawn, and kept; without an answer the lifetime decides.
func (k *Keeper) ask(ctx context.Context, c *acme.Client, meta acme.Meta, i *Issued, leaf *x509.Certificate) {
	now := k.M.Now()
	if now.Before(i.Ask) {
		return
	}
	w, err := c.RenewalInfo(ctx, meta, leaf)
	if err != nil {
		i.Ask = now.Add(6 * time.Hour)
		return
	}
	if i.Window == nil || !i.Window.Start.Equal(w.Start) || !i.Window.End.Equal(w.End) {
		i.Window, i.At = &w, w.Moment()
	}
	i.Ask = now.Add(w.RetryAfter)
}

// Outcome is what renewing did with one certificate.
type Outcome struct {
	Lineage   string `json:"lineage"`
	Algorithm string `json:"algorithm"`
	Renewed   bool   `json:"renewed"`
	// Why says why, or why not.
	Why string `json:"why"`
	// Notes are what was to be told on the way: records that could not be looked
	// at, say.
	Notes []string `json:"notes,omitempty"`
	Err   error    `json:"-"`
}

// Renew renews what is due; force renews everything. A failure of one is no
// obstacle to the others.
func (k *Keeper) Renew(ctx context.Context, all []*Lineage, force bool) []Outcome {
	var out []Outcome
	for _, l := range all {
		out = append(out, k.renew(ctx, l, force)...)
		_, _ = k.Observe(ctx, l) // starts or stops the clock of a roll-over; what it finds, publish shows
	}
	return out
}

func (k *Keeper) renew(ctx context.Context, l *Lineage, force bool) (out []Outcome) {
	// Nothing could be put in place, and an order would be wasted.
	kinds, leftOut := k.kinds(l)
	if err := apply.Interrupted(k.M, k.StateDir); err != nil {
		for _, kind := range kinds {
			out = append(out, Outcome{Lineage: l.Name, Algorithm: Algorithm(kind), Err: err})
		}
		return out
	}
	var c *acme.Client
	var meta acme.Meta
	for _, kind := range kinds {
		name := Algorithm(kind)
		o := Outcome{Lineage: l.Name, Algorithm: name}
		i := l.Issued[name]
		have, err := k.there(k.Path(l, name))
		if err != nil {
			o.Err = err
			out = append(out, o)
			continue
		}
		var leaf *x509.Certificate
		if have.Key != nil {
			leaf = have.Leaf()
		}
		if leaf != nil && i != nil && i.Coming != nil && i.Coming.Fingerprint == fingerprint(leaf) {
			if err := k.adopt(ctx, l, name, leaf); err != nil {
				out = append(out, Outcome{Lineage: l.Name, Algorithm: name, Err: err})
			}
			i = l.Issued[name]
		}
		switch {
		case i == nil || leaf == nil:
			o.Why, i = "it has not been obtained yet, or its file is missing", &Issued{}
		case i.Fingerprint != fingerprint(leaf):
			o.Why, o.Err = "", fmt.Errorf("%s contains a different certificate from the one that was obtained: something else replaced it", k.Path(l, name))
			out = append(out, o)
			continue
		}
		if c == nil {
			if c, meta, o.Err = k.client(ctx, l, Terms{}); o.Err != nil {
				// The CA cannot be reached: that matters once it is due.
				due, why := i.Due(k.M.Now())
				if !due && !force && o.Why == "" {
					o.Err = nil
				}
				o.Why = why
				out = append(out, o)
				c = nil
				continue
			}
			defer c.Close()
		}
		due, why := true, o.Why
		if why == "" {
			k.ask(ctx, c, meta, i, leaf)
			due, why = i.Due(k.M.Now())
			_ = k.Save(l) // the moment that was drawn; it is drawn again if this fails
		}
		if o.Why = why; due || force {
			if !due {
				o.Why = "renew it with --force"
			}
			o.Notes = k.noting(func() {
				if o.Err = k.preflight(ctx, c, l, meta); o.Err == nil {
					o.Err = k.one(ctx, c, meta, l, kind, nil)
				}
			})
			o.Renewed, o.Err = o.Err == nil, apply.Remedy(k.M, o.Err)
		}
		out = append(out, o)
	}
	for _, name := range leftOut {
		out = append(out, Outcome{Lineage: l.Name, Algorithm: name, Why: "skipped: it is no longer ordered, and Postfix does not use it"})
	}
	return out
}

// noting does something, and returns what was to be told on the way, whether
// anybody listens or not.
func (k *Keeper) noting(do func()) (notes []string) {
	step := k.Step
	defer func() { k.Step = step }()
	k.Step = func(e apply.Event) {
		if e.State == apply.Noted {
			notes = append(notes, e.Step+": "+e.Text)
		}
		if step != nil {
			step(e)
		}
	}
	do()
	return notes
}

func fingerprint(leaf *x509.Certificate) string {
	return certs.Chain{Certs: []*x509.Certificate{leaf}}.Facts(nil).Fingerprint
}

// adopt notes a certificate that was put in place by a run that was cut short,
// and does what that run did not come to.
func (k *Keeper) adopt(ctx context.Context, l *Lineage, algorithm string, leaf *x509.Certificate) error {
	now := l.Issued[algorithm].Coming
	if s := now.Settings; s != nil {
		s.Issued = l.Issued
		*l, now.Settings = *s, nil
	}
	l.Issued[algorithm] = now
	served := certs.Chain{Certs: []*x509.Certificate{leaf}}.Facts(nil).PublicKey
	return errors.Join(k.prepareNext(l, algorithm, served), k.Save(l), k.reload(ctx, l, k.Path(l, algorithm)))
}
