package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/listen"
	"postseal/internal/plan"
	"postseal/internal/postfix"
	"postseal/internal/report"
	"postseal/internal/session"
)

// listening is what the flags of listen say.
type listening struct {
	span           time.Duration
	where          string
	ports          []uint
	floor, profile string
	schema         bool
}

func (a *app) listenCmd() *cobra.Command {
	var o listening
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Read from the wire what TLS your senders support, and which of them a stricter setting would cut off",
		Long: `The mail log shows what a sender and this server agreed on, not what else the sender supports. With --for, listen reads the
first message of each TLS handshake that arrives on the ports of this server, and remembers for each sender its versions,
cipher suites, groups, signature algorithms and the name that it asks for. It never reads mail, and keeps no keys and no
tickets; connections in which postseal probes a server by STARTTLS do not count. It needs root or CAP_NET_RAW. Without
--for, it prints what is known.

With --floor or --profile, listen lists the senders that would have no version, suite, group or signature in common with
this server. It ends with 3 if there are any.

What is known is in listen.json in the state directory, and each run adds to it. A day shows most senders of a busy server;
a sender that writes once a month needs longer.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.schema {
				_, err := a.Out.Write(report.ListenSchema)
				return err
			}
			if cmd.Flags().Changed("for") && o.span <= 0 {
				return cli.Misuse(hint.New("--for must be more than 0", "write 30m or 24h"))
			}
			if o.span == 0 && (len(o.ports) > 0 || cmd.Flags().Changed("interface")) {
				return cli.Misuse(hint.New("--port and --interface need --for", "add --for 24h"))
			}
			return a.listen(o)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&o.span, "for", 0, "listen for this `time`; Ctrl-C ends it earlier, and nothing is lost")
	f.StringVar(&o.where, "interface", "any", "listen on this `interface` alone")
	f.UintSliceVar(&o.ports, "port", nil, "`ports` to listen on, separated by commas (default: those on which Postfix receives)")
	f.StringVar(&o.floor, "floor", "", "list the senders that a minimum TLS `version` would cut off")
	f.StringVar(&o.profile, "profile", "", "list the senders that a `profile` would cut off")
	f.BoolVar(&o.schema, "schema", false, "print the JSON schema of what --json prints, and stop")
	f.Lookup("port").DefValue = ""
	_ = cmd.RegisterFlagCompletionFunc("floor", cobra.FixedCompletions([]string{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("profile", cobra.FixedCompletions([]string{string(interview.Intermediate), string(interview.Modern), string(interview.Compatible)}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) listen(o listening) error {
	proposal, err := o.proposal()
	if err != nil {
		return err
	}
	var facts *detect.Facts
	if proposal != (plan.Proposal{}) || o.span > 0 && len(o.ports) == 0 {
		s, err := a.open()
		if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
			return err
		}
		facts = s.Facts
	}
	h := report.Heard{}
	if proposal != (plan.Proposal{}) {
		server, known := proposal.Server(facts)
		if !known {
			return hint.New("what this server would accept is not known: no listener receives mail from other servers with TLS, or its cipher list was written by hand", "run postseal audit to see what the listeners do")
		}
		h.Proposal, h.Server = proposalText(proposal), &server
	}
	var failed error
	if o.span > 0 {
		h.Store, h.Run, failed = a.hear(o, facts)
	} else {
		h.Store, failed = listen.Load(a.Machine, a.stateDir())
		if errors.Is(failed, fs.ErrNotExist) {
			failed = hint.Run(errors.New("nothing is known of senders yet"), "listen first", []string{"postseal", "listen", "--for", "24h"})
		} else if errors.Is(failed, fs.ErrPermission) {
			failed = hint.Wrap(failed, "run the same command as root, with sudo")
		}
	}
	if h.Store == nil || failed != nil && a.Ctx.Err() == nil {
		return failed
	}
	if a.JSON {
		err = a.Printer(a.Out).JSON(report.ListenJSON(h, a.Machine.Now()))
	} else {
		a.Printer(a.Out).Heard(h)
	}
	if err = cmp.Or(err, failed); err == nil && h.Server != nil && len(h.Store.Affected(*h.Server)) > 0 {
		err = cli.ErrFindings
	}
	return err
}

// hear listens. An interruption is an error that comes with what was seen until then.
func (a *app) hear(o listening, f *detect.Facts) (*listen.Store, *listen.Run, error) {
	ports, err := o.listeners(f)
	if err != nil {
		return nil, nil, err
	}
	done := a.Waiting(fmt.Sprintf("listening until %s", a.Machine.Now().Add(o.span).Format("Mon 15:04:05")))
	store, run, err := listen.Listen(a.Ctx, a.Machine, a.stateDir(), listen.Options{Ports: ports, Interface: o.where, For: o.span})
	done()
	if errors.Is(err, context.Canceled) {
		err = cli.Told(err) // what was seen says it
	}
	return store, &run, err
}

// listeners are the ports to listen on: those given, or those on which Postfix receives
// from other machines.
func (o listening) listeners(f *detect.Facts) (out []uint16, err error) {
	for _, p := range o.ports {
		if p < 1 || p > 65535 {
			return nil, cli.Misuse(hint.New(fmt.Sprintf("--port %d is not a port", p), "write a number from 1 to 65535"))
		}
		out = append(out, uint16(p))
	}
	if f != nil && len(out) == 0 {
		for _, l := range f.Receives(detect.Relay, detect.Submission, detect.Submissions) {
			_, port, err := net.SplitHostPort(l.Addr)
			if n, failed := strconv.ParseUint(port, 10, 16); err == nil && failed == nil && n > 0 {
				out = append(out, uint16(n))
			}
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	switch {
	case len(out) == 0:
		return nil, hint.New("no port on which Postfix receives mail from other machines was found", "name the ports: --port 25,587")
	case len(out) > listen.MaxPorts:
		return nil, hint.New(fmt.Sprintf("%d ports are more than the %d of one run", len(out), listen.MaxPorts), "name some of them: --port 25,587")
	}
	return out, nil
}

// proposal reads --floor and --profile.
func (o listening) proposal() (p plan.Proposal, err error) {
	if o.floor != "" {
		if p.Floor, err = postfix.ParseFloor(o.floor, postfix.Version{}); err != nil || string(p.Floor) != o.floor {
			return p, cli.Misuse(hint.New(fmt.Sprintf("--floor %.40q is not a TLS version", o.floor), "use one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"))
		}
	}
	switch p.Profile = interview.Profile(o.profile); p.Profile {
	case "", interview.Intermediate, interview.Modern, interview.Compatible:
		return p, nil
	}
	return p, cli.Misuse(hint.New(fmt.Sprintf("--profile %.40q does not exist", o.profile), "use one of intermediate, modern, compatible"))
}

// proposalText says a proposal in words.
func proposalText(p plan.Proposal) string {
	var out []string
	if p.Floor != "" {
		name := strings.Replace(string(p.Floor), "TLSv", "TLS ", 1)
		if p.Floor == postfix.TLSv1 {
			name += ".0"
		}
		out = append(out, name+" or later")
	}
	if p.Profile != "" {
		out = append(out, "profile "+string(p.Profile))
	}
	return strings.Join(out, " and ")
}
