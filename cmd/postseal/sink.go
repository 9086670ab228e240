package main

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postseal/cmd/cli"
	"postseal/internal/hint"
	"postseal/internal/rehearse"
	"postseal/internal/sink"
)

func (a *app) sinkCmd() *cobra.Command {
	var o struct{ as, listen, host, root string }
	var names []string
	long := `sink is a test mail server that gets TLS wrong in one known way, and prints what each client did. It accepts every message
and discards it. Stop it with Ctrl-C.

To test a real Postfix with it, route a made-up domain there in transport_maps:
    test.example    smtp:[127.0.0.1]:2525

`
	all := append(slices.Clone(sink.Behaviours), rehearse.Anonymous)
	for _, b := range all {
		names = append(names, b.Name)
		long += fmt.Sprintf("  --as %-21s %s\n", b.Name, b.Text)
	}
	cmd := &cobra.Command{
		Use:   "sink",
		Short: "Run a test mail server that gets TLS wrong in a chosen way",
		Long:  long,
		Args:  cli.UsageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if o.as == rehearse.Anonymous.Name {
				if o.root != "" {
					return cli.Misuse(hint.New("--write-ca: a sink without a certificate has no CA", "leave --write-ca out, or use --as trusted"))
				}
				return a.anonymousSink(o.listen, o.host)
			}
			b, ok := sink.Named(o.as)
			if !ok {
				return cli.Misuse(hint.New(fmt.Sprintf("unknown sink behavior %.40q", o.as), "--as takes "+strings.Join(names, ", ")))
			}
			ids, err := sink.NewIdentities(o.host)
			if err != nil {
				return hint.Wrap(err, "use --host with an ASCII name")
			}
			l, err := (&net.ListenConfig{}).Listen(a.Ctx, "tcp", o.listen)
			if err != nil {
				return hint.Wrap(err, "use another address with --listen")
			}
			if o.root != "" {
				if err := a.Machine.Save(o.root, []byte(ids.RootPEM), 0o644); err != nil {
					return hint.Wrap(err, "use another file with --write-ca")
				}
			}
			if !a.JSON {
				fmt.Fprintf(a.Err, "%s: %s, on %s. Stop it with Ctrl-C.\n", b.Name, b.Text, l.Addr())
			}
			told := make(chan sink.Session)
			s := &sink.Server{Behaviour: b, Host: o.host, Identities: ids, Told: func(s sink.Session) { told <- s }}
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(a.Ctx, l) }()
			for {
				select {
				case x := <-told:
					a.showSession(x)
				case err := <-ended:
					return err
				}
			}
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.as, "as", "self-signed", "the `behavior` of the server")
	f.StringVar(&o.listen, "listen", "127.0.0.1:2525", "`address` and port")
	f.StringVar(&o.host, "host", "mx.test.example", "the host `name` that its certificates are for")
	f.StringVar(&o.root, "write-ca", "", "write the CA certificate that a client must trust to this `file`")
	_ = cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// anonymousSink is the one that is a private Postfix.
func (a *app) anonymousSink(listen, host string) error {
	if a.Machine.UID() != 0 {
		return hint.New("a sink without a certificate is a private Postfix, which only root can start", "run it as root: sudo postseal sink ...")
	}
	ready := func(addr string) {
		if !a.JSON {
			fmt.Fprintf(a.Err, "%s: %s, on %s. Stop it with Ctrl-C.\n", rehearse.Anonymous.Name, rehearse.Anonymous.Text, addr)
		}
	}
	return rehearse.ServeAnonymous(a.Ctx, listen, host, rehearse.Options{Guard: guard}, ready, a.showSession)
}

// showSession prints what one client did.
func (a *app) showSession(s sink.Session) {
	if a.JSON {
		_ = json.NewEncoder(a.Out).Encode(s)
		return
	}
	p := a.Printer(a.Out)
	p.Session(s)
}
