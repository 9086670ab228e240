package lineage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/plan"
	"postseal/internal/rehearse"
)

// reload tells who else uses a certificate that there is a new one.
func (k *Keeper) reload(ctx context.Context, l *Lineage, file string) error {
	if l.AlsoReload == "" {
		return nil
	}
	command := []string{l.AlsoReload, file}
	if l.AlsoReload == interview.ReloadDovecot {
		command = []string{"doveadm", "reload"}
	}
	if filepath.IsAbs(command[0]) { // root runs it, so no other account may decide what it is
		if err := host.Trusted(k.M, command[0]); err != nil {
			return hint.Wrap(fmt.Errorf("the certificate is in place, but %s was not run: %w", command[0], err), hint.Of(err))
		}
	}
	o, err := k.M.Act(ctx, command[0], command[1:]...)
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("it ended with %d: %.300s", o.Code, strings.TrimSpace(o.Stderr))
	}
	if err != nil {
		return hint.Wrap(fmt.Errorf("the certificate is in place, but %s failed: %w", command[0], err), "run it by hand: "+hint.ShellLine(command))
	}
	if k.Step != nil {
		k.Step(apply.Event{Step: strings.Join(command, " "), State: apply.Done})
	}
	return nil
}

// ErrRefused is why a certificate was not put in place, or not even ordered.
var ErrRefused = errors.New("the new certificate was not installed")

// install judges a new chain, tries it on a private Postfix, installs it,
// and, if Postfix shows the file, proves that it is served.
func (k *Keeper) install(ctx context.Context, l *Lineage, c certs.Chain, target string) error {
	text, err := c.PEM()
	if err != nil {
		return err
	}
	if err := k.guard(ctx, l, c, target); err != nil && !k.early {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	dir := filepath.Join(k.StateDir, "staging")
	if err := k.folder(dir); err != nil {
		return err
	}
	staged := filepath.Join(dir, filepath.Base(filepath.Dir(target))+"-"+filepath.Base(target))
	if err := k.M.Replace(staged, text, 0o600); err != nil {
		return err
	}
	defer func() { _ = k.M.Remove(staged) }()
	if k.Facts.Root && k.Facts.Config.Version.Known() {
		shown, err := rehearse.Load(ctx, staged, rehearse.Options{Guard: k.Guard})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if shown != c.Facts(nil).Fingerprint {
			return fmt.Errorf("%w: a private Postfix presents a different certificate with it", ErrRefused)
		}
	}
	f := k.Facts.Clone() // all anew: what stands beside the target may have been renewed a moment ago
	seen := append(slices.Collect(maps.Keys(f.PEM)), staged, target)
	clear(f.PEM)
	f.Inspect(k.M, seen)
	p, err := plan.Install(f, staged, target)
	if err != nil {
		return err
	}
	o := apply.Options{Kind: cmp.Or(k.kind, "renew"), StateDir: k.StateDir, Log: k.Log, Events: k.Step, ProveTime: k.ProveTime}
	_, err = apply.Run(ctx, k.M, p, o)
	return err
}
