package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"postseal/certs"
	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/lineage"
	"postseal/internal/plan"
	"postseal/internal/report"
	"postseal/internal/session"
)

func (a *app) certSelfSignedCmd() *cobra.Command {
	var names, risks []string
	cmd := &cobra.Command{
		Use:   "self-signed",
		Short: "Make a self-signed certificate: enough for DANE, but not for senders that verify by CA",
		Long: `self-signed makes a key and a certificate for this server's names (or --name), valid for ten years, in a file of its own.
Senders with DANE compare only the key with its TLSA record, and senders that encrypt opportunistically accept any
certificate. Senders that verify by CA, such as those that follow MTA-STS, defer their mail.

Run it again to make a new certificate with the same key. If Postfix shows the old one, the new one is rehearsed on a
private Postfix, installed and verified, or the old one is restored. It is not installed if TLSA records are published
and none matches it.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.certSelfSigned(names, risks) },
	}
	cmd.Flags().StringArrayVar(&names, "name", nil, "a `host` name that it should cover (default: this server's); may be repeated")
	cmd.Flags().StringSliceVar(&risks, "accept-risk", nil, "`names` of risks that you accept: "+lineage.RiskUnprovedDANE)
	return cmd
}

func (a *app) certSelfSigned(names, risks []string) error {
	s, err := a.open()
	if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
		return err
	}
	if !s.Facts.Root {
		return hint.New("keys are kept where only root can read them", "run it as root: sudo postseal cert self-signed")
	}
	if len(names) == 0 {
		names = interview.Names(s.Facts)
	}
	if err := new(lineage.Lineage).Accept(risks); err != nil {
		return cli.Misuse(err)
	}
	path, chain, made, err := a.keeper(s).SelfSigned(a.Ctx, names, risks)
	if err != nil {
		return apply.Remedy(a.Machine, err)
	}
	inUse := plan.Uses(s.Facts, path)
	record := certs.NewTLSA(chain.Leaf()).String()
	if a.JSON {
		return a.Printer(a.Out).JSON(map[string]any{"file": path, "made": made, "in_use": inUse, "names": names, "tlsa": record})
	}
	state := "There already"
	if made {
		state = "Made"
	}
	fmt.Fprintf(a.Out, "%s: %s\n\nFor DANE, in a signed zone:\n", state, report.Clean(path))
	for _, n := range names {
		fmt.Fprintf(a.Out, "  _25._tcp.%s. IN TLSA %s\n", report.Clean(n), record)
	}
	switch {
	case inUse && made:
		fmt.Fprintln(a.Out, "\nPostfix was reloaded and uses it now.")
	case inUse:
		fmt.Fprintln(a.Out, "\nPostfix uses it.")
	default:
		fmt.Fprintf(a.Out, "\nTo use it in Postfix: %s\n", hint.ShellLine(append(s.Verb("apply"), "--cert", path)))
	}
	return nil
}
