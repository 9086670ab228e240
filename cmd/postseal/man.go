package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"postseal/cmd/cli"
	"postseal/internal/hint"
	"postseal/internal/host"
)

func (a *app) manCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the manual pages into a directory",
		Long: `man writes one page for each verb, such as postseal-apply.1, for /usr/local/share/man/man1.
`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if st, err := a.Machine.Stat(args[0]); err != nil || !st.Mode.IsDir() {
				return cli.Misuse(fmt.Errorf("%.80q is not a directory", args[0]))
			}
			err := a.writeManual(cmd.Root(), args[0])
			if errors.Is(err, host.ErrStrangeLink) || errors.Is(err, host.ErrNotRegular) || errors.Is(err, host.ErrExposed) {
				err = hint.Wrap(err, "remove it, or use a directory that no other account can write to")
			}
			return err
		},
	}
}

// writeManual writes the page of a command, and those of the verbs below it.
func (a *app) writeManual(cmd *cobra.Command, dir string) error {
	if err := a.Machine.Save(filepath.Join(dir, pageName(cmd)+".1"), []byte(manual(cmd)), 0o644); err != nil {
		return fmt.Errorf("writing the manual pages: %w", err)
	}
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := a.writeManual(c, dir); err != nil {
			return err
		}
	}
	return nil
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// keptFiles are what postseal reads and writes, for the section FILES.
var keptFiles = [][2]string{
	{"/etc/postseal/postseal.toml", "The answers, kept up to date by apply. Each is also a flag."},
	{"/etc/postseal/certs", "Keys with their certificate chains."},
	{"/var/lib/postseal", "The journal, the receipts and the backups of runs."},
}

// manual is the page of a command, in the macros of man(7).
func manual(cmd *cobra.Command) string {
	var b strings.Builder
	section := func(name string) { fmt.Fprintf(&b, ".SH %s\n", name) }
	fmt.Fprintf(&b, ".TH %q 1 \"\" %q \"postseal\"\n", strings.ToUpper(pageName(cmd)), "postseal "+cli.Version)
	section("NAME")
	fmt.Fprintf(&b, "%s \\- %s\n", roff(pageName(cmd)), roff(cmd.Short))
	section("SYNOPSIS")
	_, takes, _ := strings.Cut(cmd.Use, " ")
	fmt.Fprintf(&b, "\\fB%s\\fR [\\fIoptions\\fR] %s\n", roff(cmd.CommandPath()), roff(takes))
	section("DESCRIPTION")
	b.WriteString(paragraphs(strings.TrimSuffix(strings.TrimSuffix(cmd.Long, exitHint), cli.ExitHelp())))
	options := func(name string, set *pflag.FlagSet) {
		if set.HasAvailableFlags() {
			section(name)
			set.VisitAll(func(f *pflag.Flag) { b.WriteString(option(f)) })
		}
	}
	options("OPTIONS", cmd.LocalNonPersistentFlags())
	if cmd.HasParent() {
		options("\"OPTIONS OF EVERY COMMAND\"", cmd.InheritedFlags())
	} else {
		options("\"OPTIONS OF EVERY COMMAND\"", cmd.PersistentFlags())
	}
	section("\"EXIT STATUS\"")
	for _, c := range cli.ExitCodes {
		fmt.Fprintf(&b, ".TP\n%d\n%s\n", c.Code, roff(c.Text))
	}
	section("FILES")
	for _, f := range keptFiles {
		fmt.Fprintf(&b, ".TP\n.I %s\n%s\n", roff(f[0]), roff(f[1]))
	}
	if cmd.Example != "" {
		section("EXAMPLES")
		b.WriteString(".nf\n" + roff(cmd.Example) + "\n.fi\n")
	}
	section("\"SEE ALSO\"")
	var also []string
	if cmd.HasParent() {
		also = append(also, pageName(cmd.Parent()))
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			also = append(also, pageName(c))
		}
	}
	for i, name := range also {
		also[i] = "\\fB" + roff(name) + "\\fR(1)"
	}
	b.WriteString(strings.Join(append(also, "\\fBpostconf\\fR(5)"), ", ") + "\n")
	return b.String()
}

// option is a flag with what it takes and what it does.
func option(f *pflag.Flag) string {
	if f.Hidden {
		return ""
	}
	takes, usage := pflag.UnquoteUsage(f)
	name := "\\fB\\-\\-" + roff(f.Name) + "\\fR"
	if f.Shorthand != "" {
		name = "\\fB\\-" + f.Shorthand + "\\fR, " + name
	}
	if takes != "" {
		name += " \\fI" + roff(takes) + "\\fR"
	}
	return ".TP\n" + name + "\n" + roff(usage) + "\n"
}

// paragraphs are the paragraphs of a description; a line that is indented, as in a list,
// stays a line.
func paragraphs(text string) string {
	var b strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		switch {
		case line == "":
			b.WriteString(".PP\n")
		case strings.HasPrefix(line, " "):
			b.WriteString(".br\n" + roff(strings.TrimLeft(line, " ")) + "\n")
		default:
			b.WriteString(roff(line) + "\n")
		}
	}
	return b.String()
}

// roff escapes text: no line of it is taken for a request.
func roff(text string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
