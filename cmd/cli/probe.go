package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"postseal/internal/detect"
	"postseal/internal/domain"
	"postseal/internal/hint"
	"postseal/internal/probe"
	"postseal/internal/report"
)

const (
	// maxTargets bounds how many servers one run looks at, and hostsAtOnce how
	// many of them at the same time.
	maxTargets  = 64
	hostsAtOnce = 4
	// judging is how long the certificates of a server are judged at least, if it
	// took all of its time to find them.
	judging = time.Second
)

// probing is what the flags of probe say.
type probing struct {
	implicit, quick, schema bool
	sni, port, resolver     string
	domains                 []string
	timeout                 time.Duration
	// called is how the verb is typed.
	called string
}

// Probe is the verb that looks at mail servers from outside.
func (r *Run) Probe() *cobra.Command {
	var o probing
	cmd := &cobra.Command{
		Use:   "probe [HOST[:PORT]]...",
		Short: "Test from outside which TLS versions, cipher suites and groups a mail server accepts",
		Long: `Opens connections to mail servers and finds out which versions of TLS they take, every suite of each, in whose
order, the groups, the signatures, and the certificates. It never sends mail: each connection ends in the middle of a
handshake. A host gets four at most at a time, and fewer if it is busy. The port is 25, and TLS starts by STARTTLS; on
port 465 it starts at once.

With --mx it looks at all servers of a domain, and whether they keep what the domain promises: DANE (RFC 7672), where your
resolver must validate DNSSEC, and MTA-STS (RFC 8461).

It ends with 3 if a promise is not kept, if a server of several could not be seen, if one has no TLS that could be agreed on,
or if not all could be asked.

The other side logs every handshake that is not finished: on a server of somebody else's, ask first.
`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.schema {
				_, err := r.Out.Write(report.ProbeSchema)
				return err
			}
			o.called = cmd.CommandPath()
			return r.probe(o, args)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.implicit, "implicit", false, "use implicit TLS, without STARTTLS")
	f.StringVar(&o.sni, "server-name", "", "ask for the certificate of this `name` (default: HOST)")
	f.StringArrayVar(&o.domains, "mx", nil, "test the servers of this `domain`, and what it publishes; may be repeated")
	f.StringVar(&o.port, "port", "25", "`port` of hosts that are given without one")
	f.StringVar(&o.resolver, "resolver", "", "DNS server to ask for --mx, `address:port` (default: the first of /etc/resolv.conf)")
	f.DurationVar(&o.timeout, "timeout", 2*time.Minute, "`time` limit for each server; what was found until then is printed")
	f.BoolVar(&o.quick, "quick", false, "only versions, suites, groups and certificates: fewer connections")
	f.BoolVar(&o.schema, "schema", false, "print the JSON schema of what --json prints, and stop")
	return cmd
}

// target is a server to look at.
type target struct {
	host string
	probe.Target
	probe.Options
	// mx is set if the server is one of a domain.
	mx *domain.MX
}

func (r *Run) probe(o probing, hosts []string) error {
	if len(hosts)+len(o.domains) == 0 {
		return Misuse(hint.New("nothing to test", "name a host: "+o.called+" mx.example.org, or a domain: "+o.called+" --mx example.org"))
	}
	if o.timeout <= 0 {
		return Misuse(hint.New("--timeout must be more than 0", "write 30s or 2m"))
	}
	if !isPort(o.port) {
		return Misuse(hint.New("--port "+o.port+" is no port", "write a number from 1 to 65535"))
	}
	var targets []target
	for _, h := range hosts {
		t, err := o.target(h)
		if err != nil {
			return err
		}
		targets = append(targets, t)
	}
	done := sync.OnceFunc(r.Waiting("shaking hands"))
	defer done()
	domains, err := r.lookUp(o)
	if err != nil {
		return err
	}
	for _, d := range domains {
		for i := range d.MX {
			x := &d.MX[i]
			t := o.at(x.Name, o.port) // whatever DNS says, nobody typed it
			t.mx, t.Dial = x, x.Dial(r.Machine)
			if o.sni == "" && x.DANE.Base != "" {
				t.ServerName = x.DANE.Base // as senders with DANE do (RFC 7672, section 8.1)
			}
			if len(x.Addresses) > 0 {
				t.host = x.Addresses[0] // several names may be one machine
			}
			targets = append(targets, t)
		}
	}
	if len(targets) > maxTargets {
		return Misuse(hint.New(fmt.Sprintf("%d servers are more than the %d of one run", len(targets), maxTargets), "test them in several runs"))
	}
	seen := r.shake(targets)
	done()
	return r.printProbe(seen, domains)
}

