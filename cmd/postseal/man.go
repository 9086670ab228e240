package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

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
			root := cmd.Root()
			root.DisableAutoGenTag = true
			err := a.writeManual(root, args[0])
			if errors.Is(err, host.ErrStrangeLink) || errors.Is(err, host.ErrNotRegular) || errors.Is(err, host.ErrExposed) {
				err = hint.Wrap(err, "remove it, or use a directory that no other account can write to")
			}
			return err
		},
	}
}

// writeManual writes the page of a command, and those of the verbs below it.
func (a *app) writeManual(cmd *cobra.Command, dir string) error {
	var page bytes.Buffer
	if err := doc.GenMan(cmd, &doc.GenManHeader{Title: "POSTSEAL", Section: "1", Source: "postseal " + cli.Version}, &page); err != nil {
		return err
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	if err := a.Machine.Save(filepath.Join(dir, name), page.Bytes(), 0o644); err != nil {
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
