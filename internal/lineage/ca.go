package lineage

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"

	"postseal/certs"
	"postseal/certs/acme"
	"postseal/certs/acme/legodns"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/interview"
)

// Terms are what a new account needs.
type Terms struct {
	Accept bool
	EAB    *acme.EAB
}

// Terms reads what a new account needs. accept says that a person accepted the
// terms of service.
func (k *Keeper) Terms(d interview.OrderDecisions, accept bool) (Terms, error) {
	t := Terms{Accept: accept}
	if d.EABKID == "" {
		return t, nil
	}
	mac, err := acme.ReadSecret(d.EABHMACFile)
	if err != nil {
		return t, hint.Wrap(fmt.Errorf("--eab-hmac-file: %w", err), hint.Of(err))
	}
	t.EAB = &acme.EAB{KID: d.EABKID, HMAC: strings.TrimSpace(mac)}
	return t, nil
}

// Meta is what the lineage's CA says of itself.
func (k *Keeper) Meta(ctx context.Context, l *Lineage) (acme.Meta, error) {
	a, err := acme.NewAccount(l.Server, "") // a directory is read without one
	if err != nil {
		return acme.Meta{}, err
	}
	c, err := k.connect(l, a)
	if err != nil {
		return acme.Meta{}, err
	}
	defer c.Close()
	return c.Meta(ctx)
}

// connect makes a client for an account.
func (k *Keeper) connect(l *Lineage, a *acme.Account) (*acme.Client, error) {
	var roots *x509.CertPool
	if l.CAFile != "" {
		if err := host.Trusted(k.M, l.CAFile); err != nil {
			return nil, hint.Wrap(fmt.Errorf("reading the CA's own certificate: %w", err), hint.Of(err))
		}
		data, err := k.M.ReadFile(l.CAFile)
		if err != nil {
			return nil, hint.Wrap(fmt.Errorf("reading the CA's own certificate: %w", err), "specify it with --acme-ca-file")
		}
		b, err := certs.ReadCAs(l.CAFile, data)
		if err == nil && len(b.Certs) == 0 {
			err = fmt.Errorf("%s: %w", l.CAFile, certs.ErrNoCert)
		}
		if err != nil {
			return nil, hint.Wrap(err, "use --acme-ca-file with a PEM file that contains the CA's root")
		}
		roots = x509.NewCertPool()
		for _, c := range b.Certs {
			roots.AddCert(c)
		}
	}
	return acme.New(acme.Options{Directory: l.Server, Roots: roots, Account: a, Poll: k.Poll})
}

// client makes a client with the lineage's account, which is registered and
// stored if it is new.
func (k *Keeper) client(ctx context.Context, l *Lineage, t Terms) (*acme.Client, acme.Meta, error) {
	a, err := k.account(l)
	if err != nil {
		return nil, acme.Meta{}, err
	}
	c, err := k.connect(l, a)
	if err != nil {
		return nil, acme.Meta{}, err
	}
	m, err := c.Meta(ctx)
	if err != nil {
		return nil, m, err
	}
	if a.URL == "" {
		if m.EAB && t.EAB == nil {
			return nil, m, hint.New("this CA requires external account binding for new accounts", "get a key ID and a key from the CA's website, then use --eab-kid ID --eab-hmac-file FILE")
		}
		if !t.Accept {
			return nil, m, hint.New("the terms of service of the CA were not accepted: "+m.Terms, "read them, and pass --accept-terms")
		}
		if err := c.Register(ctx, t.Accept, t.EAB); err != nil {
			return nil, m, err
		}
		if err := k.keep(a, l.Server); err != nil {
			return nil, m, err
		}
	}
	return c, m, nil
}

// solver makes the solver of a challenge.
func (k *Keeper) solver(ctx context.Context, c Challenge) (acme.Solver, error) {
	inDNS := func(p acme.DNSProvider) acme.Solver {
		return acme.DNS{Provider: p, Resolvers: k.Facts.Resolver.Servers}
	}
	switch c.Kind {
	case interview.ProofHTTP:
		return acme.HTTP{Addr: c.Listen}, nil
	case interview.ProofWebroot:
		return acme.Webroot{Dir: c.Webroot}, nil
	case interview.ProofTLS:
		return acme.TLSALPN{Addr: c.Listen}, nil
	case interview.ProofByHand:
		if k.ByHand == nil {
			return nil, hint.New("the DNS record must be created by hand, but there is no terminal", "run postseal cert obtain on a terminal")
		}
		return inDNS(k.ByHand), nil
	case interview.ProofProgram:
		return inDNS(acme.Exec{Program: c.Program}), nil
	case interview.ProofProvider:
		p, err := legodns.New(ctx, c.Provider.Code, c.Provider.Values, c.Provider.Files)
		if err != nil {
			return nil, err
		}
		return inDNS(p), nil
	case interview.ProofUpdate:
		p := acme.RFC2136{Server: c.Update.Server, Zone: c.Update.Zone, Key: c.Update.Key, Algorithm: c.Update.Algorithm}
		if c.Update.SecretFile != "" {
			secret, err := acme.ReadSecret(c.Update.SecretFile)
			if err != nil {
				return nil, hint.Wrap(fmt.Errorf("--tsig-secret-file: %w", err), hint.Of(err))
			}
			p.Secret = strings.TrimSpace(secret)
		}
		return inDNS(p), nil
	}
	return nil, hint.New(fmt.Sprintf("%.40q is not a challenge", c.Kind), "postseal questions challenge explains them")
}
