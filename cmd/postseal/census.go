package main

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/census"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/maillog"
	"postseal/internal/plan"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
	"postseal/internal/posture"
	"postseal/internal/report"
)

// censusFlags are those of the verb.
type censusFlags struct {
	since, floor, profile, level string
	names                        []string
	schema                       bool
}

func (a *app) censusCmd() *cobra.Command {
	var o censusFlags
	cmd := &cobra.Command{
		Use:   "census [FILE...]",
		Short: "Count what the mail log says of TLS, and whom a stricter setting would cut off",
		Long: `census reads Postfix's log with its rotated files, or systemd's journal, and reports per client and per destination which
versions of TLS were used, which mail went in cleartext, and which handshakes failed. It changes nothing. Files that are
named are read instead; they may be compressed (.gz, .xz, .zst, .bz2), have timestamps in either form, and come from a
container.

With --floor, --profile or --outbound-level, census lists the clients that would lose TLS and the destinations to which
mail would be deferred. A client that used an old version supports none of the newer ones that this server offered: both
sides use the newest version that they share. For cipher suites the number is an upper bound, since the log shows only
the suite that was chosen.

Versions are in the log only if smtpd_tls_loglevel and smtp_tls_loglevel are 1 or more. What the log does not show is
reported as not known, and is null in the JSON. --schema describes the JSON.
`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, files []string) error {
			if o.schema {
				_, err := a.Out.Write(report.CensusSchema)
				return err
			}
			proposal, err := o.proposal()
			if err != nil {
				return err
			}
			since, err := readSince(o.since, a.Machine.Now())
			if err != nil {
				return err
			}
			return a.census(o, files, since, proposal)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "", "leave out what is older than this `time`: 30d, 12h or 2026-11-01")
	f.StringVar(&o.floor, "floor", "", "list the clients that would lose TLS if `VERSION` were the oldest, such as TLSv1.2")
	f.StringVar(&o.profile, "profile", "", "list the clients that would lose TLS with this profile: intermediate, modern, compatible")
	f.StringVar(&o.level, "outbound-level", "", "list the destinations to which mail would be deferred at this `level`: encrypt, verify, secure, dane-only")
	f.StringSliceVar(&o.names, "syslog-name", nil, "further `names` under which Postfix logs (default: those of main.cf and master.cf)")
	f.BoolVar(&o.schema, "schema", false, "print the JSON schema of what --json prints, and stop")
	complete := func(name string, values ...string) {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	complete("floor", floors()...)
	complete("profile", profiles...)
	complete("outbound-level", outboundLevels...)
	return cmd
}

// What the flags accept.
var (
	profiles       = []string{string(interview.Intermediate), string(interview.Modern), string(interview.Compatible)}
	outboundLevels = []string{"may", "encrypt", "dane", "dane-only", "verify", "secure"}
)

func floors() (out []string) {
	for _, p := range postfix.Protocols[2:] {
		out = append(out, string(p))
	}
	return out
}

// proposal is what the flags propose, or nil.
func (o censusFlags) proposal() (*census.Proposal, error) {
	for _, f := range []struct {
		name, value, what string
		values            []string
	}{{"floor", o.floor, "TLS version", floors()}, {"profile", o.profile, "profile", profiles}, {"outbound-level", o.level, "TLS level", outboundLevels}} {
		if f.value != "" && !slices.Contains(f.values, f.value) {
			return nil, cli.Misuse(hint.New(fmt.Sprintf("--%s %.40q is not a %s", f.name, f.value, f.what), "use one of "+strings.Join(f.values, ", ")))
		}
	}
	if o.floor+o.profile+o.level == "" {
		return nil, nil
	}
	p := &census.Proposal{Floor: postfix.Protocol(o.floor), OutboundLevel: o.level}
	profile := interview.Profile(o.profile)
	if profile == "" || profile == interview.Compatible {
		return p, nil
	}
	p.Floor = cmp.Or(p.Floor, postfix.TLSv12) // as the question min-protocol suggests
	left, _ := posture.Suites{List: "HIGH", Excluded: plan.Excluded(profile, p.Floor)}.Left("RSA", "ECDSA")
	p.Suites = []string{}
	for _, s := range left {
		p.Suites = append(p.Suites, s.OpenSSL)
	}
	return p, nil
}

// words are the flags of the proposal.
func (o censusFlags) words() string {
	var out []string
	for _, f := range [][2]string{{"--floor", o.floor}, {"--profile", o.profile}, {"--outbound-level", o.level}} {
		if f[1] != "" {
			out = append(out, f[0]+" "+f[1])
		}
	}
	return strings.Join(out, " ")
}

// readSince reads --since: a number of days or hours, or a day.
func readSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		if t.After(now) {
			return t, cli.Misuse(hint.New("--since "+text+" is in the future", "use a day that has passed, or a number of days, such as 30d"))
		}
		return t, nil
	}
	unit := map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour}[text[len(text)-1]]
	n, err := strconv.Atoi(text[:len(text)-1])
	if err != nil || unit == 0 || n <= 0 || n > 100_000 {
		return time.Time{}, cli.Misuse(hint.New(fmt.Sprintf("--since %.40q is not a time", text), "use a number of days or hours, such as 30d, or a day, such as 2026-11-01"))
	}
	return now.Add(-time.Duration(n) * unit), nil
}

