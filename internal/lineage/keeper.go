package lineage

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/certs/authority"
	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/maillog"
	"postseal/internal/plan"
)

// Keeper obtains and renews.
type Keeper struct {
	Store
	// Facts are of the instance that shows the certificates.
	Facts *detect.Facts
	// Log is where Postfix logs to.
	Log maillog.Source
	// Guard is as in rehearse.Options.
	Guard []string
	// Step hears of each step, with the CA and here; it may be nil and must not
	// block.
	Step func(apply.Event)
	// Record hears of a DNS record that a person is to make, and then (made) of
	// one that is needed no more; nil if nobody is there.
	Record func(line string, made bool)
	// Poll is how often a CA is asked; 0 is its default.
	Poll time.Duration
	// ByHand waits for a person who makes DNS records; nil if nobody is there.
	ByHand *acme.Manual
	// CAs is what is known of CAs; nil is the list of this machine.
	CAs *authority.List
	// ProveTime is as in apply.Options.
	ProveTime time.Duration
	// Wait is the least time that a next key is published before it is served;
	// 0 is publish.Wait.
	Wait time.Duration

	early bool // a compromised key is worse than records that do not match
	// kind is what the run of an installation is called in the history; empty is
	// "renew".
	kind string
	// under is the step with the CA that is under way, or nil.
	under *apply.Event
}

// tell passes on what happens with the CA. A step is done when the next one begins; why
// one failed is said once, by the error that follows.
func (k *Keeper) tell(e acme.Event) {
	step := &apply.Event{Step: strings.TrimSpace(string(e.Phase) + " " + e.Name), State: apply.Running, Text: e.Text}
	switch {
	case (e.Phase == acme.Waiting || e.Phase == acme.Removing) && e.Text != "":
		if k.Record != nil {
			k.Record(e.Text, e.Phase == acme.Removing)
		}
		return
	case e.Err != nil && e.Phase == acme.CleaningUp: // nothing else says it
		k.ended(apply.Done)
		k.step(apply.Event{Step: step.Step, State: apply.Failed, Text: e.Err.Error()})
		return
	case e.Err != nil && e.Phase == acme.Finished:
		k.ended(apply.Failed)
		return
	case e.Err != nil:
		if k.under == nil || k.under.Step != step.Step {
			k.ended(apply.Done)
			k.under = step
		}
		k.ended(apply.Failed)
		return
	case e.Phase == acme.Finished:
		k.ended(apply.Done)
		return
	case k.under == nil || k.under.Step != step.Step:
		k.ended(apply.Done)
	}
	k.under = step
	k.step(*step)
}

// ended says how the step with the CA ended that was under way, if one was.
func (k *Keeper) ended(state apply.State) {
	if k.under == nil {
		return
	}
	e := *k.under
	if e.State, k.under = state, nil; state == apply.Failed {
		e.Text = ""
	}
	k.step(e)
}

// step tells of a step, if somebody listens.
func (k *Keeper) step(e apply.Event) {
	if k.Step != nil {
		k.Step(e)
	}
}

// Obtain gets the certificates of a lineage, one for each kind of key, and puts
// them in place. Keys that are there are kept. What was got before a failure
// stays.
func (k *Keeper) Obtain(ctx context.Context, l *Lineage, t Terms) error {
	k.kind = "obtain"
	defer func() { k.kind = "" }()
	if _, err := k.solver(ctx, l.Challenge); err != nil {
		return err // before the CA hears of us
	}
	c, meta, err := k.client(ctx, l, t)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := k.preflight(ctx, c, l, meta); err != nil {
		return err
	}
	for _, kind := range l.KeyTypes {
		if err := k.one(ctx, c, meta, l, kind, nil); err != nil {
			return err
		}
	}
	return nil
}

