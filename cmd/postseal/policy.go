package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/policy"
	"postseal/internal/session"
)

func (a *app) policyCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "A TLS policy for each destination, from evidence",
		Long: `policy keeps a table for smtp_tls_policy_maps that says, for each destination, how mail must be protected. A level comes
from evidence: TLSA records (DANE), an MTA-STS policy, or sessions that were always protected. It is proposed first, and
enforces nothing until enough sessions have met it. Your own entries, in tables that come earlier, always count.

A destination that withdraws what it published loses its entry at once. Lookups that fail, and servers that do not keep a
promise, change nothing: that is what an attack looks like. What was only seen, and promised by nobody, is given up before
Postfix returns mail. Each change has a reason, and can be undone.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: cli.Verbs,
	}
	cmd.AddCommand(a.policySuggestCmd(), a.policySyncCmd(), a.policyListCmd(), a.policyDrillCmd(), a.policyPinCmd(), a.policyExceptCmd(), a.policyUndoCmd())
	return cmd
}

// policies is what the verbs of policy work on.
type policies struct {
	*session.Session
	store   policy.Store
	state   *policy.State
	table   policy.Table
	own     *policy.Own
	setting policy.Setting
	now     time.Time
}

// policyFlags are those of the verbs that look things up.
type policyFlags struct {
	from         string
	noHandshakes bool
	rule         policy.Rule
}

func (f *policyFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.from, "from", "", "read destinations from this `file`, - for standard input: DOMAIN, or DOMAIN MESSAGES DATE, on each line")
	cmd.Flags().BoolVar(&f.noHandshakes, "no-handshakes", false, "look up DNS and MTA-STS only; connect to no mail server")
	cmd.Flags().IntVar(&f.rule.Clean, "clean", policy.Usual.Clean, "the `number` of sessions that must have met a proposed level")
	cmd.Flags().DurationVar(&f.rule.Span, "span", policy.Usual.Span, "the `time` for which a level must have been proposed")
	cmd.Flags().DurationVar(&f.rule.Patience, "patience", policy.Usual.Patience, "give up a level that the destination does not publish, once no server has met it for this `time`")
	cmd.Flags().IntVar(&f.rule.Changes, "changes", policy.Usual.Changes, "the largest `number` of new or stricter entries in one run")
	cmd.Flags().Lookup("span").DefValue, cmd.Flags().Lookup("patience").DefValue = "72h", "24h"
}

func (f *policyFlags) check() error {
	if f.rule.Clean < 0 || f.rule.Span < 0 || f.rule.Patience < 0 || f.rule.Changes < 0 {
		return cli.Misuse(hint.New("a number or time below 0", "give 0 or more to --clean, --span, --patience and --changes"))
	}
	return nil
}

// openPolicies looks at the server and reads what is stored. Without a rule it is that of
// the latest sync.
func (a *app) openPolicies(rule *policy.Rule) (*policies, error) {
	s, err := a.open()
	if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
		return nil, err
	}
	instance := plan.Instance(s.ConfigDir)
	p := &policies{Session: s, store: policy.At(a.Machine, s.StateDir, instance), now: a.Machine.Now()}
	p.table = policy.TableIn(filepath.Dir(s.CertsDir), instance, s.Facts.MapTypes)
	p.own = policy.OwnIn(a.Ctx, a.Machine, s.Facts, p.table)
	if !s.Facts.Root {
		return nil, hint.New("only root can read the evidence", "run the same command as root, with sudo")
	}
	return p, p.read(rule)
}

// decide applies the rule to all domains. It fails if a table of the administrator could not
// be asked.
func (p *policies) decide() (policy.Outcome, error) {
	o := p.state.Decide(p.own.At, p.setting, p.now)
	return o, p.own.Err()
}

// views are the domains of these names, or all; it fails as decide does.
func (p *policies) views(names []string) ([]policy.View, error) {
	v := p.state.Views(names, p.own.At, p.setting, p.now)
	return v, p.own.Err()
}

// inUse reports whether Postfix reads the table.
func (p *policies) inUse() bool { return policy.InUse(p.Facts, p.table) }

// read reads what is stored.
func (p *policies) read(rule *policy.Rule) (err error) {
	if p.state, err = p.store.Read(); err != nil {
		return err
	}
	p.setting = policy.SettingOf(p.Facts, *cmp.Or(rule, p.state.Rule, &policy.Usual))
	return nil
}

// gatherer returns what looks things up.
func (p *policies) gatherer(noHandshakes bool) (policy.Gatherer, error) {
	roots, err := policy.Roots(p.Machine, p.Facts)
	r := p.Facts.Resolver
	return policy.Gatherer{
		Machine: p.Machine, Resolver: r.Ask(p.Machine), Validates: r.Validates == detect.Yes, Doubt: r.Why,
		Roots: roots, Port: "25", Parallel: 16, NoHandshakes: noHandshakes, Now: p.Machine.Now,
	}, hint.Wrap(err, "correct smtp_tls_CAfile, or choose another with postseal apply --ca-file FILE")
}

// destinations are those of the command line and of a file.
func (a *app) destinations(args []string, from string) (out []policy.Destination, err error) {
	for _, text := range args {
		name, ok := policy.Name(text)
		if !ok {
			return nil, cli.Misuse(hint.New(fmt.Sprintf("%.80q is not a domain", text), "name the domain of the recipients, such as example.org, in its ASCII form: xn--..."))
		}
		out = append(out, policy.Destination{Name: name})
	}
	if from == "" {
		return out, nil
	}
	in := io.Reader(a.In)
	if from != "-" {
		f, err := a.Machine.ReadFile(from)
		if err != nil {
			return nil, fmt.Errorf("reading the destinations: %w", err)
		}
		in = newReader(f)
	}
	more, err := policy.ReadDestinations(in)
	if err != nil {
		return nil, cli.Misuse(hint.Wrap(fmt.Errorf("%s: %w", from, err), hint.Of(err)))
	}
	return append(out, more...), nil
}

// counted adds the destinations to which the log of the last days tells of mail, if none
// are given.
func (p *policies) counted(given []policy.Destination) []policy.Destination {
	if len(given) > 0 || p.Facts.Census == nil {
		return given
	}
	var out []policy.Destination
	for _, d := range p.Facts.Census.Destinations() {
		if name, ok := policy.Name(d.Name); ok && !d.Local && d.Messages > 0 {
			out = append(out, policy.Destination{Name: name, Messages: d.Messages, Last: d.Last})
		}
	}
	return out
}

// names are those of destinations, or, if there are none, of all known domains.
func (p *policies) names(all []policy.Destination) (out []string) {
	for _, d := range all {
		if !slices.Contains(out, d.Name) {
			out = append(out, d.Name)
		}
	}
	if len(out) == 0 {
		for name := range p.state.Domains {
			out = append(out, name)
		}
		slices.Sort(out)
	}
	return out
}

// policyJSON begins what the verbs print as JSON.
func (p *policies) json() map[string]any {
	return map[string]any{
		"version": 1, "when": p.now.UTC().Format(time.RFC3339),
		"table": map[string]any{"name": p.table.Name(), "built": p.table.Built(p.Machine), "in_use": p.inUse()},
	}
}

// notInUse says what to do where Postfix does not read the table yet.
func (a *app) notInUse(p *policies) {
	if !a.JSON && !p.inUse() && len(p.state.Entries) > 0 {
		a.Printer(a.Err).Note("Postfix does not read the table yet: " + hint.ShellLine(append(p.Verb("apply"), "--policy", "evidence")) + " adds it to smtp_tls_policy_maps, after a look at the plan.")
	}
	if p.Facts.Config.Text(nil, "transport_maps") != "" && !a.JSON {
		a.Printer(a.Err).Note("transport_maps is set: for a destination that it routes elsewhere, the entry of that next hop counts.")
	}
	if hop := p.Facts.Config.Text(nil, "relayhost"); hop != "" && !a.JSON {
		a.Printer(a.Err).Note("All mail goes to the relay host " + hop + " (relayhost): entries for domains count only for mail that does not.")
	}
}
