package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"postseal/certs"
	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/report"
	"postseal/internal/session"
)

func (a *app) certClientCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "client",
		Short: "Make a client certificate, for a partner that asks for one",
		Args:  cli.UsageArgs(cobra.NoArgs),
		RunE:  cli.Verbs,
	}
	var takeOver bool
	create := &cobra.Command{
		Use:   "new",
		Short: "Make a key and a self-signed certificate, and print the lines for the partner's Postfix",
		Long: `You rarely need this: public mail servers do not ask senders for a certificate. A partner that does can identify yours by
the fingerprint of its public key, without a CA, for as long as you both like.

The first run makes the certificate. Another run makes the next key, while the current one stays in use. Give the partner
the lines with both keys, wait until they are in place, then run it with --switch to start using the next key.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.certClientNew(takeOver) },
	}
	create.Flags().BoolVar(&takeOver, "switch", false, "make the next key the current one, and reload Postfix")
	cmd.AddCommand(create)
	return cmd
}

func (a *app) certClientNew(takeOver bool) error {
	s, err := a.open()
	if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
		return err
	}
	if !s.Facts.Root {
		return hint.New("keys are kept where only root can read them", "run it as root: sudo postseal cert client new")
	}
	dir := filepath.Join(s.CertsDir, "client")
	present, next := filepath.Join(dir, "client.pem"), filepath.Join(dir, "client"+certs.NextKey)
	if takeOver {
		return a.switchClient(s, present, next)
	}
	var pinned []certs.Chain
	for _, path := range []string{present, next} {
		c, err := a.clientChain(path)
		if err != nil {
			return err
		}
		pinned = append(pinned, c)
	}
	made := ""
	for i, path := range []string{present, next} {
		if pinned[i].Key != nil {
			continue
		}
		c, err := certs.NewClient(s.Facts.Hostname, s.Facts.Now)
		if err != nil {
			return err
		}
		text, err := c.PEM()
		if err != nil {
			return err
		}
		if _, err := a.Machine.MkdirAll(dir, 0o700); err != nil {
			return apply.Remedy(a.Machine, err)
		}
		if err := a.Machine.ReplaceSecret(path, text); err != nil {
			return apply.Remedy(a.Machine, err)
		}
		pinned[i], made = c, path
		break
	}
	return a.showClient(s, present, next, made, pinned)
}

// clientChain reads one of our client certificates; without one, its key is nil.
func (a *app) clientChain(path string) (certs.Chain, error) {
	data, err := a.Machine.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return certs.Chain{}, nil
	}
	if err != nil {
		return certs.Chain{}, err
	}
	b, err := certs.Read(path, data)
	if err != nil {
		return certs.Chain{}, err
	}
	chains, err := b.Chains(nil)
	if err != nil || chains[0].Key == nil {
		return certs.Chain{}, hint.Wrap(fmt.Errorf("%s does not contain a key with its certificate: %w", path, err), "move it away, and run this again")
	}
	return chains[0], nil
}

// showClient prints what was made, and the partner's lines.
func (a *app) showClient(s *session.Session, present, next, made string, pinned []certs.Chain) error {
	const table = "/etc/postfix/partners"
	var leaves []*x509.Certificate
	for _, c := range pinned {
		if c.Key != nil {
			leaves = append(leaves, c.Leaf())
		}
	}
	main, lines := certs.PinnedBy(table, leaves...)
	if a.JSON {
		return a.Printer(a.Out).JSON(map[string]any{"certificate": present, "next": next, "made": made, "partner_main_cf": main, "partner_table": lines})
	}
	if made != "" {
		fmt.Fprintf(a.Out, "Made: %s\n", report.Clean(made))
	}
	fmt.Fprintln(a.Out, "\nFor the partner's main.cf:")
	for _, l := range main {
		fmt.Fprintln(a.Out, "  "+report.Clean(l))
	}
	fmt.Fprintln(a.Out, "\nThe last of these lets this server relay through the partner's to any address, like a machine in the partner's own\nnetworks. Leave it out if you send only to the partner's users.")
	fmt.Fprintf(a.Out, "\nFor the partner's %s:\n", table)
	for _, l := range lines {
		fmt.Fprintln(a.Out, "  "+report.Clean(l))
	}
	if len(leaves) == 2 {
		fmt.Fprintf(a.Out, "\nWhen the partner has both lines: %s\n", hint.ShellLine(append(s.Verb("cert", "client", "new"), "--switch")))
	} else {
		fmt.Fprintf(a.Out, "\nTo show it when sending: %s\n", hint.ShellLine(append(s.Verb("apply"), "--client-cert", present)))
	}
	return nil
}

// switchClient makes the next key the present one.
func (a *app) switchClient(s *session.Session, present, next string) error {
	c, err := a.clientChain(next)
	if err != nil {
		return err
	}
	if c.Key == nil {
		return hint.New("there is no next key", "postseal cert client new makes one; the partner must have its line first")
	}
	text, err := c.PEM()
	if err != nil {
		return err
	}
	old, err := a.Machine.ReadFile(present)
	if errors.Is(err, fs.ErrNotExist) {
		return hint.New("there is no current key: "+present+" does not exist", "restore it; or, if it is no longer used for sending, make "+next+" the current one by hand: "+hint.ShellLine([]string{"mv", next, present}))
	}
	if err != nil {
		return err
	}
	if err := apply.Ready(a.Ctx, a.Machine, s.ConfigDir); err != nil && !errors.Is(err, apply.ErrStopped) {
		return err
	}
	if err := a.Machine.ReplaceSecret(present, text); err != nil {
		// The next key may be in place although writing it failed: then Postfix
		// takes it sooner or later.
		if now, unread := a.Machine.ReadFile(present); unread != nil || !bytes.Equal(now, text) {
			return apply.Remedy(a.Machine, err)
		}
	}
	if err := apply.Reload(a.Ctx, a.Machine, s.ConfigDir); err != nil {
		again := a.Machine.ReplaceSecret(present, old)
		if again != nil {
			return hint.Wrap(fmt.Errorf("%w: %w; and restoring it: %w", apply.ErrNotRolledBack, err, again), "the previous key is lost: "+next+" is the one that Postfix uses")
		}
		if a.Ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) { // cut short, it may have read the new key already
			again = apply.Reload(context.WithoutCancel(a.Ctx), a.Machine, s.ConfigDir)
		}
		if again != nil {
			return hint.Wrap(fmt.Errorf("%w: %w; the previous key is restored, but Postfix did not accept it: %w", apply.ErrNotRolledBack, err, again), hint.Of(again))
		}
		return hint.Wrap(fmt.Errorf("%w: %w", apply.ErrRolledBack, err), hint.Of(err))
	}
	// It is in use, and that is what the exit code says, whatever is left over.
	left := a.Machine.Remove(next)
	fingerprint := certs.PublicKeyFingerprint(c.Leaf())
	if a.JSON {
		return a.Printer(a.Out).JSON(map[string]any{"certificate": present, "in_use": fingerprint, "next_left": left != nil})
	}
	fmt.Fprintf(a.Out, "In use now: %s\n", fingerprint)
	if left != nil {
		fmt.Fprintf(a.Out, "It could not be removed from the place of the next key (%s): %s\n", report.Clean(left.Error()), hint.ShellLine([]string{"rm", next}))
	}
	return nil
}
