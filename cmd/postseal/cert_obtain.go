package main

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postseal/certs/acme"
	"postseal/certs/authority"
	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/lineage"
	"postseal/internal/report"
	"postseal/internal/session"
)

// obtainFlags are the flags of cert obtain that are no answers.
type obtainFlags struct {
	staging, accept, noRehearsal, listProfiles bool
	risks                                      []string
}

func (a *app) certObtainCmd() *cobra.Command {
	var o obtainFlags
	var answers answerFlags
	cmd := &cobra.Command{
		Use:   "obtain",
		Short: "Get a certificate from a CA by ACME, and install it where Postfix reads it",
		Long: `obtain orders a certificate for this server's names (myhostname and the hosts of its MX records, or --name), has the CA
validate them, rehearses the result on a private Postfix, and installs key and chain as one file in the certificates
directory. If Postfix already shows that file, obtain verifies the new certificate with a handshake, and restores the old
one if that fails.

If the CA has a staging environment, obtain tests the whole order there first, where mistakes cost nothing. A repeated
order keeps the key and reuses the earlier answers.
` + knownCAs(authority.Known()),
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.certObtain(o, answers.given()) },
	}
	answers.add(cmd, interview.NewOrder(authority.Known(), detect.Web{}).Set)
	f := cmd.Flags()
	f.BoolVar(&o.staging, "staging", false, "only test the order in the CA's staging environment: nothing is kept or installed")
	f.BoolVar(&o.noRehearsal, "no-rehearsal", false, "do not test the order in the CA's staging environment first")
	f.BoolVar(&o.accept, "accept-terms", false, "you have read the CA's terms of service and accept them")
	f.BoolVar(&o.listProfiles, "list-profiles", false, "show the CA's profiles and terms, and do nothing")
	f.StringSliceVar(&o.risks, "accept-risk", nil, lineageRisks)
	_ = cmd.RegisterFlagCompletionFunc("accept-risk", cobra.FixedCompletions([]string{lineage.RiskUnprovedDANE}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// lineageRisks is the help of --accept-risk for certificates.
const lineageRisks = "`names` of risks that you accept, now and at each renewal for 90 days: " + lineage.RiskUnprovedDANE

// knownCAs is the part of the help about CAs.
func knownCAs(all authority.List) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nKnown CAs, as of %s (your own list: %s):\n", all.AsOf, lineage.CAList)
	for _, c := range all.CAs {
		fmt.Fprintf(&b, "  %-12s %s: %s\n", c.Name, c.Title, c.Note)
	}
	return b.String()
}

func (a *app) certObtain(o obtainFlags, given map[string][]string) error {
	s, err := a.open()
	if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
		return err
	}
	if given, err = ownProvider(given); err != nil {
		return cli.Misuse(err)
	}
	order, answers, err := s.Order(a.Ctx, given)
	if order == nil {
		return err
	}
	if err := errors.Join(err, order.Check(s.Facts, answers)); err != nil {
		return cli.Misuse(err)
	}
	d, err := order.Decide(s.Facts, answers)
	if err != nil {
		return cli.Misuse(err)
	}
	k := a.keeper(s)
	if o.staging && d.CA.Staging == "" {
		return cli.Misuse(hint.New(d.CA.Title+" has no staging environment that postseal knows of", "leave --staging out, or add the staging environment to "+lineage.CAList))
	}
	if o.listProfiles {
		return a.showCA(k, lineage.From(d, nil), d.CA)
	}
	if !s.Facts.Root {
		return hint.New("keys are kept where only root can read them", "run it as root: sudo postseal cert obtain ...")
	}
	if err := new(lineage.Lineage).Accept(o.risks); err != nil {
		return cli.Misuse(err)
	}
	l, release, err := k.Begin(d, o.risks)
	if err != nil {
		return err
	}
	defer func() { _ = release() }()
	if d.Challenge == interview.ProofByHand {
		if !a.OnTerminal() || a.JSON {
			return cli.Misuse(hint.New("a record made by hand needs a person at a terminal", "run it on one and without --json, or choose another --challenge"))
		}
		k.ByHand = &acme.Manual{Done: a.enters()}
	}
	terms, err := k.Terms(d, o.accept)
	if err != nil {
		return err
	}
	say := func(text string) {
		if !a.JSON {
			fmt.Fprintln(a.Out, text)
		}
	}
	if d.CA.Staging != "" && (o.staging || !o.noRehearsal) {
		say("Testing against the CA's staging environment.")
		if err := k.Rehearse(a.Ctx, l, d.CA.Staging, terms); err != nil {
			return err
		}
	}
	if o.staging {
		if a.JSON {
			return a.Printer(a.Out).JSON(map[string]any{"name": l.Name, "tried": true, "files": []string{}})
		}
		fmt.Fprintln(a.Out, "\nThe test succeeded. Nothing was installed; run the same command without --staging to order the certificate.")
		return nil
	}
	say("Ordering from " + d.CA.Title + ".")
	notes := []string{}
	if a.JSON {
		k.Step = func(e apply.Event) {
			if e.State == apply.Noted {
				notes = append(notes, e.Step+": "+e.Text)
			}
		}
	}
	if err := k.Obtain(a.Ctx, l, terms); err != nil {
		return err
	}
	files := k.Ordered(l)
	if a.JSON {
		return a.Printer(a.Out).JSON(map[string]any{"name": l.Name, "files": files, "issued": l.Issued, "notes": notes})
	}
	a.sayObtained(s, l, files)
	return nil
}

