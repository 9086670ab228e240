package main

import (
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"postseal/internal/hint"
	"postseal/internal/probe"
)

func (a *app) probeCmd() *cobra.Command {
	var o struct {
		implicit bool
		sni      string
	}
	cmd := &cobra.Command{
		Use:   "probe HOST[:PORT]",
		Short: "See from outside what TLS a mail server takes: versions, suites, groups, certificates",
		Long: `probe opens connections to a mail server and finds out which versions of TLS it takes, every suite of each, in whose
order, the groups, the signatures, and the certificates. It never sends mail: each connection ends in the middle of a
handshake. There are four at most at a time, and fewer if the server is busy. The port is 25, and TLS starts by STARTTLS;
on port 465 it starts at once.

The other side logs every handshake that is not finished: on a server of somebody else's, ask first.
`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			addr := args[0]
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				host, port = addr, "25"
			}
			if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" {
				return usageError{hint.New(addr+" is no host and port", "write mx.example.org, mx.example.org:587 or [2001:db8::1]:25")}
			}
			sni := o.sni
			if sni == "" && net.ParseIP(host) == nil {
				sni = host
			}
			done := a.waiting("shaking hands with " + host)
			e, err := probe.Enumerate(a.ctx, probe.Target{Addr: net.JoinHostPort(host, port), Implicit: o.implicit || port == "465"}, probe.Options{ServerName: sni})
			done()
			if err != nil {
				return hint.Wrap(err, "is it a mail server, and may this machine reach it? Many networks close port 25 to the outside")
			}
			if a.json {
				return a.printer(a.out).JSON(e)
			}
			a.printer(a.out).Enumeration(e)
			return nil
		},
	}
	cmd.Flags().BoolVar(&o.implicit, "implicit", false, "TLS starts at once, without STARTTLS")
	cmd.Flags().StringVar(&o.sni, "server-name", "", "ask for the certificate of this `name` (default: HOST)")
	return cmd
}