// Rehearse gets certificates from the CA's place for trying things out, with
// keys of their own, and throws them away: a mistake then costs none of the
// CA's limits.
func (k *Keeper) Rehearse(ctx context.Context, l *Lineage, staging string, t Terms) error {
	s, err := k.solver(ctx, l.Challenge)
	if err != nil {
		return err // before the CA hears of us
	}
	try := *l
	try.Server, try.Profile = staging, ""
	c, meta, err := k.client(ctx, &try, Terms{Accept: t.Accept})
	if err != nil {
		return fmt.Errorf("rehearsing: %w", err)
	}
	defer c.Close()
	bound, err := unbound(k.preflight(ctx, c, &try, meta))
	if err != nil {
		return err
	}
	if bound != nil && k.Step != nil {
		k.Step(apply.Event{Step: "the account", State: apply.Noted, Text: bound.Error() + ": that of the staging environment, which always differs. The CA may refuse it in the end"})
	}
	key, err := acme.NewKey(l.KeyTypes[0])
	if err != nil {
		return err
	}
	if _, err := c.Obtain(ctx, acme.Order{Names: l.Names, Key: key, BothUses: l.BothUses}, s, k.tell); err != nil && (bound == nil || !refusedByCAA(err)) {
		return fmt.Errorf("rehearsing: %w", err)
	}
	return nil
}

// kinds are the kinds of keys that are kept alive: those that are ordered, and
// those that were and that Postfix still uses. leftOut are the algorithms that
// are neither.
func (k *Keeper) kinds(l *Lineage) (kinds, leftOut []string) {
	kinds = slices.Clone(l.KeyTypes)
	for _, name := range slices.Sorted(maps.Keys(l.Issued)) {
		switch {
		case slices.ContainsFunc(l.KeyTypes, func(kind string) bool { return Algorithm(kind) == name }):
		case k.used(k.Path(l, name)):
			kinds = append(kinds, l.Issued[name].KeyType)
		default:
			leftOut = append(leftOut, name)
		}
	}
	return kinds, leftOut
}

// used reports whether Postfix shows what is in a file, or sends with it.
func (k *Keeper) used(path string) bool {
	return plan.Uses(k.Facts, path) || slices.ContainsFunc(k.Facts.ClientCertificates(), func(c detect.Certificate) bool { return c.Chain == path })
}

// Algorithm is the name of the file for a kind of key.
func Algorithm(kind string) string {
	if strings.HasPrefix(kind, "RSA") {
		return "rsa"
	}
	return "ecdsa"
}

