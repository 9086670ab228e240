package main

import (
	"strings"

	"github.com/spf13/cobra"

	"postseal/certs/dnsproviders"
	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/interview"
	"postseal/internal/lineage"
	"postseal/internal/session"
)

// completer is what cobra calls when Tab is pressed.
type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeAnswer completes the flag of a question: with the names of its answers, and
// with files where an answer is a path. What is only an example is no answer.
func completeAnswer(q ask.Item[interview.Facts]) completer {
	var names []string
	for _, c := range q.Named() {
		names = append(names, c.Text)
	}
	if q.Name() == "dns-provider" {
		names = append(names, providerCodes()...)
	}
	directive := cobra.ShellCompDirectiveNoFileComp
	if example, ok := q.FreeText(); ok && strings.HasPrefix(example, "/") {
		directive = cobra.ShellCompDirectiveDefault
	}
	return cobra.FixedCompletions(names, directive)
}

// completeNoArgs keeps the shell from completing files where a verb takes no argument.
func completeNoArgs(cmd *cobra.Command) {
	if cmd.Args != nil && cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && cmd.Args(cmd, []string{"any"}) != nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, c := range cmd.Commands() {
		completeNoArgs(c)
	}
}

// providerCodes are the short names of DNS providers.
func providerCodes() []string {
	var out []string
	for _, p := range dnsproviders.All() {
		out = append(out, p.Code)
	}
	return out
}

// completeRuns completes the ID of a run, newest first, with what it was.
func (a *app) completeRuns(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	all, err := apply.Standing(a.Machine, a.stateDir(), a.settings.ConfigDir)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var out []string
	for _, r := range all {
		out = append(out, cobra.CompletionWithDesc(r.ID, r.Kind+" of "+r.When.Local().Format("2006-01-02 15:04")+", "+string(r.Phase)))
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeLineages completes the name of a certificate that was obtained here.
func (a *app) completeLineages(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	s := session.Unread(a.Machine, a.settings)
	all, err := lineage.Store{M: a.Machine, StateDir: s.StateDir, CertsDir: s.CertsDir}.All()
	if err != nil && len(all) == 0 {
		return nil, cobra.ShellCompDirectiveError
	}
	var out []string
	for _, l := range all {
		out = append(out, l.Name)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
