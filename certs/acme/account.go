package acme

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/go-acme/lego/v4/lego"
	"github.com/go-acme/lego/v4/registration"

	"postseal/certs"
	"postseal/internal/hint"
)

// Account is who a CA knows us as (RFC 8555, section 7.1.2). It holds a
// private key, which no way of printing shows.
type Account struct {
	key crypto.Signer
	// URL names the account at the CA; empty until it is registered.
	URL string
	// Directory is the CA that it belongs to.
	Directory string
	// Email is for messages from the CA; it may be empty.
	Email string
}

// NewAccount makes an account with a new key. It is not registered yet.
func NewAccount(directory, email string) (*Account, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("creating an account key: %w", err)
	}
	return &Account{key: key, Directory: directory, Email: email}, nil
}

// accountJSON is what is stored of an account beside its key.
type accountJSON struct {
	URL       string `json:"url"`
	Directory string `json:"directory"`
	Email     string `json:"email,omitempty"`
}

// LoadAccount reads what KeyPEM and JSON wrote. Without data, the account is
// looked up by its key when it registers.
func LoadAccount(keyPEM, data []byte) (*Account, error) {
	p, _ := pem.Decode(keyPEM)
	if p == nil {
		return nil, errors.New("reading the account key: no PEM data")
	}
	k, err := certs.ParseKey(p.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the account key: %w", err)
	}
	a := &Account{}
	switch k := k.(type) { // what the library can sign with (RFC 7518)
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			a.key = k
		}
	case *rsa.PrivateKey:
		if k.N.BitLen() >= 2048 {
			a.key = k
		}
	}
	if a.key == nil {
		return nil, hint.New("reading the account key: this key type is not supported", "use ECDSA P-256 or P-384, or RSA with at least 2048 bits")
	}
	var j accountJSON
	if len(data) > 0 {
		if err := json.Unmarshal(data, &j); err != nil {
			return nil, fmt.Errorf("reading the account: %w", err)
		}
	}
	a.URL, a.Directory, a.Email = j.URL, j.Directory, j.Email
	return a, nil
}

// KeyPEM is the private key as PKCS#8. Whoever has it can act for the account.
func (a *Account) KeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, fmt.Errorf("writing the account key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// MarshalJSON is everything but the key.
func (a Account) MarshalJSON() ([]byte, error) {
	return json.Marshal(accountJSON{a.URL, a.Directory, a.Email})
}

// EAB binds a new account to one that the CA knows otherwise (RFC 8555,
// section 7.3.4).
type EAB struct {
	KID string
	// HMAC is the key, in base64url as CAs hand it out.
	HMAC string
}

// Register makes the account known (RFC 8555, section 7.3), or finds it if the
// CA knows its key. The terms of service (Meta.Terms) must have been accepted.
func (c *Client) Register(ctx context.Context, acceptTerms bool, eab *EAB) error {
	if c.o.Account.URL != "" {
		return nil
	}
	if !acceptTerms {
		return hint.New("the terms of service of the CA were not accepted", "read them, then pass --accept-terms")
	}
	var mac string
	if eab != nil {
		mac = strings.TrimRight(strings.TrimSpace(eab.HMAC), "=")
		if _, err := base64.RawURLEncoding.DecodeString(mac); err != nil || mac == "" || eab.KID == "" {
			return hint.New("the external account binding is invalid: the key must be base64url, and the key ID must not be empty", "copy both again from the CA's website")
		}
	}
	if _, err := c.Meta(ctx); err != nil { // says better than the library why a CA cannot be read
		return err
	}
	var url string
	err := c.do(ctx, &run{}, func(l *lego.Client) error {
		var r *registration.Resource
		var err error
		if eab != nil {
			r, err = l.Registration.RegisterWithExternalAccountBinding(registration.RegisterEABOptions{
				TermsOfServiceAgreed: true, Kid: eab.KID, HmacEncoded: mac,
			})
		} else {
			r, err = l.Registration.Register(registration.RegisterOptions{TermsOfServiceAgreed: true})
		}
		if err == nil {
			url = r.URI
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("registering the account: %w", err)
	}
	if url == "" {
		return unusable("it contains no account address")
	}
	c.o.Account.URL, c.o.Account.Directory = url, c.o.Directory
	return nil
}

// user is the account as the library wants it.
type user struct{ a *Account }

func (u user) GetEmail() string                 { return u.a.Email }
func (u user) GetPrivateKey() crypto.PrivateKey { return u.a.key }
func (u user) GetRegistration() *registration.Resource {
	if u.a.URL == "" {
		return nil
	}
	return &registration.Resource{URI: u.a.URL}
}
