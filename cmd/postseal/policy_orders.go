package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/hint"
	"postseal/internal/policy"
)

// newReader reads bytes.
func newReader(b []byte) io.Reader { return bytes.NewReader(b) }

// pinLevels are those that a destination can be pinned to.
var pinLevels = []string{"may", "encrypt", "dane", "dane-only", "verify", "secure"}

func (a *app) policyPinCmd() *cobra.Command {
	var remove bool
	var reason string
	cmd := &cobra.Command{
		Use:   "pin DOMAIN LEVEL",
		Short: "Set the level of a destination yourself",
		Long: `pin gives a destination a level, whatever the evidence says, until you take it back with --remove. The levels are those of
smtp_tls_policy_maps: ` + strings.Join(pinLevels, ", ") + `. At level secure, the names of the MTA-STS policy are used
if there is one, and else the destination's own name.
`,
		Args: cli.UsageArgs(cobra.RangeArgs(1, 2)),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case remove && len(args) == 2:
				return cli.Misuse(hint.New("--remove takes no level", "name the domain alone"))
			case !remove && (len(args) != 2 || !slices.Contains(pinLevels, args[1])):
				return cli.Misuse(hint.New("no level to pin", "the levels are "+strings.Join(pinLevels, ", ")))
			}
			o := &policy.Order{Kind: policy.Pin, Reason: reason}
			if remove {
				o = nil
			} else {
				o.Level = args[1]
			}
			return a.order(args[0], o)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return pinLevels, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "take the pin back: evidence decides again")
	cmd.Flags().StringVar(&reason, "reason", "pinned by the administrator", "`text` that says why, for whoever reads the table")
	return cmd
}

func (a *app) policyExceptCmd() *cobra.Command {
	var remove bool
	var until, reason string
	cmd := &cobra.Command{
		Use:   "except DOMAIN --until DATE --reason TEXT",
		Short: "Let mail to a destination pass without its policy, until a date",
		Long: `except sets level may for a destination until a date: mail is encrypted where possible, and nothing is verified. Afterwards
the next run of policy sync restores the entry from before, if what it rests on still holds.
`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if remove {
				return a.order(args[0], nil)
			}
			end, err := time.Parse(time.DateOnly, until)
			switch now := a.Machine.Now(); {
			case err != nil:
				return cli.Misuse(hint.New(fmt.Sprintf("--until %.40q is no date", until), "write it as "+now.AddDate(0, 0, 7).UTC().Format(time.DateOnly)))
			case !end.After(now):
				return cli.Misuse(hint.New("--until "+until+" has passed", "write a later date: "+now.AddDate(0, 0, 7).UTC().Format(time.DateOnly)))
			case strings.TrimSpace(reason) == "":
				return cli.Misuse(hint.New("an exception has no reason", "say why with --reason"))
			}
			return a.order(args[0], &policy.Order{Kind: policy.Except, Until: end, Reason: reason})
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&until, "until", "", "the `date` on which the exception ends: YYYY-MM-DD")
	cmd.Flags().StringVar(&reason, "reason", "", "`text` that says why")
	cmd.Flags().BoolVar(&remove, "remove", false, "end the exception now")
	return cmd
}

// order notes what the administrator decides about a domain, or with nil that evidence
// decides again, and changes its entry at once.
func (a *app) order(text string, o *policy.Order) error {
	wanted, err := a.destinations([]string{text}, "")
	if err != nil {
		return err
	}
	name := wanted[0].Name
	p, release, err := a.holdPolicies(nil)
	if err != nil {
		return err
	}
	defer release()
	if at := p.own.At(name); at != "" && o != nil {
		return hint.New("your own entry for "+name+" counts: "+at, "change it there")
	}
	what := "order for " + name + " taken back"
	if o != nil {
		o.Since = p.now
		what = string(o.Kind) + " " + name
	}
	if err := p.state.Order(name, o, p.setting, p.now); err != nil {
		return hint.Wrap(err, "postseal policy list shows which there are")
	}
	all, err := p.decide()
	if err != nil {
		return err
	}
	return a.changePolicies(p, all.Only(name, p.state), what)
}

func (a *app) policyUndoCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "undo",
		Short: "Undo the latest change of the policy table",
		Long: `undo gives the destinations that the latest run changed their entries of before, if nothing has changed them since. What that
run brought does not come back by itself while the evidence stays the same. A demotion that is undone comes again with the
next run of policy sync; pin the destination to prevent that.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			p, release, err := a.holdPolicies(nil)
			if err != nil {
				return err
			}
			defer release()
			o, run, err := p.state.Undo(p.now)
			if err != nil {
				return err
			}
			return a.changePolicies(p, o, policy.UndoOf(run))
		},
	}
}
