package acme

import (
	"fmt"
	"net"

	"github.com/go-acme/lego/v4/challenge"
	"github.com/go-acme/lego/v4/challenge/http01"
	"github.com/go-acme/lego/v4/challenge/tlsalpn01"
	"github.com/go-acme/lego/v4/lego"

	"postseal/internal/hint"
)

// Solver proves that the names are ours, by one kind of challenge.
type Solver interface {
	// Kind is the name of the challenge: "http-01".
	Kind() string
	// install makes it the only solver of a run; done is called when the run
	// has ended.
	install(l *lego.Client, p *presented) (done func(), err error)
	// byHand is true if it waits for a person, for as long as that takes.
	byHand() bool
}

// atOnce is a solver that waits for nobody and holds nothing.
type atOnce struct{}

func (atOnce) byHand() bool { return false }
func (atOnce) done()        {}

// HTTP answers on a port of this host, which the CA must see as port 80
// (RFC 8555, section 8.3). Addr is "host:port"; ":80" is any interface.
type HTTP struct {
	atOnce
	Addr string
}

// Kind implements Solver.
func (HTTP) Kind() string { return string(challenge.HTTP01) }

func (s HTTP) install(l *lego.Client, p *presented) (func(), error) {
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return nil, hint.New(fmt.Sprintf("%.80q is not a listen address", s.Addr), "use an address such as :80 or 192.0.2.1:80")
	}
	p.provider = http01.NewProviderServer(host, port)
	return s.done, l.Challenge.SetHTTP01Provider(p)
}

// TLSALPN answers on a port of this host, which the CA must see as port 443
// (RFC 8737). Addr is as in HTTP.
type TLSALPN struct {
	atOnce
	Addr string
}

// Kind implements Solver.
func (TLSALPN) Kind() string { return string(challenge.TLSALPN01) }

func (s TLSALPN) install(l *lego.Client, p *presented) (func(), error) {
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return nil, hint.New(fmt.Sprintf("%.80q is not a listen address", s.Addr), "use an address such as :443")
	}
	p.provider = tlsalpn01.NewProviderServer(host, port)
	return s.done, l.Challenge.SetTLSALPN01Provider(p)
}
