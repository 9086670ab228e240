package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"postseal/certs/dnsproviders"
	"postseal/cmd/cli"
	"postseal/internal/hint"
	"postseal/internal/report"
)

func (a *app) certProvidersCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "providers [NAME]",
		Short: "List the DNS providers for --challenge dns, and what each needs",
		Long: `providers lists the DNS providers and programs that can create the record by which a CA validates a name. With NAME it
lists the settings of that provider: pass secrets as files and the rest as values.

If yours is not listed, use --dns-provider rfc2136 (a signed update of a name server), exec (your own program) or manual
(you create the record).
`,
		Args:              cli.UsageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cobra.FixedCompletions(providerCodes(), cobra.ShellCompDirectiveNoFileComp),
		RunE:              func(_ *cobra.Command, args []string) error { return a.certProviders(args) },
	}
}

func (a *app) certProviders(args []string) error {
	all := dnsproviders.All()
	if len(args) == 0 {
		if a.JSON {
			return a.Printer(a.Out).JSON(map[string]any{"providers": all})
		}
		for _, p := range all {
			fmt.Fprintf(a.Out, "%-18s %s\n", p.Code, report.Clean(p.Name))
		}
		return nil
	}
	p, ok := dnsproviders.Find(args[0])
	if !ok {
		return cli.Misuse(hint.New(fmt.Sprintf("no DNS provider is known as %.40q", args[0]), dnsproviders.Near(args[0])))
	}
	if a.JSON {
		return a.Printer(a.Out).JSON(p)
	}
	fmt.Fprintf(a.Out, "%s  %s\nIt needs %s.\n\n", report.Clean(p.Name), p.URL, p.Needs())
	flags := "--dns-provider " + p.Code
	for _, f := range p.Fields {
		kind := ""
		if f.Secret {
			kind = "secret, "
		}
		if f.Optional {
			kind += "optional, "
		}
		fmt.Fprintf(a.Out, "%s\n  %s%s\n", f.Name, kind, report.Clean(f.Text))
		needed := !f.Optional
		if len(p.Sets) > 0 {
			needed = strings.Contains(" "+strings.Join(p.Sets[0], " ")+" ", " "+f.Name+" ")
		}
		switch {
		case needed && f.Secret:
			flags += " --dns-secret-file " + f.Name + "=FILE"
		case needed:
			flags += " --dns-set " + f.Name + "=VALUE"
		}
	}
	_, err := fmt.Fprintf(a.Out, "\npostseal cert obtain %s\n", flags)
	return err
}
