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
	"net"
	"slices"
	"strings"
	"time"

	"github.com/go-acme/lego/v4/certificate"
	"github.com/go-acme/lego/v4/lego"

	"postseal/certs"
	"postseal/certs/authority"
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

// NewKey makes a key of one of authority.KeyTypes.
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
	return nil, hint.New(fmt.Sprintf("%.40q is not a key type", kind), "use one of "+strings.Join(authority.KeyTypes, ", "))
}

// KeyType is the kind of a key, in the words of authority.KeyTypes; empty if it
// is neither ECDSA nor RSA.
func KeyType(key crypto.Signer) string {
	switch k := key.Public().(type) {
	case *ecdsa.PublicKey:
		return fmt.Sprintf("P%d", k.Curve.Params().BitSize)
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA%d", k.N.BitLen())
	}
	return ""
}

// oidExtKeyUsage and the two usages are RFC 5280, section 4.2.1.12.
var (
	oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidServerAuth  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidClientAuth  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
)

// names are the names in the form that CAs want: small letters, no dot at the
// end, each once.
func (o Order) names() (out []string, err error) {
	for _, n := range o.Names {
		clean := strings.ToLower(strings.TrimSuffix(strings.TrimSpace(n), "."))
		bad := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/:@,;"'\`, r) }
		if clean == "" || len(clean) > 253 || strings.ContainsFunc(clean, bad) || net.ParseIP(clean) != nil {
			return nil, hint.New(fmt.Sprintf("%.255q is not a host name", n), "use a name such as mx.example.org, in its xn-- form if it is not ASCII")
		}
		if !slices.Contains(out, clean) {
			out = append(out, clean)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("an order needs names")
	}
	return out, nil
}

// request is the certificate signing request: names and no common name, which
// CAs no longer want.
func (o Order) request() (*x509.CertificateRequest, error) {
	names, err := o.names()
	if err != nil {
		return nil, err
	}
	if o.Key == nil {
		return nil, errors.New("an order needs a key")
	}
	switch o.Key.Public().(type) { // others would make the library panic
	case *ecdsa.PublicKey, *rsa.PublicKey:
	default:
		return nil, hint.New(fmt.Sprintf("CAs do not sign a %T", o.Key.Public()), "use --key-type with one of "+strings.Join(authority.KeyTypes, ", "))
	}
	t := &x509.CertificateRequest{DNSNames: names}
	if o.BothUses {
		value, err := asn1.Marshal([]asn1.ObjectIdentifier{oidServerAuth, oidClientAuth})
		if err != nil {
			return nil, err
		}
		t.ExtraExtensions = []pkix.Extension{{Id: oidExtKeyUsage, Value: value}}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, t, o.Key)
	if err != nil {
		return nil, fmt.Errorf("creating the request: %w", err)
	}
	return x509.ParseCertificateRequest(der)
}

// Issued is a certificate as the CA signed it.
type Issued struct {
	certs.Chain
	// URL is where the CA keeps it.
	URL string
	// Renewal says that the CA took the order as one that replaces a
	// certificate (RFC 9773, section 5): it may not count against its limits.
	Renewal bool
}

// Obtain orders a certificate (RFC 8555, section 7.4), proves the names by the
// solver, and fetches it. tell hears what happens, one event at a time and none
// after Obtain has returned; it may be nil, and must not block. What comes back
// is for our key and our names and no others, and its chain is in order.
//
// If ctx ends, it returns within four seconds with the error of ctx, and what
// the solver had put in place is taken away.
func (c *Client) Obtain(ctx context.Context, o Order, s Solver, tell func(Event)) (issued Issued, err error) {
	r := &run{tell: tell}
	defer func() { r.end(err) }()
	csr, err := o.request()
	if err != nil {
		return Issued{}, err
	}
	switch {
	case s == nil:
		return Issued{}, errors.New("an order needs a way to validate the names")
	case c.o.Account.URL == "":
		return Issued{}, hint.New("the account is not registered with the CA", "read the CA's terms, then register it with --accept-terms")
	}
	if !s.byHand() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, orderTime)
		defer cancel()
	}
	r.event(Connecting, "", c.o.Account.String(), nil)
	meta, err := c.Meta(ctx)
	if err != nil {
		return Issued{}, err
	}
	r.event(Ordering, "", strings.Join(csr.DNSNames, ", "), nil)
	open := &presented{run: r}
	r.cleanUp = open.cleanUp
	var got *certificate.Resource
	err = c.do(ctx, r, func(l *lego.Client) error {
		done, err := s.install(l, open)
		if err != nil {
			return err
		}
		defer done()
		req := certificate.ObtainForCSRRequest{CSR: csr, Bundle: true, Profile: o.Profile, PreferredChain: o.PreferredChain}
		if o.Replaces != nil && meta.RenewalInfo != "" {
			if req.ReplacesCertID, err = certificate.MakeARICertID(o.Replaces); err != nil {
				req.ReplacesCertID = "" // a certificate without what RFC 9773 needs
			}
		}
		got, err = l.Certificate.ObtainForCSR(req)
		if err != nil && req.ReplacesCertID != "" && !r.hasOrder() && refusesReplacement(r.explain(err)) {
			// It belongs to another account, or was replaced already: that
			// costs the exemption from rate limits, and not the certificate.
			r.event(Ordering, "", "the CA does not accept it as a renewal; placing a new order", nil)
			req.ReplacesCertID = ""
			got, err = l.Certificate.ObtainForCSR(req)
		}
		return err
	})
	open.cleanUp() // what the library leaves: a challenge that could not be put in place whole
	if err != nil {
		if left := open.left(); len(left) > 0 {
			err = hint.Wrap(fmt.Errorf("%w; the challenge of %s could not be removed", err, strings.Join(left, ", ")), "remove the challenge's TXT record or file by hand")
		}
		return Issued{}, err
	}
	issued, err = o.check(got)
	issued.Renewal = r.isRenewal()
	return issued, err
}