// one gets one certificate, with the key that there is, or with the next one.
func (k *Keeper) one(ctx context.Context, c *acme.Client, meta acme.Meta, l *Lineage, kind string, next crypto.Signer) error {
	name := Algorithm(kind)
	target := k.Path(l, name)
	order := acme.Order{Names: l.Names, Profile: l.Profile, BothUses: l.BothUses}
	old, err := k.there(target)
	if err != nil {
		return err
	}
	switch {
	case next != nil:
		order.Key = next
	case old.Key != nil:
		order.Key = old.Key // TLSA records and pins name it
		if have := acme.KeyType(old.Key); have != kind && k.Step != nil {
			k.Step(apply.Event{Step: "keep the key", State: apply.Noted, Text: "the " + have + " key is kept, since TLSA records and pins may refer to it; the next one is " + kind + ", and " + hint.ShellLine([]string{"postseal", "cert", "rollover", l.Name}) + " installs it"})
		}
	default:
		key, err := k.firstKey(l, kind)
		if err != nil {
			return err
		}
		order.Key = key
	}
	if i := l.Issued[name]; i != nil && old.Key != nil && i.Fingerprint == old.Facts(nil).Fingerprint && i.Server == l.Server && i.Account == c.AccountURL() {
		order.Replaces = old.Leaf()
	}
	if !k.early {
		if err := k.guardKey(ctx, l, order.Key, target); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	// A certificate that could not be put in place counts against the CA's limits.
	if err := apply.Busy(k.M, k.StateDir); err != nil {
		return err
	}
	if plan.Uses(k.Facts, target) {
		if err := apply.Ready(ctx, k.M, k.Facts.Config.Dir); err != nil {
			return err
		}
	}
	s, err := k.solver(ctx, l.Challenge)
	if err != nil {
		return err
	}
	got, err := c.Obtain(ctx, order, s, k.tell)
	if err := k.counted(l, got.Renewal, err); err != nil {
		return err
	}
	f, i := got.Facts(nil), l.Issued[name]
	now := &Issued{KeyType: acme.KeyType(order.Key), URL: got.URL, Server: l.Server, Account: c.AccountURL(), Fingerprint: f.Fingerprint, NotBefore: f.NotBefore, NotAfter: f.NotAfter}
	k.inherit(now, i, old, next != nil)
	if i != nil {
		k.announce(l, name, now)
	}
	if err := k.install(ctx, l, got.Chain, target); err != nil {
		if i != nil && !errors.Is(err, apply.ErrNotRolledBack) {
			k.announce(l, name, nil)
		}
		return err
	}
	if l.Issued == nil {
		l.Issued = map[string]*Issued{}
	}
	l.Issued[name] = now
	// What is wrong with the next key, or with the notes, is told, and does not
	// keep others from the certificate that is in place now.
	err = errors.Join(k.prepareNext(l, name, f.PublicKey), k.Save(l))
	k.ask(ctx, c, meta, l.Issued[name], got.Leaf())
	return errors.Join(err, k.Save(l), k.reload(ctx, l, target))
}

// inherit gives a new certificate the other keys of the one before it, which is nil for the
// first; if it is rolled over, the key of the old chain is noted as replaced.
func (k *Keeper) inherit(now, before *Issued, old certs.Chain, rolled bool) {
	if before != nil {
		now.Next, now.Old = before.Next, slices.Clone(before.Old)
	}
	if rolled && old.Key != nil {
		now.Old = append(now.Old, Replaced{Digest: old.Facts(nil).PublicKey, Gone: k.M.Now(), Compromised: k.early})
	}
}

// there is the key and the chain in a file of ours; without such a file, its key
// is nil. A file that cannot be read is an error: it may hold the key that TLSA
// records name, and no other may take its place unasked.
func (k *Keeper) there(path string) (certs.Chain, error) {
	data, err := k.M.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return certs.Chain{}, nil
	}
	var chains []certs.Chain
	if err == nil {
		var b certs.Bundle
		if b, err = certs.Read(path, data); err == nil {
			chains, err = b.Chains(nil)
		}
	}
	if err == nil && (len(chains) != 1 || chains[0].Key == nil) {
		err = errors.New("it must contain one key with its certificate")
	}
	if err != nil {
		return certs.Chain{}, hint.Wrap(fmt.Errorf("the key in %s cannot be read: %w", path, err), "correct the file, or move it away and run this again, which creates another key; TLSA records must then match that one")
	}
	return chains[0], nil
}

// counted remembers an order that counts against the CA's limits, and returns
// why it failed.
func (k *Keeper) counted(l *Lineage, renewal bool, failed error) error {
	signed := failed == nil || errors.Is(failed, acme.ErrUnfit)
	var p *acme.Problem
	if isProblem := errors.As(failed, &p); !signed && !isProblem {
		return failed // the CA was not asked, or did not answer
	}
	if p != nil && p.Type == "accountDoesNotExist" {
		if dir, err := k.accountDir(l.Server); err == nil {
			return hint.Wrap(failed, hint.ShellLine([]string{"rm", "-r", dir})+" and order again: a new account is created")
		}
	}
	if p != nil && p.Type == "rateLimited" {
		return failed // it says itself when to come again
	}
	a := attempt{When: k.M.Now(), Names: l.Names, Signed: signed, Renewal: renewal}
	_ = k.remember(l.Server, a) // a certificate is worth more than the count
	return failed
}
