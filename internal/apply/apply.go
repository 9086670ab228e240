// Package apply carries a plan out on a machine, as one transaction: locked,
// journalled, backed up, staged, written by rename, reloaded and proved by
// handshakes. Whatever fails, the old bytes come back.
//
// It is the only thing that writes. What is written was decided in package
// plan; it asks no one and prints nothing.
package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postseal/certs"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/maillog"
	"postseal/internal/plan"
)

// Options say where and how to apply.
type Options struct {
	// Kind is what the run is called in the history; empty is "apply". Only an
	// apply is what undo takes back.
	Kind string
	// StateDir holds journal, receipts and backups: /var/lib/postseal.
	StateDir string
	// FilesOnly writes the files and does nothing else: for images and chroots.
	FilesOnly bool
	// Accept are the names of the risks that are accepted.
	Accept []string
	// Log is where Postfix logs to.
	Log maillog.Source
	// Rehearse plays the change on a private Postfix before anything is
	// written; nil for not at all.
	Rehearse Rehearse
	// Net takes the run back unless it is confirmed in time; nil for no net.
	Net *Net
	// Events is told of each step; nil for no one.
	Events func(Event)
	// ProveTime bounds how long a listener may take to show the new state;
	// 0 is half a minute. Old smtpd processes finish their clients first.
	ProveTime time.Duration
	// why is the reason of an undo that nobody asked for.
	why string
	// locked is asked once the lock is held, before anything is done; nil for
	// no one.
	locked func() error
}

// Event is the progress of one step.
type Event struct {
	Step  string
	State State
	// Text says what came of it.
	Text string
}

// State is how a step stands.
type State string

// The states of a step.
const (
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
	Noted   State = "noted" // done, with something to know
)

// Errors that a caller decides on.
var (
	// ErrChanged: an input of the plan is not what it was.
	ErrChanged = plan.ErrChanged
	// ErrPending: an earlier run was interrupted and must be dealt with first.
	ErrPending = errors.New("an earlier run was interrupted")
	// ErrRisk: a risk was not accepted by name.
	ErrRisk = errors.New("risks not accepted")
	// ErrRolledBack: the change failed, and everything is as it was.
	ErrRolledBack = errors.New("rolled back")
	// ErrNotRolledBack: the change failed, and putting it back failed too.
	ErrNotRolledBack = errors.New("could not be rolled back")
	// ErrNothing: there is nothing to undo.
	ErrNothing = errors.New("nothing to undo")
)

// lockTime is how long to wait for another editor of the same file.
const lockTime = 20 * time.Second

// Run applies the plan. An empty plan does nothing and returns no receipt.
func Run(ctx context.Context, m host.Machine, p *plan.Plan, o Options) (_ *Receipt, err error) {
	defer func() { err = Remedy(m, err) }()
	if open := p.Unaccepted(o.Accept); len(open) > 0 {
		var names []string
		for _, r := range open {
			names = append(names, r.Name)
		}
		return nil, hint.Wrap(fmt.Errorf("%w: %s", ErrRisk, strings.Join(names, ", ")),
			"read them with postseal plan, then --accept-risk "+strings.Join(names, ","))
	}
	if p.Empty() {
		if err := Interrupted(m, o.StateDir); err != nil {
			return nil, err
		}
		tidy(ctx, m, o.StateDir, p.ConfigDir)
		return nil, nil
	}
	kind := o.Kind
	if kind == "" {
		kind = "apply"
	}
	t, release, err := begin(m, o, kind, p.ConfigDir)
	if err != nil {
		return nil, err
	}
	defer release()
	t.Postfix, t.Answers, t.Block, t.Checks = p.Postfix, p.Answers, p.Block, p.Checks
	if !p.Reload() || kind != "apply" && len(p.Checks) == 0 {
		t.FilesOnly = true // nothing that a running Postfix reads
	}
	unlock, err := t.lockEdits(ctx, p)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := t.compareInputs(p); err != nil {
		return nil, err
	}
	if err := t.fill(p); err != nil {
		return nil, err
	}
	if err := t.rehearse(ctx, p); err != nil {
		return nil, err
	}
	if err := t.observe(ctx); err != nil {
		return nil, err
	}
	if err := t.stage(ctx, p); err != nil {
		return nil, err
	}
	r, err := t.execute(ctx)
	if err != nil && !errors.Is(err, ErrNotRolledBack) {
		t.disarm(context.WithoutCancel(ctx))
	}
	return r, err
}

// compareInputs looks whether the plan still holds.
func (t *transaction) compareInputs(p *plan.Plan) error {
	done := t.step("compare with the plan")
	var changed []string
	for path, digest := range p.Inputs {
		now, err := t.digest(path)
		if err != nil {
			return done(fmt.Errorf("reading %s: %w", path, err))
		}
		if now != digest && (digest != "" || !unread(p, path)) {
			changed = append(changed, path)
		}
	}
	if len(changed) > 0 {
		return done(hint.Wrap(fmt.Errorf("%s %w; nothing was written", strings.Join(changed, ", "), ErrChanged), "run postseal again to see the new plan"))
	}
	return done(nil)
}

// unread reports whether the plan was made by someone who could not read path.
func unread(p *plan.Plan, path string) bool {
	for _, f := range p.Files {
		if f.Assemble == nil || !f.Assemble.Unproved {
			continue
		}
		if f.Path == path {
			return true
		}
		for _, from := range f.Assemble.From {
			if from == path {
				return true
			}
		}
	}
	return false
}

// fill reads what is there and puts together what will be.
func (t *transaction) fill(p *plan.Plan) error {
	done := t.step("put key and chain together")
	for _, f := range p.Files {
		e := Entry{Path: f.Path, Kind: f.Kind, Mode: f.Mode}
		if f.Kind != plan.MainCF && f.Kind != plan.MasterCF { // the folder is ours alone
			if err := host.Trusted(t.m, filepath.Dir(f.Path), filepath.Dir(f.Path)); err != nil {
				return done(err)
			}
		}
		old, err := t.m.ReadFile(f.Path)
		switch {
		case err == nil:
			e.Before = plan.Digest(old)
		case errors.Is(err, fs.ErrNotExist):
			e.New, e.Made = true, t.missing(filepath.Dir(f.Path))
		default:
			return done(fmt.Errorf("reading %s: %w", f.Path, err))
		}
		content := []byte(f.After)
		if f.Assemble != nil {
			if content, err = assemble(t.m, f.Assemble); err != nil {
				return done(err)
			}
		}
		e.After = plan.Digest(content)
		t.add(e, old, content)
	}
	return done(nil)
}

// assemble makes a key-first chain file of the certificates in the plan and
// the key that belongs to them.
func assemble(m host.Reader, a *plan.Assembly) ([]byte, error) {
	var all certs.Bundle
	for _, path := range a.From {
		data, err := m.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		b, err := certs.Read(path, data)
		if err != nil {
			return nil, err
		}
		all.Add(b)
	}
	if a.PEM != "" {
		planned, err := certs.Read("the plan", []byte(a.PEM))
		if err != nil {
			return nil, err
		}
		all.Certs = planned.Certs
		all.Keys = slices.DeleteFunc(all.Keys, func(k certs.Key) bool { return !certs.Same(k.Public, planned.Certs[0].PublicKey) })
	}
	if len(all.Keys) == 0 {
		return nil, hint.Wrap(fmt.Errorf("%s: %w", strings.Join(a.From, ", "), certs.ErrMismatch), "name the right key with --key")
	}
	chains, err := all.Chains(nil)
	if err != nil {
		return nil, err
	}
	return chains[0].PEM()
}
