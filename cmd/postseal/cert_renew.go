package main

import (
	"errors"
	"fmt"

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
		Long: `renew looks at every certificate that "cert obtain" got, or those named, and renews what is due: when the CA wants it
(RFC 9773), or when a third of its life is left. The key stays, so that TLSA records hold. The new certificate is
tried on a private Postfix, put in place in one step, and proved on every listener that shows it; if that fails,
the old one comes back. It is not put in place if TLSA records are published and none matches it.

Certificates that certbot or another client renews are left to it.
`,
		RunE: func(_ *cobra.Command, names []string) error { return a.certRenew(names, force, risks) },
	}
	cmd.Flags().BoolVar(&force, "force", false, "renew also what is not due")
	cmd.Flags().StringSliceVar(&risks, "accept-risk", nil, lineageRisks)
	return cmd
}

func (a *app) certRenew(names []string, force bool, risks []string) error {
	k, all, release, err := a.keep("renew", names)
	if release == nil {
		return err
	}
	defer release()
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
		fmt.Fprintln(a.Out, "No certificate was obtained here: postseal cert obtain gets one.")
	}
	return err
}

// keep begins what a verb of cert does to the lineages of these names, or to all:
// nobody else touches them until release. A record that cannot be read is an error,
// and keeps a renewal of all from no other: release is not nil then.
func (a *app) keep(verb string, names []string) (k *lineage.Keeper, all []*lineage.Lineage, release func(), err error) {
	s, err := a.open()
	if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
		return nil, nil, nil, err
	}
	if !s.Facts.Root {
		return nil, nil, nil, hint.New("keys are kept where only root can read them", "run it as root: sudo postseal cert "+verb)
	}
	k = a.keeper(s)
	unlock, err := k.Lock()
	if err != nil {
		return nil, nil, nil, err
	}
	release = func() { _ = unlock() }
	all, torn := k.All()
	if torn != nil && verb == "renew" && len(names) == 0 {
		return k, all, release, torn
	}
	if err = torn; err == nil {
		if all, err = chosen(all, names); err != nil {
			err = cli.Misuse(err)
		}
	}
	if err != nil {
		release()
		return nil, nil, nil, err
	}
	return k, all, release, nil
}

// chosen are the lineages of these names; all without names.
func chosen(all []*lineage.Lineage, names []string) ([]*lineage.Lineage, error) {
	if len(names) == 0 {
		return all, nil
	}
	var out []*lineage.Lineage
	for _, n := range names {
		found := false
		for _, l := range all {
			if l.Name == n {
				out, found = append(out, l), true
			}
		}
		if !found {
			known := "none was obtained here yet: postseal cert obtain"
			if len(all) > 0 {
				known = "there is " + all[0].Name
				for _, l := range all[1:] {
					known += ", " + l.Name
				}
			}
			return nil, hint.New(fmt.Sprintf("no certificate is named %.80q", n), known)
		}
	}
	return out, nil
}
