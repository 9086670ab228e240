package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/hint"
	"postseal/internal/policy"
	"postseal/internal/posture"
	"postseal/internal/report"
)

// queueID is how Postfix names messages in the queue (enable_long_queue_ids).
var queueID = regexp.MustCompile(`^([0-9A-F]{6,20}|[0-9A-Za-z]{10,25})$`)

func (a *app) whyCmd() *cobra.Command {
	var noHandshakes bool
	cmd := &cobra.Command{
		Use:   "why DOMAIN|ADDRESS|QUEUE-ID",
		Short: "Explain how mail to a destination is protected, and what holds it back",
		Long: `why shows the decision for one destination: the TLS level that counts and the line it comes from, what the destination
publishes (MX, TLSA, MTA-STS), how the latest handshakes went, and which messages in the queue wait because of TLS. For
those it says when Postfix returns them, and what would release them. It writes nothing.
`,
		Args:              cli.UsageArgs(cobra.ExactArgs(1)),
		RunE:              func(_ *cobra.Command, args []string) error { return a.why(args[0], noHandshakes) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&noHandshakes, "no-handshakes", false, "look up DNS and MTA-STS only; connect to no mail server")
	return cmd
}

// effective is the level that counts for a destination.
type effective struct {
	Level string   `json:"level"`
	From  string   `json:"from"`
	Match []string `json:"match,omitempty"`
	Fault string   `json:"fault,omitempty"`
}

func (a *app) why(text string, noHandshakes bool) error {
	p, err := a.openPolicies(nil)
	if err != nil {
		return err
	}
	domains, id, err := a.whyAbout(p, text)
	if err != nil {
		return err
	}
	for _, name := range domains {
		p.state.Know([]policy.Destination{{Name: name}})
		p.state.Due(name) // a person asks: what is cached is not enough
	}
	if err := a.gatherPolicies(p, domains, noHandshakes); err != nil {
		return err
	}
	waiting, queueErr := policy.Queue(a.Ctx, a.Machine, p.Facts, func(queued, domain string) bool {
		return slices.Contains(domains, domain) && (id == "" || queued == id)
	})
	if a.JSON && len(domains) == 1 && queueErr == nil {
		out := p.json()
		views, err := p.views(domains)
		if err != nil {
			return err
		}
		e := p.effective(domains[0])
		held, _ := heldFor(waiting, domains[0])
		out["domains"], out["effective"], out["held"] = views, e, held
		if _, commands := p.release(domains[0], e); len(held) > 0 && len(commands) == 1 {
			out["exception"] = commands[0]
		}
		return a.Printer(a.Out).JSON(out)
	}
	if queueErr != nil && !a.JSON {
		a.Printer(a.Err).Note("What waits in the queue is not known: " + queueErr.Error())
		queueErr = nil
	}
	if a.JSON {
		if queueErr == nil {
			queueErr = hint.New("the message has recipients in several domains: "+strings.Join(domains, ", "), "ask for one of them")
		}
		return queueErr
	}
	for _, name := range domains {
		a.explain(p, name, waiting)
	}
	a.notInUse(p)
	return nil
}

// whyAbout finds out which domains a question is about, and which message.
func (a *app) whyAbout(p *policies, text string) (domains []string, id string, err error) {
	if at := strings.LastIndex(text, "@"); at >= 0 {
		text = text[at+1:]
	}
	if !strings.Contains(text, ".") && queueID.MatchString(text) {
		domains, err = policy.Recipients(a.Ctx, a.Machine, p.ConfigDir, text)
		if err == nil && len(domains) == 0 {
			err = hint.New("no message "+text+" is in the queue", "take the queue ID from postqueue -p, or name the domain of the recipient")
		}
		return domains, text, err
	}
	wanted, err := a.destinations([]string{text}, "")
	if err != nil {
		return nil, "", err
	}
	return []string{wanted[0].Name}, "", nil
}

// effective returns the level that counts for a domain, and where it comes from.
func (p *policies) effective(name string) effective {
	f := p.Facts
	if e := f.PolicyFor(name); e != nil {
		return effective{Level: e.Level, From: e.At.String(), Match: e.Match, Fault: e.Fault}
	}
	out := effective{Level: p.setting.Default, From: f.Config.Value(nil, "smtp_tls_security_level").Origin.String()}
	if len(f.UnreadPolicies) > 0 {
		out.From += "; a table in smtp_tls_policy_maps could not be read, and may say something else"
	}
	return out
}

// exception is the command that makes an exception for a domain, for a week.
func (p *policies) exception(name string) string {
	return hint.ShellLine(append(p.Verb("policy", "except"), name, "--until", p.now.AddDate(0, 0, 7).UTC().Format(time.DateOnly), "--reason", "TEXT"))
}

// explain prints the decision for one domain.
func (a *app) explain(p *policies, name string, waiting []policy.Held) {
	e := p.effective(name)
	level := e.Level
	if len(e.Match) > 0 {
		level += " match=" + strings.Join(e.Match, ":")
	}
	fmt.Fprintf(a.Out, "Mail to %s has TLS level %s: %s\n", report.Clean(name), report.Clean(level), report.Clean(e.From))
	if e.Fault != "" {
		fmt.Fprintf(a.Out, "  Postfix does not understand this entry, and defers all mail: %s\n", report.Clean(e.Fault))
	}
	v := p.state.View(name, p.own.At, p.setting, p.now)
	a.Printer(a.Out).Policies([]policy.View{v}, p.inUse(), p.setting.Rule, p.now)
	a.Printer(a.Out).PolicyEvidence(v, p.now)
	held, others := heldFor(waiting, name)
	a.waitingByTLS(p, name, e, held)
	if n := len(others); n > 0 {
		fmt.Fprintf(a.Out, "%s another reason: %s\n", waits(n), report.Clean(others[0].Reason))
	}
}

// heldFor returns the messages that wait for a domain: those that wait because of TLS, and
// the others.
func heldFor(waiting []policy.Held, name string) (held, others []policy.Held) {
	held = []policy.Held{}
	for _, h := range waiting {
		switch {
		case h.Domain != name:
		case h.ByTLS:
			held = append(held, h)
		default:
			others = append(others, h)
		}
	}
	return held, others
}

// waits begins a sentence about messages.
func waits(n int) string {
	if n == 1 {
		return "1 message waits because of"
	}
	return fmt.Sprintf("%d messages wait because of", n)
}

// mostHeld is how many messages are listed.
const mostHeld = 20

// waitingByTLS prints the messages that wait because of TLS, and what would release them.
func (a *app) waitingByTLS(p *policies, name string, e effective, held []policy.Held) {
	if len(held) == 0 {
		fmt.Fprintln(a.Out, "No message for it waits in the queue because of TLS.")
		return
	}
	fmt.Fprintf(a.Out, "%s TLS:\n", waits(len(held)))
	for _, h := range held[:min(len(held), mostHeld)] {
		fmt.Fprintf(a.Out, "  %s returned to its sender on %s UTC: %s\n", report.Clean(h.QueueID), h.Bounces.UTC().Format("2006-01-02 15:04"), report.Clean(h.Reason))
	}
	if more := len(held) - mostHeld; more > 0 {
		fmt.Fprintf(a.Out, "  and %d more: --json lists all\n", more)
	}
	text, commands := p.release(name, e)
	fmt.Fprintln(a.Out, report.Clean(text))
	for _, c := range commands {
		fmt.Fprintf(a.Out, "  %s\n", c)
	}
	fmt.Fprintf(a.Out, "Postfix retries automatically. To retry one at once: %s\n", hint.ShellLine([]string{"postqueue", "-c", p.ConfigDir, "-i", report.Clean(held[0].QueueID)}))
}

// release says what releases the messages that wait for a domain because of TLS, and by
// which commands: a single one is the exception.
func (p *policies) release(name string, e effective) (text string, commands []string) {
	at := p.own.At(name)
	switch hop := p.Facts.Config.Text(nil, "relayhost"); {
	case hop != "":
		return "Mail to " + name + " leaves by the relay host " + hop + " (relayhost), unless transport_maps says otherwise: the level of the relay host counts, and an exception for " + name + " has no effect.", nil
	case e.Fault != "":
		return "Correct the entry at " + e.From + ": until then, Postfix defers all mail to " + name + ".", nil
	case at != "":
		return "Your own entry at " + at + " counts: Postfix delivers them once a server of the destination meets its level. An exception is made there, too.", nil
	case posture.Compare(e.Level, "may") <= 0:
		return "Level " + e.Level + " requires no TLS: Postfix delivers them at a later attempt, in cleartext if the handshake fails again and they have waited for " +
			p.Facts.Config.Text(nil, "minimal_backoff_time") + " (minimal_backoff_time). No exception is needed.", nil
	}
	text = "Postfix delivers them once a server of the destination meets the level. An exception lets mail pass without authentication: make one only if the destination confirms that its servers are genuine."
	if !policy.InUse(p.Facts, p.table) {
		text += " Postfix does not read the table of postseal yet: the first command adds it."
		commands = append(commands, hint.ShellLine(append(p.Verb("apply"), "--policy", "evidence")))
	}
	return text, append(commands, p.exception(name))
}
