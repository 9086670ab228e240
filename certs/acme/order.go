package acme

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-acme/lego/v4/certificate"
	"github.com/go-acme/lego/v4/lego"

	"postseal/certs"
	"postseal/internal/hint"
)

// Order is what certificate is wanted.
type Order struct {
	// Names are the host names, the most important first.
	Names []string
	// Key is used for the certificate, so that a renewal can keep the key.
	Key crypto.Signer
	// Profile is one of Meta.Profiles, or empty for the CA's default.
	Profile string
	// PreferredChain chooses among the chains that a CA offers, by the common
	// name of the issuer at the top; empty takes the CA's default.
	PreferredChain string
	// Replaces is the certificate that this one renews (RFC 9773, section 5),
	// if this account got it from this CA.
	Replaces *x509.Certificate
	// BothUses asks for server and client use. Public CAs refuse that; some
	// CAs of one's own look at it.
	BothUses bool
}

// KeyTypes are the kinds of keys that NewKey makes, the suggested one first.
var KeyTypes = []string{"P256", "P384", "RSA2048", "RSA3072", "RSA4096"}

// NewKey makes a key of one of the KeyTypes.
func NewKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "P256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "P384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "RSA2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "RSA3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	case "RSA4096":
		return rsa.GenerateKey(rand.Reader, 4096)
	}
	return nil, hint.New(fmt.Sprintf("%.40q is not a kind of key", kind), "one of "+strings.Join(KeyTypes, ", "))
}

// oidExtKeyUsage and the two usages are RFC 5280, section 4.2.1.12.
var (
	oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidServerAuth  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidClientAuth  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
)

// request is the certificate signing request: names and no common name, which
// CAs no longer want.
func (o Order) request() (*x509.CertificateRequest, error) {
	t := &x509.CertificateRequest{DNSNames: o.Names}
	if o.BothUses {
		value, err := asn1.Marshal([]asn1.ObjectIdentifier{oidServerAuth, oidClientAuth})
		if err != nil {
			return nil, err
		}
		t.ExtraExtensions = []pkix.Extension{{Id: oidExtKeyUsage, Value: value}}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, t, o.Key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificateRequest(der)
}

// Issued is a certificate as the CA signed it.
type Issued struct {
	certs.Chain
	// URL is where the CA keeps it.
	URL string
}

// Obtain orders a certificate, proves the names by the solver, and fetches it.
// tell hears what happens, in its own goroutine, and may be nil. What comes
// back is for our key and our names, and its chain is in order.
//
// If ctx ends, it returns within a few seconds with context.Canceled, and what
// the solver had put in place is taken away. tell must not block.
func (c *Client) Obtain(ctx context.Context, o Order, s Solver, tell func(Event)) (Issued, error) {
	if len(o.Names) == 0 || o.Key == nil {
		return Issued{}, errors.New("an order needs names and a key")
	}
	if _, err := c.Meta(ctx); err != nil {
		return Issued{}, err
	}
	csr, err := o.request()
	if err != nil {
		return Issued{}, fmt.Errorf("making the request: %w", err)
	}
	r := &run{ctx: ctx, tell: tell}
	r.event(Ordering, "", strings.Join(o.Names, ", "), nil)
	open := &presented{run: r}
	defer open.cleanUp()
	var got *certificate.Resource
	err = c.do(ctx, r, func(l *lego.Client) error {
		if _, ok := s.(DNS); ok {
			resolvers.Lock()
			defer resolvers.Unlock()
		}
		if err := s.install(l, open); err != nil {
			return err
		}
		req := certificate.ObtainForCSRRequest{CSR: csr, Bundle: true, Profile: o.Profile, PreferredChain: o.PreferredChain}
		if o.Replaces != nil {
			if req.ReplacesCertID, err = certificate.MakeARICertID(o.Replaces); err != nil {
				req.ReplacesCertID = "" // a certificate without what RFC 9773 needs
			}
		}
		got, err = l.Certificate.ObtainForCSR(req)
		if err != nil && req.ReplacesCertID != "" && refusesReplacement(explain(ctx, err)) {
			// It belongs to another account, or was replaced already: that
			// costs the exemption from rate limits, and not the certificate.
			r.event(Ordering, "", "the CA does not see it as a renewal; ordering anew", nil)
			req.ReplacesCertID = ""
			got, err = l.Certificate.ObtainForCSR(req)
		}
		return err
	})
	if err != nil {
		r.event(Finished, "", "", err)
		return Issued{}, err
	}
	r.event(Fetching, "", got.CertURL, nil)
	out, err := o.check(got)
	r.event(Finished, "", "", err)
	return out, err
}

// refusesReplacement says whether a CA refused because of the certificate that
// is to be replaced.
func refusesReplacement(err error) bool {
	var p *Problem
	return errors.As(err, &p) && slices.Contains([]string{"unauthorized", "malformed", "conflict", "alreadyReplaced", "serverInternal"}, p.Type)
}

// check looks whether the answer is what was ordered.
func (o Order) check(got *certificate.Resource) (Issued, error) {
	refuse := func(format string, args ...any) (Issued, error) {
		return Issued{}, hint.New("the CA sent another certificate than was ordered: "+fmt.Sprintf(format, args...), "nothing was installed; try again, or tell the CA")
	}
	b, err := certs.Read("the CA's answer", got.Certificate)
	if err != nil {
		return refuse("%v", err)
	}
	if len(b.Certs) == 0 || !certs.Same(o.Key.Public(), b.Certs[0].PublicKey) {
		return refuse("it is not for our key")
	}
	b.Keys = []certs.Key{{Public: o.Key.Public(), Private: o.Key, Source: "our key"}}
	chains, err := b.Chains(nil)
	if err != nil {
		return refuse("%v", err)
	}
	chain := chains[0]
	facts := chain.Facts(nil)
	for _, n := range o.Names {
		if !slices.ContainsFunc(facts.Names, func(have string) bool { return strings.EqualFold(have, n) }) {
			return refuse("it does not name %s", n)
		}
	}
	if len(chain.Certs) < len(b.Certs) {
		return refuse("its chain does not hold together")
	}
	return Issued{Chain: chain, URL: got.CertURL}, nil
}

// Revoke asks the CA to revoke a certificate. reason is one of RFC 5280,
// section 5.3.1: 0 unspecified, 1 key compromise, 4 superseded.
func (c *Client) Revoke(ctx context.Context, chain certs.Chain, reason uint) error {
	return c.do(ctx, nil, func(l *lego.Client) error {
		return l.Certificate.RevokeWithReason([]byte(chain.CertificatesPEM()), &reason)
	})
}
