package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/hint"
	"postseal/internal/lineage"
	"postseal/internal/report"
	"postseal/internal/session"
)

func (a *app) certRenewCmd() *cobra.Command {
	var force bool
	var risks []string
	cmd := &cobra.Command{
		Use:   "renew [NAME]...",
		Short: "Renew the certificates that are due; for a timer",
		Long: `renew checks every certificate from "cert obtain", or only those named, and renews the ones that are due: when the CA
suggests it (RFC 9773), or when a third of the lifetime is left. The key stays the same, so that TLSA records remain
valid. The new certificate is rehearsed on a private Postfix, installed in one step, and verified on every listener that
shows it; if that fails, the old one is restored. It is not installed if TLSA records are published and none matches it.

Certificates that certbot or another client renews are left to that client.
`,
		ValidArgsFunction: a.completeLineages,
		RunE:              func(_ *cobra.Command, names []string) error { return a.certRenew(names, force, risks) },
	}
	cmd.Flags().BoolVar(&force, "force", false, "also renew certificates that are not due")
	cmd.Flags().StringSliceVar(&risks, "accept-risk", nil, lineageRisks)
	_ = cmd.RegisterFlagCompletionFunc("accept-risk", cobra.FixedCompletions([]string{lineage.RiskUnprovedDANE}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) certRenew(names []string, force bool, risks []string) error {
	k, release, err := a.keep("renew")
	if err != nil {
		return err
	}
	defer release()
	all, err := chosen(k.Store, names)
	if err != nil && len(names) > 0 {
		return err
	}
	for _, l := range all {
		if err := l.Accept(risks); err != nil {
			return cli.Misuse(err)
		}
	}
	type outcome struct {
		lineage.Outcome
		Error string `json:"error,omitempty"`
	}
	list := []outcome{}
	for _, o := range k.Renew(a.Ctx, all, force) {
		x := outcome{Outcome: o}
		if o.Err != nil {
			x.Error = o.Err.Error()
			err = errors.Join(err, hint.Wrap(fmt.Errorf("%s (%s): %w", o.Lineage, o.Algorithm, o.Err), hint.Of(o.Err)))
		} else if !a.JSON {
			done := "not renewed: " + o.Why
			if o.Renewed {
				done = "renewed, since " + o.Why
			}
			fmt.Fprintf(a.Out, "%s (%s) %s\n", report.Clean(o.Lineage), o.Algorithm, report.Clean(done))
		}
		list = append(list, x)
	}
	if a.JSON {
		out := map[string]any{"certificates": list}
		if err != nil {
			out["failure"] = report.ErrorsJSON(err, a.Code(err))
		}
		return errors.Join(cli.Told(err), a.Printer(a.Out).JSON(out))
	}
	if len(list) == 0 && err == nil && !a.JSON {
		fmt.Fprintln(a.Out, "No certificate was obtained here. To obtain one: postseal cert obtain")
	}
	return err
}

// keep begins what a verb of cert does to lineages: no other postseal changes them until
// release.
func (a *app) keep(verb string) (k *lineage.Keeper, release func(), err error) {
	s, err := a.open()
	if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
		return nil, nil, err
	}
	if !s.Facts.Root {
		return nil, nil, hint.New("keys are kept where only root can read them", "run it as root: sudo postseal cert "+verb)
	}
	k = a.keeper(s)
	unlock, err := k.Lock()
	if err != nil {
		return nil, nil, err
	}
	return k, func() { _ = unlock() }, nil
}

// chosen are the lineages of these names, or all. Of all, those that can be read come
// with the error of the others.
func chosen(store lineage.Store, names []string) (out []*lineage.Lineage, err error) {
	if len(names) == 0 {
		return store.All()
	}
	for _, n := range names {
		l, err := store.Read(n)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, cli.Misuse(hint.New(fmt.Sprintf("no certificate is named %.80q", n), knownNames(store)))
		case err != nil:
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// knownNames says which names there are.
func knownNames(store lineage.Store) string {
	all, _ := store.All()
	if len(all) == 0 {
		return "to obtain one: postseal cert obtain"
	}
	var names []string
	for _, l := range all {
		names = append(names, l.Name)
	}
	return "there is " + strings.Join(names, ", ")
}
