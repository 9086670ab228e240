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
		Long: `pin gives a destination a level, whatever the evidence says, until you end it with --remove. The levels are those of
smtp_tls_policy_maps: ` + strings.Join(pinLevels, ", ") + `. At level secure, the names of the MTA-STS policy are used
if there is one, and else the destination's own name.
`,
		Args: cli.UsageArgs(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case remove && (len(args) == 2 || cmd.Flags().Changed("reason")):
				return cli.Misuse(hint.New("--remove takes neither a level nor a reason", "name the domain alone"))
			case remove:
				return a.removeOrder(args[0], policy.Pin)
			case len(args) != 2:
				return cli.Misuse(hint.New("the level to pin is missing", "use one of "+strings.Join(pinLevels, ", ")))
			case !slices.Contains(pinLevels, args[1]):
				return cli.Misuse(hint.New(fmt.Sprintf("%.40q is not a TLS level", args[1]), "use one of "+strings.Join(pinLevels, ", ")))
			}
			return a.order(args[0], policy.Order{Kind: policy.Pin, Level: args[1], Reason: reason})
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return pinLevels, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "end the pin: evidence decides again")
	cmd.Flags().StringVar(&reason, "reason", "pinned by the administrator", "the reason, as `text` for readers of the table")
	return cmd
}

func (a *app) policyExceptCmd() *cobra.Command {
	var remove bool
	var until, reason string
	cmd := &cobra.Command{
		Use:   "except DOMAIN --until DATE --reason TEXT",
		Short: "Let mail to a destination pass without its policy, until a date",
		Long: `except sets level may for a destination until a date: mail is encrypted where possible, and nothing is verified. Afterwards
the next run of policy sync restores a pin, or the entry from before if what it rests on still holds.
`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if remove {
				if cmd.Flags().Changed("until") || cmd.Flags().Changed("reason") {
					return cli.Misuse(hint.New("--remove takes neither a date nor a reason", "name the domain alone"))
				}
				return a.removeOrder(args[0], policy.Except)
			}
			if until == "" {
				return cli.Misuse(hint.New("the exception has no end", "add --until "+a.Machine.Now().AddDate(0, 0, 7).UTC().Format(time.DateOnly)))
			}
			end, err := time.Parse(time.DateOnly, until)
			switch now := a.Machine.Now(); {
			case err != nil:
				return cli.Misuse(hint.New(fmt.Sprintf("--until %.40q is not a date", until), "write it as "+now.AddDate(0, 0, 7).UTC().Format(time.DateOnly)))
			case !end.After(now):
				return cli.Misuse(hint.New("--until "+until+" has passed", "write a later date: "+now.AddDate(0, 0, 7).UTC().Format(time.DateOnly)))
			case strings.TrimSpace(reason) == "":
				return cli.Misuse(hint.New("the exception has no reason", "give one with --reason"))
			}
			return a.order(args[0], policy.Order{Kind: policy.Except, Until: end, Reason: reason})
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&until, "until", "", "the `date` on which the exception ends: YYYY-MM-DD")
	cmd.Flags().StringVar(&reason, "reason", "", "the reason, as `text` for readers of the table")
	cmd.Flags().BoolVar(&remove, "remove", false, "end the exception now")
	return cmd
}

// order records what the administrator decides about a domain, and changes its entry at once.
func (a *app) order(text string, o policy.Order) error {
	return a.changeOrder(text, string(o.Kind)+" ", func(p *policies, name string) error {
		if at := p.own.At(name); at != "" {
			return hint.New("your own entry for "+name+" counts: "+at, "change it there")
		}
		o.Since = p.now
		p.state.Order(name, &o, p.setting, p.now)
		return nil
	})
}

// removeOrder ends a pin or an exception, and changes the entry of the domain at once.
func (a *app) removeOrder(text string, kind policy.Kind) error {
	return a.changeOrder(text, "remove "+string(kind)+" ", func(p *policies, name string) error {
		return hint.Wrap(p.state.Remove(name, kind, p.now), "postseal policy list shows the pins and exceptions")
	})
}

// changeOrder changes what is ordered for a domain, and its entry with it.
func (a *app) changeOrder(text, what string, change func(p *policies, name string) error) error {
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
	if err := change(p, name); err != nil {
		return err
	}
	all, err := p.decide()
	if err != nil {
		return err
	}
	return a.changePolicies(p, all.Only(name, p.state), what+name, nil)
}

func (a *app) policyUndoCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "undo",
		Short: "Undo the latest change of the policy table",
		Long: `undo gives the destinations that the latest run changed their entries of before, if nothing has changed them since. What that
run brought does not come back by itself while the evidence stays the same. If an undone run had weakened an
entry, the next run of policy sync weakens it again; pin the destination to prevent that.
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
			return a.changePolicies(p, o, policy.UndoOf(run), nil)
		},
	}
}
