package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"postseal/certs"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/plan"
	"postseal/internal/report"
	"postseal/internal/session"
)

func (a *app) certSelfSignedCmd() *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "self-signed",
		Short: "Make a certificate without a CA: enough for DANE, and nothing for who checks by CAs",
		Long: `self-signed makes a key and a certificate for this server's names (or --name), good for ten years, in a file of its own.
Senders that use DANE go by the key in its TLSA record alone, and senders that encrypt without proof take any; senders
that check certificates by their CA, as MTA-STS has them, hold their mail back. Made again, the key stays.
`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.certSelfSigned(names) },
	}
	cmd.Flags().StringArrayVar(&names, "name", nil, "a `host` name that it should cover (default: this server's); may be repeated")
	return cmd
}

func (a *app) certSelfSigned(names []string) error {
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
	path, chain, made, err := s.Keeper().SelfSigned(names)
	if err != nil {
		return err
	}
	record := certs.NewTLSA(chain.Leaf()).String()
	if a.json {
		return a.printer(a.out).JSON(map[string]any{"file": path, "made": made, "names": names, "tlsa": record})
	}
	state := "There already"
	if made {
		state = "Made"
	}
	fmt.Fprintf(a.out, "%s: %s\n\nFor DANE, in a signed zone:\n", state, report.Clean(path))
	for _, n := range names {
		fmt.Fprintf(a.out, "  _25._tcp.%s. IN TLSA %s\n", report.Clean(n), record)
	}
	next := append(s.Verb("apply"), "--cert", path)
	if plan.Uses(s.Facts, path) {
		next = []string{"postfix", "-c", s.ConfigDir, "reload"}
	}
	fmt.Fprintf(a.out, "\nShown by Postfix after: %s\n", report.ShellLine(next))
	return nil
}
