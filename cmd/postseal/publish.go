package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/domain"
	"postseal/internal/hint"
	"postseal/internal/lineage"
	"postseal/internal/publish"
	"postseal/internal/session"
)

func (a *app) publishCmd() *cobra.Command {
	var nsupdate bool
	var reportTo string
	cmd := &cobra.Command{
		Use:   "publish [DOMAIN]...",
		Short: "List the DNS records to add and remove, in a safe order, and when",
		Long: `publish looks up the TLSA records of this server's names (DANE, RFC 7672) and compares them with the current and the
next keys. It changes no zone: it prints the records to add and remove, those that are due first. As root it also records
since when the TLSA record of the next key has been published; cert rollover waits for that.

For the domains whose mail this server accepts, or those that you name, it also asks every name server of the zone for the
records of MTA-STS (RFC 8461) and TLS reports (RFC 8460), and fetches the MTA-STS policy. It prints the policy file that
your web server should serve, the records, and the order: first mode testing, later enforce.

It ends with 3 if there is something to do now. MTA-STS and reports count for that only if what is published is wrong, or
if you name the domain.
`,
		Args: cli.UsageArgs(cobra.ArbitraryArgs),
		RunE: func(_ *cobra.Command, names []string) error {
			switch {
			case nsupdate && a.JSON:
				return cli.Misuse(hint.New("--nsupdate and --json exclude each other", "give either --nsupdate or --json"))
			case reportTo != "" && !domain.IsAddress(reportTo):
				return cli.Misuse(hint.New(fmt.Sprintf("--reports-to %.80q is not a mail address", reportTo), "write it as tls-reports@example.org"))
			}
			return a.publish(names, nsupdate, reportTo)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&nsupdate, "nsupdate", false, "print the records that are due as input for nsupdate, and nothing else")
	cmd.Flags().StringVar(&reportTo, "reports-to", "", "the mail `address` for TLS reports, where none is published (default postmaster@DOMAIN)")
	return cmd
}

func (a *app) publish(domains []string, nsupdate bool, reportTo string) error {
	s, err := a.open()
	if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
		return err
	}
	if len(s.Facts.Resolver.Servers) == 0 {
		return hint.New("no DNS resolver is configured", "name one in "+s.Facts.Resolver.Path)
	}
	names, err := a.mailDomains(s, domains)
	if err != nil {
		return err
	}
	mail, err := a.publishMail(s, names, reportTo, len(domains) > 0)
	if err != nil {
		return err
	}
	list := []publish.Report{}
	if len(domains) == 0 {
		list, err = s.Published(a.Ctx, true)
	}
	due := slices.ContainsFunc(list, func(r publish.Report) bool { return len(r.Due())+len(r.Findings) > 0 })
	for _, p := range mail {
		due = due || slices.ContainsFunc(p.Findings, func(f publish.Finding) bool { return len(domains) > 0 || !f.Unknown }) ||
			len(domains) > 0 && slices.ContainsFunc(p.Steps, func(x publish.Step) bool { return x.Due })
	}
	switch {
	case a.JSON && err == nil:
		err = a.Printer(a.Out).JSON(map[string]any{"certificates": list, "domains": mail, "clock": s.Facts.Root})
	case a.JSON:
	case nsupdate && err == nil:
		if len(domains) > 0 { // MTA-STS and reports are published for those who ask
			list = mail
		}
		for _, p := range list {
			fmt.Fprint(a.Out, publish.NSUpdate(p.Steps))
		}
	case nsupdate:
	default:
		if len(domains) == 0 && err == nil {
			a.Printer(a.Out).Published(list, "No certificate is in use: there is no TLSA record to publish.")
			if !s.Facts.Root {
				fmt.Fprintln(a.Out, "Only root can record when TLSA records were first seen: the waiting time of a roll-over did not start.")
			}
		}
		a.Printer(a.Out).Published(mail, "")
	}
	if err == nil && due {
		return cli.ErrFindings
	}
	return err
}

// rollOverRisks are the names that cert rollover takes.
var rollOverRisks = []string{lineage.RiskDANEGap, lineage.RiskUnprovedDANE}

func (a *app) certRollOverCmd() *cobra.Command {
	var compromised bool
	var accepted []string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "rollover NAME",
		Short: "Switch to the next key, once its TLSA record is known everywhere",
		Long: `rollover replaces the current key with the next one and gets a certificate for it. With DANE that is safe only after the
TLSA record of the next key has been published at every name for some time, so that no resolver caches an answer without
it. postseal publish says what to publish, starts the clock, and says when the time has come. Until then, rollover refuses.
If no resolver here validates DNSSEC, rollover cannot know what is published. If the zone is not signed, accept the risk
` + lineage.RiskUnprovedDANE + ` by name, for this certificate and for 90 days.

--compromised switches at once. If TLSA records are published, senders with DANE that have the old ones cached do not
deliver until their cache expires; accept that risk by name: ` + lineage.RiskDANEGap + `. If an attacker may also have read the next key,
remove its file (ALGORITHM.next.pem) first: rollover then makes a new key.
`,
		Args:              cli.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeLineages,
		RunE: func(_ *cobra.Command, names []string) error {
			return a.certRollOver(names, compromised, accepted, wait)
		},
	}
	cmd.Flags().BoolVar(&compromised, "compromised", false, "the current key is compromised")
	cmd.Flags().StringSliceVar(&accepted, "accept-risk", nil, "`names` of risks that you accept: "+strings.Join(rollOverRisks, ", "))
	_ = cmd.RegisterFlagCompletionFunc("accept-risk", cobra.FixedCompletions(rollOverRisks, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().DurationVar(&wait, "wait", publish.Wait, "the minimum `time` for which the record of the next key must have been published")
	return cmd
}

func (a *app) certRollOver(names []string, compromised bool, accepted []string, wait time.Duration) error {
	var ofLineage []string // those that count at each renewal too
	for _, name := range accepted {
		switch name {
		case lineage.RiskDANEGap:
		case lineage.RiskUnprovedDANE:
			ofLineage = append(ofLineage, name)
		default:
			return cli.Misuse(hint.New(fmt.Sprintf("%.40q is not a risk of a roll-over", name), "the names are "+strings.Join(rollOverRisks, ", ")))
		}
	}
	if wait <= 0 {
		return cli.Misuse(hint.New("--wait must be more than 0", "use a time such as 12h; rollover always waits for cached records to expire"))
	}
	k, release, err := a.keep("rollover")
	if err != nil {
		return err
	}
	defer release()
	all, err := chosen(k.Store, names)
	if err != nil {
		return err
	}
	k.Wait = wait
	for _, l := range all {
		if err := l.Accept(ofLineage); err != nil {
			return cli.Misuse(err)
		}
		if compromised && !slices.Contains(accepted, lineage.RiskDANEGap) {
			gap, err := k.Gap(a.Ctx, l)
			if err != nil {
				return err
			}
			if gap {
				return hint.Wrap(fmt.Errorf("%w: %s: senders with DANE that hold the old records do not deliver until they have asked again", apply.ErrRisk, lineage.RiskDANEGap), "--accept-risk "+lineage.RiskDANEGap)
			}
		}
		if err := k.RollOver(a.Ctx, l, compromised); err != nil {
			return apply.Remedy(a.Machine, err)
		}
	}
	if !a.JSON {
		fmt.Fprintln(a.Out, "Postfix uses the next key now. To see what to publish and remove, and when: postseal publish")
	}
	return nil
}