// ownProvider takes the ways of our own to make a record, named like a provider
// of DNS, for the challenge that they are: who looks for them finds all in one
// place.
func ownProvider(given map[string][]string) (map[string][]string, error) {
	named := given["dns-provider"]
	if len(named) != 1 || !slices.Contains([]string{"rfc2136", "exec", "manual"}, named[0]) {
		return given, nil
	}
	kind := "dns-" + named[0]
	if c := given["challenge"]; len(c) > 0 && c[0] != kind && c[0] != interview.ProofProvider {
		return nil, hint.New(fmt.Sprintf("--dns-provider %s contradicts --challenge %.40q", named[0], c[0]), "give one of them")
	}
	given = maps.Clone(given)
	delete(given, "dns-provider")
	given["challenge"] = []string{kind}
	return given, nil
}

// keeper keeps the certificates of this server, and says what it does.
func (a *app) keeper(s *session.Session) *lineage.Keeper {
	k := s.Keeper()
	if !a.JSON {
		k.Step, k.Record = a.Printer(a.Out).Step, a.record
	}
	return k
}

// record shows a record that is to be made, or to be taken away.
func (a *app) record(line string, made bool) {
	if made {
		fmt.Fprintf(a.Out, "This record is no longer needed:\n  %s\n", report.Clean(line))
		return
	}
	fmt.Fprintf(a.Out, "Add this record, and press Enter when it is published:\n  %s\n", report.Clean(line))
}

// enters sends for each line that is entered.
func (a *app) enters() <-chan struct{} {
	out := make(chan struct{})
	go func() {
		s := bufio.NewScanner(a.In)
		for s.Scan() {
			select {
			case out <- struct{}{}:
			case <-a.Ctx.Done():
				return
			}
		}
	}()
	return out
}

// showCA shows what a CA says of itself.
func (a *app) showCA(k *lineage.Keeper, l *lineage.Lineage, ca authority.CA) error {
	m, err := k.Meta(a.Ctx, l)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.Printer(a.Out).JSON(m)
	}
	fmt.Fprintf(a.Out, "%s\nterms of service  %s\n", report.Clean(ca.Title), report.Clean(m.Terms))
	for _, name := range slices.Sorted(maps.Keys(m.Profiles)) {
		fmt.Fprintf(a.Out, "profile %-12s %s\n", report.Clean(name), report.Clean(m.Profiles[name]))
	}
	if m.EAB {
		fmt.Fprintln(a.Out, "It requires an account created on its web page: --eab-kid, --eab-hmac-file.")
	}
	return nil
}
