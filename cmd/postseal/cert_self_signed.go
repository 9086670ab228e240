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
		Short: "Make a certificate without a CA: enough for DANE, and nothing for who checks by CAs",
		Long: `self-signed makes a key and a certificate for this server's names (or --name), good for ten years, in a file of its own.
Senders that use DANE go by the key in its TLSA record alone, and senders that encrypt without proof take any; senders
that check certificates by their CA, as MTA-STS has them, hold their mail back. Made again, the key stays; one that Postfix shows is then tried on a private
Postfix, put in place and proved, or the old one comes back. It is not put in place if TLSA records are published and
none matches it.
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
		fmt.Fprintln(a.Out, "\nPostfix was reloaded, and shows it now.")
	case inUse:
		fmt.Fprintln(a.Out, "\nPostfix shows it.")
	default:
		fmt.Fprintf(a.Out, "\nShown by Postfix after: %s\n", hint.ShellLine(append(s.Verb("apply"), "--cert", path)))
	}
	return nil
}
