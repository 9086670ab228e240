package main

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"postseal/certs/authority"
	"postseal/cmd/cli"
	"postseal/internal/lifecycle"
	"postseal/internal/lineage"
	"postseal/internal/report"
	"postseal/internal/senders"
)

func (a *app) versionCmd() *cobra.Command {
	var facts bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, and how old the built-in data is",
		Long: `version prints the version of postseal, and what it was built with. With --facts it prints what postseal knows as of
a date: which releases of Postfix and OpenSSL are supported, what CAs issue, and what well-known senders offer, with the
sources. Newer data can be put into ` + lifecycle.Path + ` and ` + lineage.CAList + `.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if facts {
				return a.facts()
			}
			revision := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = s.Value[:min(12, len(s.Value))]
					}
				}
			}
			if a.JSON {
				return a.Printer(a.Out).JSON(map[string]string{"version": cli.Version, "revision": revision, "go": runtime.Version()})
			}
			fmt.Fprintf(a.Out, "postseal %s %s %s\n", cli.Version, revision, runtime.Version())
			return nil
		},
	}
	cmd.Flags().BoolVar(&facts, "facts", false, "print the built-in data, with dates and sources")
	return cmd
}

// facts prints what is known as of a date.
func (a *app) facts() error {
	releases, own, err := lifecycle.Load(a.Machine)
	cas, failed := lineage.CAs(a.Machine)
	if err = errors.Join(err, failed); failed != nil {
		cas = authority.Known()
	}
	if a.JSON {
		v := map[string]any{"releases": releases, "cas": cas, "senders": map[string]any{"date": senders.Date(), "left_out": senders.LeftOut(), "senders": senders.All()}}
		return errors.Join(err, a.Printer(a.Out).JSON(v))
	}
	head := func(what, asOf, from string) {
		old := ""
		if day, err := time.Parse(time.DateOnly, asOf); err != nil || a.Machine.Now().After(day.AddDate(1, 0, 0)) {
			old = ": older than a year"
		}
		fmt.Fprintf(a.Out, "%s, as of %s%s%s\n", what, report.Clean(asOf), from, old)
	}
	from := ""
	if own {
		from = " (" + lifecycle.Path + ")"
	}
	head("Releases", releases.AsOf, from)
	for _, b := range releases.Branches {
		state := "supported"
		if b.Ended(a.Machine.Now()) {
			state = "ended"
		}
		if b.Ends != "" {
			state += ", last day " + b.Ends
		}
		if b.Newest != "" {
			state += ", newest " + b.Newest
		}
		fmt.Fprintf(a.Out, "  %s %s: %s\n    %s\n", b.Product, report.Clean(b.Branch), report.Clean(state), report.Clean(b.Source))
	}
	head("Certificate authorities", cas.AsOf, "")
	for _, ca := range cas.CAs {
		fmt.Fprintf(a.Out, "  %s: %s\n    %s\n", report.Clean(ca.Title), report.Clean(ca.Note), report.Clean(ca.Source))
	}
	head("Senders", senders.Date(), "")
	for _, s := range senders.All() {
		fmt.Fprintf(a.Out, "  %s\n    %s\n", report.Clean(s.Name), report.Clean(s.Source))
	}
	return err
}
