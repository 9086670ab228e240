package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/hint"
	"postseal/templates"
)

// hooks are where the clients want a program that runs after each renewal, or
// how to name one.
var hooks = []struct{ client, how string }{
	{"certbot", "save it as /etc/letsencrypt/renewal-hooks/deploy/postseal, mode 0755. With DANE also: certbot reconfigure --cert-name NAME --reuse-key, so that the TLSA record holds"},
	{"dehydrated", "call it from the function deploy_cert of your hook script"},
	{"acme.sh", "save it as /etc/postseal/deploy-hook, mode 0755; then acme.sh --install-cert -d NAME --reloadcmd /etc/postseal/deploy-hook"},
	{"step", "save it as /etc/postseal/deploy-hook, mode 0755; then step ca renew --daemon --exec /etc/postseal/deploy-hook CERT KEY"},
	{"lego", "save it as /etc/postseal/deploy-hook, mode 0755; then lego renew --renew-hook /etc/postseal/deploy-hook"},
}

func (a *app) certHookCmd() *cobra.Command {
	var clients []string
	for _, h := range hooks {
		clients = append(clients, h.client)
	}
	return &cobra.Command{
		Use:       "hook CLIENT",
		Short:     "Print the program that " + strings.Join(clients, ", ") + " should run after a renewal",
		ValidArgs: clients,
		Long: `postseal uses a certificate that another client renews in place, and leaves it to that client. After each renewal the
client must reload Postfix and check that the listeners show the new certificate. hook prints a script that does so, and
says where to install it.
`,
		Args: cli.UsageArgs(func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return hint.New("a hook is for one client", "one of "+strings.Join(clients, ", "))
			}
			return nil
		}),
		RunE: func(_ *cobra.Command, args []string) error {
			i := slices.Index(clients, args[0])
			if i < 0 {
				return cli.Misuse(hint.New(fmt.Sprintf("no hook is known for %.40q", args[0]), "one of "+strings.Join(clients, ", ")))
			}
			if a.JSON {
				return a.Printer(a.Out).JSON(map[string]string{"client": hooks[i].client, "how": hooks[i].how, "program": templates.DeployHook})
			}
			fmt.Fprint(a.Out, templates.DeployHook)
			fmt.Fprintf(a.Err, "%s: %s\n", hooks[i].client, hooks[i].how)
			return nil
		},
	}
}
