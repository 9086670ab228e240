package acme

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/go-acme/lego/v4/challenge"
	"github.com/go-acme/lego/v4/challenge/dns01"
	"github.com/go-acme/lego/v4/challenge/http01"
	"github.com/go-acme/lego/v4/challenge/tlsalpn01"
	"github.com/go-acme/lego/v4/lego"

	"postseal/internal/hint"
)

// Solver proves that the names are ours, by one kind of challenge.
type Solver interface {
	// Kind is the name of the challenge: "http-01".
	Kind() string
	install(l *lego.Client, p *presented) error
}

// HTTP answers on a port of this host, which the CA must see as port 80
// (RFC 8555, section 8.3). Addr is "host:port"; ":80" is any interface.
type HTTP struct{ Addr string }

// Kind implements Solver.
func (HTTP) Kind() string { return "http-01" }

func (s HTTP) install(l *lego.Client, p *presented) error {
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return hint.New(fmt.Sprintf("%.80q is no address to listen on", s.Addr), "such as :80 or 192.0.2.1:80")
	}
	p.provider = http01.NewProviderServer(host, port)
	return l.Challenge.SetHTTP01Provider(p)
}

// Webroot leaves the answer to a web server that is there already: Dir is what
// it serves as "/".
type Webroot struct{ Dir string }

// Kind implements Solver.
func (Webroot) Kind() string { return "http-01" }

func (s Webroot) install(l *lego.Client, p *presented) error {
	if st, err := os.Stat(s.Dir); err != nil || !st.IsDir() {
		return hint.New(fmt.Sprintf("%.200q is not a folder", s.Dir), "--webroot is what the web server shows as /, such as /var/www/html")
	}
	p.provider = &webroot{dir: s.Dir}
	return l.Challenge.SetHTTP01Provider(p)
}

// webroot writes the answer and takes it away, with the folders that it made.
type webroot struct {
	dir  string
	made []string
}

func (w *webroot) Present(_, token, keyAuth string) error {
	if filepath.Base(token) != token || token == "." || token == ".." {
		return fmt.Errorf("the CA's token %.80q is no file name", token)
	}
	for _, d := range []string{filepath.Join(w.dir, ".well-known"), filepath.Join(w.dir, ".well-known", "acme-challenge")} {
		err := os.Mkdir(d, 0o755)
		if err == nil {
			w.made = append(w.made, d)
		} else if !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return os.WriteFile(w.path(token), []byte(keyAuth), 0o644) // a web server of another user reads it
}

func (w *webroot) path(token string) string {
	return filepath.Join(w.dir, ".well-known", "acme-challenge", token)
}

func (w *webroot) CleanUp(_, token, _ string) error {
	err := os.Remove(w.path(token))
	for i := len(w.made) - 1; i >= 0; i-- {
		_ = os.Remove(w.made[i]) // stays if something else is in it
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// TLSALPN answers on a port of this host, which the CA must see as port 443
// (RFC 8737).
type TLSALPN struct{ Addr string }

// Kind implements Solver.
func (TLSALPN) Kind() string { return "tls-alpn-01" }

func (s TLSALPN) install(l *lego.Client, p *presented) error {
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return hint.New(fmt.Sprintf("%.80q is no address to listen on", s.Addr), "such as :443")
	}
	p.provider = tlsalpn01.NewProviderServer(host, port)
	return l.Challenge.SetTLSALPN01Provider(p)
}

// DNS proves by a TXT record (RFC 8555, section 8.4).
type DNS struct {
	Provider DNSProvider
	// Resolvers are asked for zones, aliases and whether the record is there
	// ("127.0.0.1:53"); they must not be empty.
	Resolvers []string
	// ResolversOnly does not ask the servers of the zone themselves, for
	// networks from which those cannot be reached.
	ResolversOnly bool
	// Timeout is how long a record may take to show; 0 is five minutes.
	// Interval is how often it is looked for; 0 is three seconds.
	Timeout, Interval time.Duration
}

// Kind implements Solver.
func (DNS) Kind() string { return "dns-01" }

func (s DNS) install(l *lego.Client, p *presented) error {
	if len(s.Resolvers) == 0 {
		return hint.New("no resolver to ask", "name one in /etc/resolv.conf")
	}
	if s.Timeout == 0 {
		s.Timeout = 5 * time.Minute
	}
	if s.Interval == 0 {
		s.Interval = 3 * time.Second
	}
	p.provider = &recorder{DNS: s, run: p.run, made: map[string]dns01.ChallengeInfo{}}
	options := []dns01.ChallengeOption{
		dns01.AddRecursiveNameservers(s.Resolvers),
		dns01.WrapPreCheck(func(domain, fqdn, value string, check dns01.PreCheckFunc) (bool, error) {
			if p.run.ctx.Err() != nil {
				return true, p.run.ctx.Err()
			}
			ok, err := check(fqdn, value)
			text := "the record is there"
			if !ok || err != nil {
				text = "the record is not there yet"
			}
			if err != nil {
				text += ": " + plain(err.Error())
			}
			p.run.event(WaitingDNS, domain, text, nil)
			return ok, err
		}),
	}
	if s.ResolversOnly {
		options = append(options, dns01.DisableAuthoritativeNssPropagationRequirement(), dns01.RecursiveNSsPropagationRequirement())
	}
	return l.Challenge.SetDNS01Provider(timed{p, s.Timeout, s.Interval}, options...)
}

// timed tells the library how long to wait for a record.
type timed struct {
	*presented
	timeout, interval time.Duration
}

func (t timed) Timeout() (timeout, interval time.Duration) { return t.timeout, t.interval }

// presented keeps track of what a provider has put in place, so that it is
// taken away whatever happens.
type presented struct {
	run      *run
	provider challenge.Provider

	mu   sync.Mutex
	open []proof
}

type proof struct{ domain, token, keyAuth string }

// Present implements challenge.Provider.
func (p *presented) Present(domain, token, keyAuth string) error {
	if err := p.run.ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	p.open = append(p.open, proof{domain, token, keyAuth})
	p.mu.Unlock()
	err := p.provider.Present(domain, token, keyAuth)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = hint.Wrap(err, "another program has the port: stop it for a moment, use its web root, or prove by DNS (ss -ltnp shows it)")
	}
	p.run.event(Presenting, domain, "", err)
	if err == nil {
		p.run.event(Validating, domain, "", nil)
	}
	return err
}

// CleanUp implements challenge.Provider.
func (p *presented) CleanUp(domain, token, keyAuth string) error {
	p.mu.Lock()
	found := false
	for i, o := range p.open {
		if o == (proof{domain, token, keyAuth}) {
			p.open = append(p.open[:i:i], p.open[i+1:]...)
			found = true
			break
		}
	}
	p.mu.Unlock()
	if !found {
		return nil // done already, when the run was cancelled
	}
	err := p.provider.CleanUp(domain, token, keyAuth)
	p.run.event(CleaningUp, domain, "", err)
	return err
}

// cleanUp takes away what is still in place.
func (p *presented) cleanUp() {
	p.mu.Lock()
	open := append([]proof{}, p.open...)
	p.mu.Unlock()
	for _, o := range open {
		_ = p.CleanUp(o.domain, o.token, o.keyAuth) // told as an event
	}
}