// orderTime bounds an order, from the directory to the download.
const orderTime = time.Hour

// hasOrder reports whether the CA has taken the order. From there on a refusal is
// about the names, and another try would only cost another failed validation.
func (r *run) hasOrder() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ordered
}

// isRenewal reports whether the CA took the order as one that replaces a
// certificate. The library gives that up without a word if the CA refuses it.
func (r *run) isRenewal() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.renewal
}

// refusesReplacement reports whether a CA refused because of the certificate that
// is to be replaced.
func refusesReplacement(err error) bool {
	var p *Problem
	return errors.As(err, &p) && slices.Contains([]string{"unauthorized", "malformed", "conflict", "alreadyReplaced", "serverInternal"}, p.Type)
}

// ErrUnfit is why a certificate that the CA signed is not taken. It counts
// against the CA's limits all the same.
var ErrUnfit = errors.New("the CA sent a certificate other than the one ordered")

// check looks whether the answer is what was ordered.
func (o Order) check(got *certificate.Resource) (Issued, error) {
	refuse := func(format string, args ...any) (Issued, error) {
		return Issued{}, hint.Wrap(fmt.Errorf("%w: %s", ErrUnfit, fmt.Sprintf(format, args...)), "nothing was installed; try again, or contact the CA")
	}
	wanted, err := o.names()
	if err != nil {
		return Issued{}, err
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
	leaf := chain.Leaf()
	for _, n := range wanted {
		if !slices.ContainsFunc(leaf.DNSNames, func(have string) bool { return strings.EqualFold(have, n) }) {
			return refuse("it does not name %s", n)
		}
	}
	for _, n := range leaf.DNSNames {
		if !slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(w, n) }) {
			return refuse("it also names %.255s", n)
		}
	}
	if len(chain.Certs) < len(b.Certs) {
		return refuse("its chain is not consistent")
	}
	if time.Now().After(leaf.NotAfter) {
		return refuse("it expired on %s", leaf.NotAfter.UTC().Format(time.DateTime))
	}
	if o.BothUses {
		if err := bothUses(chain); err != nil {
			return Issued{}, hint.Wrap(fmt.Errorf("%w: %w", ErrUnfit, err), "nothing was installed; step-ca: the template of its provisioner needs both in extKeyUsage; Vault, OpenBao: allow_role_ext_key_usage=true in config/acme, and a role with client_flag and server_flag; --both-uses no does without")
		}
	}
	return Issued{Chain: chain, URL: got.CertURL}, nil
}

// bothUses says whether a chain is good for a server and for a client, in two
// passes of its own, by who trusts its top. The second opinion of each is
// OpenSSL's, which is stricter.
func bothUses(c certs.Chain) error {
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: time.Now()}
	if o.CurrentTime.Before(c.Leaf().NotBefore) {
		o.CurrentTime = c.Leaf().NotBefore
	}
	o.Roots.AddCert(c.Certs[len(c.Certs)-1])
	for _, cert := range c.Certs {
		o.Intermediates.AddCert(cert)
	}
	f := c.Facts(nil)
	for _, use := range []struct {
		usage   x509.ExtKeyUsage
		allowed bool
		name    string
	}{{x509.ExtKeyUsageServerAuth, f.ServerUse, "server"}, {x509.ExtKeyUsageClientAuth, f.ClientUse, "client"}} {
		o.KeyUsages = []x509.ExtKeyUsage{use.usage}
		if _, err := c.Leaf().Verify(o); err != nil {
			return fmt.Errorf("the CA was asked for both uses, but its certificate is not valid for a %s: %w", use.name, err)
		}
		if !use.allowed {
			return fmt.Errorf("the CA was asked for both uses, but its certificate is not valid for a %s by the rules of OpenSSL", use.name)
		}
	}
	return nil
}

// Revoke asks the CA to revoke a certificate. reason is one of RFC 5280,
// section 5.3.1: 0 unspecified, 1 key compromise, 4 superseded.
func (c *Client) Revoke(ctx context.Context, chain certs.Chain, reason uint) error {
	return c.do(ctx, &run{}, func(l *lego.Client) error {
		return l.Certificate.RevokeWithReason([]byte(chain.CertificatesPEM()), &reason)
	})
}
