package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/postfix"
	"postseal/internal/rehearse"
	"postseal/internal/report"
	"postseal/internal/session"
)

// guardVerb is the hidden verb of the process that clears up after us.
const guardVerb = "rehearsal-guard"

func (a *app) guardCmd() *cobra.Command {
	return &cobra.Command{
		Use:    guardVerb + " FOLDER",
		Hidden: true,
		Short:  "End the private Postfix in a folder when the standard input ends",
		Args:   cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			callSelf("postseal-guard")
			return rehearse.Guard(args[0], a.In)
		},
	}
}

// callSelf gives this process another name (proc(5), /proc/pid/comm): who kills
// postseal by its name does not mean the one that clears up after it.
func callSelf(name string) { _ = os.WriteFile("/proc/self/comm", []byte(name), 0) }

// guard is the command line of guardCmd; main sets it, since in a test the
// running program is another one.
var guard []string

// self is the path of this program, for what is started when it has ended.
var self string

func (a *app) rehearseCmd() *cobra.Command {
	var flags answerFlags
	var o struct {
		current, matrix     bool
		dnssec              bool
		destination, policy string
	}
	cmd := &cobra.Command{
		Use:   "rehearse",
		Short: "Test the settings on a private Postfix: which senders could still deliver, and what would happen to mail",
		Long: `rehearse starts a private Postfix with the settings that apply would write, or with the current ones (--current). Clients
of many kinds shake hands with each listener. The private Postfix then sends one message to each of many kinds of test
servers on this machine, good and bad, and rehearse reports each result. No mail leaves the machine, and the real Postfix
is not touched. It ends with 3 if something fails or could not be tested.

Hellos that postseal listen has seen are sent again to the listeners for other servers, the most frequent first: the result
shows whether their senders would get through. One that is refused is noted, and is not a failure.

--matrix sends at every TLS level and shows the results side by side; a failure at a level other than the configured one
does not count. --destination tests the policy that a domain has in smtp_tls_policy_maps, or the one in --policy
("secure match=.example.com").
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if o.policy != "" && o.destination == "" {
				return cli.Misuse(hint.New("--policy is for a destination", "give --destination DOMAIN"))
			}
			if level := strings.Fields(o.policy + " -")[0]; o.destination != "" && o.policy != "" && !slices.Contains(rehearse.Levels, level) {
				return cli.Misuse(hint.New(fmt.Sprintf("--policy: %.40q is no TLS level", level), "it begins with one of "+strings.Join(rehearse.Levels, ", ")))
			}
			if o.policy != "" && o.matrix {
				return cli.Misuse(hint.New("--policy sets a level, and --matrix uses every level", "give either --policy or --matrix"))
			}
			if o.current && len(flags.given()) > 0 {
				return cli.Misuse(errors.New("--current uses the settings in effect: give either --current or answers"))
			}
			a.settings.Flags = flags.given()
			c, err := a.candidate(o.current)
			if err != nil {
				return err
			}
			c.Validates = c.Validates || o.dnssec
			if o.matrix || o.destination != "" {
				to := rehearse.Destination{Domain: o.destination, Policy: o.policy}
				return a.rehearseSending(c, to, o.matrix)
			}
			return a.rehearseAll(c)
		},
	}
	// The table of policies is not rehearsed, and --policy has another meaning here.
	flags.add(cmd, slices.DeleteFunc(slices.Clone(interview.All), func(q ask.Item[interview.Facts]) bool { return q.Name() == interview.PolicyKey }))
	f := cmd.Flags()
	f.BoolVar(&o.current, "current", false, "test the settings in effect, not those that apply would write")
	f.BoolVar(&o.matrix, "matrix", false, "send at every TLS level, and show them side by side")
	f.BoolVar(&o.dnssec, "assume-dnssec", false, "assume that the resolver of this server validates DNSSEC")
	f.StringVar(&o.destination, "destination", "", "send as if to this `domain`, with its policy")
	f.StringVar(&o.policy, "policy", "", "the `policy` for the destination, as in smtp_tls_policy_maps")
	_ = cmd.RegisterFlagCompletionFunc("policy", cobra.FixedCompletions(rehearse.Levels, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("destination", cobra.NoFileCompletions)
	return cmd
}

// candidate is what will be rehearsed.
func (a *app) candidate(current bool) (rehearse.Candidate, error) {
	s, err := a.open()
	usable := err == nil || current && s != nil && errors.Is(err, session.ErrAnswers)
	if !usable {
		return rehearse.Candidate{}, err
	}
	if !s.Facts.Root {
		return rehearse.Candidate{}, hint.New("a private Postfix can only be started by root", "run it as root: sudo postseal rehearse")
	}
	if current {
		return s.Candidate(nil, nil), nil
	}
	p, err := s.PlanGiven()
	if err != nil {
		return rehearse.Candidate{}, hint.Wrap(err, "or test the settings in effect: postseal rehearse --current")
	}
	files, err := apply.Assembled(a.Machine, p)
	if err != nil {
		return rehearse.Candidate{}, err
	}
	return s.Candidate(p, files), nil
}

// rehearseAll rehearses receiving and sending.
func (a *app) rehearseAll(c rehearse.Candidate) error {
	tell, done := a.trying("rehearsing on a private Postfix")
	r, err := rehearse.Run(a.Ctx, c, rehearse.Options{Guard: guard, Events: tell, Hellos: a.seen()})
	done()
	if err != nil {
		return err
	}
	if a.JSON {
		err = a.Printer(a.Out).JSON(r)
	} else {
		a.Printer(a.Out).Rehearsal(r)
	}
	if err == nil && len(r.Failures())+len(r.Missing) > 0 {
		err = cli.ErrFindings
	}
	return err
}

// rehearseSending rehearses sending to one destination, or at every level.
func (a *app) rehearseSending(c rehearse.Candidate, to rehearse.Destination, matrix bool) error {
	if to.Domain != "" && to.Policy == "" {
		policy, err := a.policyOf(c, to.Domain)
		if err != nil {
			return err
		}
		to.Policy = policy
	}
	var levels []string
	if matrix {
		levels = rehearse.Levels
		to.Policy = "" // which would be the same at every level
	}
	tell, done := a.trying("sending to many kinds of test servers")
	r, err := rehearse.Send(a.Ctx, c, levels, to, rehearse.Options{Guard: guard, Events: tell})
	done()
	if err != nil {
		return err
	}
	switch {
	case a.JSON:
		err = a.Printer(a.Out).JSON(r)
	case matrix:
		a.Printer(a.Out).Matrix(r)
	default:
		if to.Policy != "" {
			fmt.Fprintf(a.Out, "Policy for %s: %s\n", report.Clean(to.Domain), report.Clean(to.Policy))
		} else {
			fmt.Fprintf(a.Out, "%s has no policy of its own.\n", report.Clean(to.Domain))
		}
		a.Printer(a.Out).Rehearsal(r)
	}
	if err == nil && len(r.Failures()) > 0 {
		err = cli.ErrFindings
	}
	return err
}

// trying says on the terminal how far a rehearsal is, until done is called.
func (a *app) trying(what string) (tell func(rehearse.Trial), done func()) {
	if a.JSON || !a.OnTerminal() {
		return nil, func() {}
	}
	var tried, look int
	show := func() { fmt.Fprintf(a.Err, "\r%s: %d tested, %d to review ", what, tried, look) }
	show()
	return func(t rehearse.Trial) {
			if tried++; t.Verdict != rehearse.Fine {
				look++
			}
			show()
		}, func() {
			fmt.Fprint(a.Err, "\r"+strings.Repeat(" ", len(what)+40)+"\r")
		}
}

// policyOf asks the policy maps for a domain as smtp(8) does.
func (a *app) policyOf(c rehearse.Candidate, domain string) (string, error) {
	text := c.Config.Text(nil, "smtp_tls_policy_maps")
	if smtp, ok := c.Config.Master.Find("smtp", "unix"); ok {
		text = c.Config.Text(&smtp, "smtp_tls_policy_maps")
	}
	for _, key := range detect.PolicyKeys(domain) {
		for _, m := range postfix.Tables(text) {
			o, err := a.Machine.Run(a.Ctx, "postmap", "-c", c.Config.Dir, "-q", key, m)
			if err != nil {
				return "", err
			}
			if text := bytes.TrimSpace([]byte(o.Stderr)); o.Code != 0 && len(text) > 0 {
				return "", fmt.Errorf("asking %s for %s: %.200s", m, key, text)
			}
			if policy := strings.TrimSpace(o.Stdout); policy != "" {
				return policy, nil
			}
		}
	}
	return "", context.Cause(a.Ctx)
}
