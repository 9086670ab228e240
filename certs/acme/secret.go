package acme

import (
	"encoding/json"
	"fmt"
	"io"
)

// What holds a secret says itself how it is printed, for every verb, and how it
// looks in JSON: fmt would print a field of a struct, and encoding/json the
// numbers of a private key.

// String names the account, without its key.
func (a Account) String() string { return "ACME account " + a.URL + " at " + a.Directory }

// Format implements fmt.Formatter.
func (a Account) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// String is the key ID alone.
func (e EAB) String() string { return "external account " + e.KID }

// Format implements fmt.Formatter.
func (e EAB) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

// MarshalJSON is the key ID alone.
func (e EAB) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]string{"kid": e.KID}) }

// String names server and key, without the secret.
func (p RFC2136) String() string { return "DNS updates to " + p.Server + " with the key " + p.Key }

// Format implements fmt.Formatter.
func (p RFC2136) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// MarshalJSON is server and name of the key.
func (p RFC2136) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"server": p.Server, "zone": p.Zone, "key": p.Key, "algorithm": p.Algorithm})
}

// String names what is ordered.
func (o Order) String() string { return fmt.Sprintf("order for %q", o.Names) }

// Format implements fmt.Formatter.
func (o Order) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.String()) }

// MarshalJSON is the names.
func (o Order) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string][]string{"names": o.Names})
}

// String names the certificate.
func (i Issued) String() string { return "certificate " + i.URL }

// Format implements fmt.Formatter.
func (i Issued) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, i.String()) }

// MarshalJSON is the certificates, without the key.
func (i Issued) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"url": i.URL, "certificates": i.CertificatesPEM()})
}
