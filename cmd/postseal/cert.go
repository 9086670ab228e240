package main

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"postseal/certs"
	"postseal/cmd/cli"
	"postseal/internal/dane"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/probe"
	"postseal/internal/report"
	"postseal/internal/session"
)

func (a *app) certCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Find, judge, obtain and renew certificates",
		Args:  cli.UsageArgs(cobra.NoArgs),
		RunE:  cli.Verbs,
	}
	cmd.AddCommand(a.certListCmd(), a.certInspectCmd(), a.certObtainCmd(), a.certRenewCmd(), a.certSelfSignedCmd(), a.certClientCmd(), a.certHookCmd(), a.certProvidersCmd(), a.certRollOverCmd())
	return cmd
}

func (a *app) certListCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the certificates in use, and those that could be used",
		Long: `list shows the certificates that main.cf and master.cf name, and those in the directories of certbot, dehydrated, acme.sh,
lego, Caddy, step, Debian and "postfix tls". For each it reports what is wrong with it for this server's names, which
client renews it, and which other accounts can change its files or read its key. It ends with 3 if something is wrong
with one that is in use.
`,
		Args: cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.certList() },
	}
}

func (a *app) certList() error {
	s, err := a.open()
	if err != nil && (s == nil || !errors.Is(err, session.ErrAnswers)) {
		return err
	}
	f := s.Facts
	list := report.Certificates(s.Machine, f)
	broken := false
	for i, c := range f.Certificates {
		broken = broken || list[i].Broken() && c.InUse()
	}
	if a.JSON {
		err = a.Printer(a.Out).JSON(map[string]any{"certificates": list})
	} else {
		p := a.Printer(a.Out)
		for _, j := range list {
			p.Certificate(j, true)
		}
		if len(list) == 0 {
			fmt.Fprintln(a.Out, "No certificates were found.")
		}
	}
	if err == nil && broken {
		return cli.ErrFindings
	}
	return err
}

func (a *app) certInspectCmd() *cobra.Command {
	var names []string
	var caFile string
	cmd := &cobra.Command{
		Use:   "inspect PATH|HOST:PORT",
		Short: "Check a certificate file, or the certificate that a mail server shows",
		Long: `inspect reports the issuer, lifetime, names and permitted uses of a certificate, and how strict peers react to it. For
a file it also checks that Postfix would load it and that the key matches. For HOST:PORT it connects as a mail server
would (port 465: implicit TLS) and sends no mail.
`,
		Args: cli.UsageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error { return a.certInspect(args[0], names, caFile) },
	}
	cmd.Flags().StringArrayVar(&names, "name", nil, "a `host` name that it should cover (default: this server's, or HOST); may be repeated")
	cmd.Flags().StringVar(&caFile, "ca-file", "", "`file` with the certificate of a CA of your own")
	return cmd
}

func (a *app) certInspect(what string, names []string, caFile string) error {
	f := detect.Alone(a.Machine)
	if s, err := a.open(); s != nil && (err == nil || errors.Is(err, session.ErrAnswers)) {
		f = s.Facts // this server's names and resolver
	}
	want := a.want(f, names)
	if caFile != "" {
		f.InspectCA(a.Machine, caFile)
		if err := f.CAFiles[caFile].Err; err != nil {
			return hint.Wrap(fmt.Errorf("--ca-file: %w", err), "use a PEM file with the CA's certificate")
		}
		want.Private = f.CAFiles[caFile].Certs
	}
	found, err := a.judge(f, what, names, want)
	if err != nil {
		return err
	}
	list := []report.Judged{}
	broken := false
	for i := range found {
		j := report.Judged{Where: what, Inspection: &found[i]}
		broken = broken || j.Broken()
		list = append(list, j)
	}
	if a.JSON {
		err = a.Printer(a.Out).JSON(map[string]any{"certificates": list})
	} else {
		for _, j := range list {
			a.Printer(a.Out).Certificate(j, false)
		}
	}
	if err == nil && broken {
		return cli.ErrFindings
	}
	return err
}

// judge looks at a file, or at what a server shows.
func (a *app) judge(f *detect.Facts, what string, names []string, want certs.Want) ([]certs.Inspection, error) {
	host, port, err := net.SplitHostPort(what)
	if err != nil || strings.Contains(what, "/") {
		return f.Judge(a.Machine, what, want)
	}
	if len(names) == 0 && net.ParseIP(host) == nil {
		want = a.want(f, []string{host})
	}
	options := probe.Options{Dial: a.Machine.Dial}
	if net.ParseIP(host) == nil {
		options.ServerName = host
	}
	r, err := probe.Handshake(a.Ctx, probe.Target{Addr: what, Implicit: port == "465"}, options)
	if err != nil {
		return nil, hint.Wrap(err, "for a file of that name, write ./"+what)
	}
	return []certs.Inspection{certs.Chain{Certs: r.Certs}.Inspect(want)}, nil
}

// want is what certificates are judged against: these names, or this
// server's, and what is published for them.
func (a *app) want(f *detect.Facts, names []string) certs.Want {
	w := certs.Want{Names: names, Roots: f.Roots(), Now: f.Now}
	if len(names) == 0 {
		w.Names, w.TLSA = f.NeededNames(), f.TLSA
	} else {
		w.TLSA = map[string][]certs.TLSA{}
		for _, h := range detect.Published(a.Ctx, a.Machine, f.Resolver, w.Names) {
			if h.State == dane.Secure {
				w.TLSA[h.Base] = h.Set
			}
		}
	}
	return w
}