// target reads HOST[:PORT].
func (o probing) target(addr string) (target, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = strings.Trim(addr, "[]"), o.port
	}
	if !isPort(port) || host == "" || strings.ContainsAny(host, " /@") {
		return target{}, Misuse(hint.New(addr+" is no host and port", "write mx.example.org, mx.example.org:587 or [2001:db8::1]:25"))
	}
	return o.at(host, port), nil
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= 65535
}

// at is a server by its name or address.
func (o probing) at(host, port string) target {
	sni := o.sni
	if sni == "" && net.ParseIP(host) == nil {
		sni = host
	}
	return target{
		host:    host,
		Target:  probe.Target{Addr: net.JoinHostPort(host, port), Implicit: o.implicit || port == "465"},
		Options: probe.Options{ServerName: sni, Quick: o.quick, Total: o.timeout},
	}
}

// lookUp asks for what the domains publish.
func (r *Run) lookUp(o probing) ([]*domain.Domain, error) {
	out := []*domain.Domain{}
	if len(o.domains) == 0 {
		return out, nil
	}
	resolver := o.resolver
	if resolver == "" {
		resolver = detect.Nameservers(r.Machine, "/etc/resolv.conf")[0]
	}
	for _, name := range o.domains {
		d, err := domain.Look(r.Ctx, r.Machine, name, domain.Options{Resolver: resolver, Port: o.port})
		if err != nil {
			return nil, hint.Wrap(err, "check the domain name, and that "+resolver+" answers, or use --resolver")
		}
		if d.Missing {
			return nil, hint.New(fmt.Sprintf("there is no domain %s: %s says NXDOMAIN", name, resolver), "check the spelling, or use --resolver with another DNS server")
		}
		out = append(out, d)
	}
	return out, nil
}

// shake looks at all servers, a few at a time. Listeners of one host share what
// it can bear.
func (r *Run) shake(targets []target) []report.Endpoint {
	out := make([]report.Endpoint, len(targets))
	gates := map[string]*probe.Gate{}
	places := make(chan struct{}, hostsAtOnce)
	// One thread is enough to wait for others, and a server on this machine gets
	// the rest of it.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var wg sync.WaitGroup
	for i, t := range targets {
		if gates[t.host] == nil {
			gates[t.host] = probe.NewGate()
		}
		t.Gate = gates[t.host]
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			out[i] = report.Endpoint{Target: t.Target}
			began := time.Now()
			out[i].Seen, out[i].Err = probe.Enumerate(r.Ctx, t.Target, t.Options)
			if t.mx == nil || out[i].Seen == nil {
				return
			}
			ctx, cancel := context.WithTimeout(r.Ctx, max(t.Total-time.Since(began), judging))
			defer cancel()
			t.mx.Judge(ctx, out[i].Seen.Chains(), domain.Options{}, r.Machine.Now())
		})
	}
	wg.Wait()
	return out
}

// printProbe says what was seen. One server alone that could not be seen is an
// error; of several it is a finding.
func (r *Run) printProbe(seen []report.Endpoint, domains []*domain.Domain) error {
	if err := r.Ctx.Err(); err != nil {
		return err
	}
	var failed error
	for _, e := range seen {
		failed = errors.Join(failed, e.Err)
	}
	if failed != nil && len(seen) == 1 && len(domains) == 0 {
		if unknown := new(net.DNSError); errors.As(failed, &unknown) {
			return hint.Wrap(failed, "check the name, and that the resolver answers: "+hint.ShellLine([]string{"dig", unknown.Name})+"; or use an address")
		}
		if at := new(probe.Error); errors.As(failed, &at) && at.Stage == probe.STARTTLS {
			return hint.Wrap(failed, "the server does not offer TLS, or something on the network path removes the offer: run postseal audit on the server itself to tell which")
		}
		return hint.Wrap(failed, "check that it is a mail server and reachable from here: many networks block outgoing port 25; use --implicit for a port with implicit TLS")
	}
	p := r.Printer(r.Out)
	if r.JSON {
		if err := p.JSON(report.ProbeJSON(seen, domains, r.Machine.Now())); err != nil {
			return err
		}
	} else {
		for _, d := range domains {
			p.Domain(d)
		}
		for _, e := range seen {
			p.Endpoint(e)
		}
	}
	short := func(e report.Endpoint) bool { return e.Seen != nil && (e.Seen.Incomplete || len(e.Seen.Versions) == 0) }
	if failed != nil || slices.ContainsFunc(seen, short) || slices.ContainsFunc(domains, func(d *domain.Domain) bool { return len(d.Broken()) > 0 }) {
		return ErrFindings
	}
	return nil
}