// census reads the log and prints what it says.
func (a *app) census(o censusFlags, files []string, since time.Time, proposal *census.Proposal) error {
	f, err := detect.Logging(a.Ctx, host.ReadOnly{Reader: a.Machine}, a.settings.ConfigDir)
	log, implicit, taken := maillog.Source{Names: maillog.DefaultNames}, false, report.Taken{Proposal: proposal, Words: o.words()}
	switch {
	case err == nil:
		log, implicit = f.MailLog(), unlabelled(f)
		taken.Observe = observe(f)
	case len(files) == 0 || a.settings.ConfigDir != "":
		return err
	} // else it may be the log of another machine, and the names are the default ones
	log.Names = append(slices.Clone(log.Names), o.names...)
	show, done := a.progress("reading the log")
	taken.Census, err = census.Read(a.Ctx, a.Machine, census.Sources{Log: log, Files: files, Since: since, Implicit: implicit, Own: ownAddresses(), Progress: show})
	done()
	if err != nil {
		return err
	}
	if a.JSON {
		return a.Printer(a.Out).JSON(report.CensusJSON(taken))
	}
	a.Printer(a.Out).Census(taken)
	return nil
}

// observe is the command that makes Postfix log its handshakes, and changes nothing else.
func observe(f *detect.Facts) string {
	var set []string
	for _, name := range []string{"smtpd_tls_loglevel", "smtp_tls_loglevel"} {
		if level, err := strconv.Atoi(f.Config.Text(nil, name)); err != nil || level < 1 {
			set = append(set, name+"=1")
		}
	}
	if len(set) == 0 {
		return ""
	}
	return hint.ShellLine(append([]string{"postconf", "-c", f.Config.Dir, "-e"}, set...)) + " && " + hint.ShellLine([]string{"postfix", "-c", f.Config.Dir, "reload"})
}

// unlabelled reports whether TLS begins at once on a service that has no name of its own
// in the log.
func unlabelled(f *detect.Facts) bool {
	if f.Config.Master == nil {
		return false
	}
	return slices.ContainsFunc(f.Config.Master.Services(), func(s mastercf.Service) bool {
		return s.Program() == "smtpd" && f.Config.Bool(&s, "smtpd_tls_wrappermode") && f.Config.Text(&s, "syslog_name") == f.Config.Text(nil, "syslog_name")
	})
}

// ownAddresses are those of this machine's interfaces.
func ownAddresses() (out []string) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil // then only the loopback addresses are known as its own
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			out = append(out, n.IP.String())
		}
	}
	return out
}

// progress shows how much of a long read is done, on a terminal and from one second on.
func (a *app) progress(what string) (show func(read, all int64), done func()) {
	if a.JSON || !a.OnTerminal() {
		return nil, func() {}
	}
	p := report.NewProgress(a.Err, what, a.Machine.Now)
	return p.Show, p.Done
}
