// Package certs is the certificate craft: it reads PEM files as forgivingly as
// it can and says what it mended, matches keys to certificates, orders chains,
// and judges what a certificate may be used for.
//
// It can be imported alone. It reads no files, opens no connections, and knows
// nothing of Postfix but the one file that smtpd_tls_chain_files wants.
package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/hint"
)

// Bundle is what one or more PEM files hold.
type Bundle struct {
	Keys  []Key
	Certs []*x509.Certificate
	// Mended says what was wrong with a file and could be put right.
	Mended []string
	// Skipped says which CA certificates could not be read, and why. OpenSSL may
	// read them.
	Skipped []string
	// KeyFirst is true if a key stands before any certificate, as
	// smtpd_tls_chain_files wants it.
	KeyFirst bool

	entries []entry
	refused string
	// lenient bundles leave out certificates that cannot be read.
	lenient bool
}

// Key is a key and the file it came from.
type Key struct {
	Public crypto.PublicKey
	// Private is nil in a bundle without secrets.
	Private crypto.Signer
	Source  string
}

// WithoutSecrets is the bundle with public keys only: what can be matched and
// judged, but not written.
func (b Bundle) WithoutSecrets() Bundle {
	b.Keys = slices.Clone(b.Keys)
	for i := range b.Keys {
		b.Keys[i].Private = nil
	}
	return b
}

// Errors that a caller decides on.
var (
	ErrEncrypted = errors.New("the private key is encrypted")
	ErrNoPEM     = errors.New("no PEM data")
	ErrMismatch  = errors.New("key and certificate do not match")
	ErrNoKey     = errors.New("no private key")
	ErrNoCert    = errors.New("no certificate")
)

// Read parses a PEM file with a chain and its key, or one of the two: MaxChain
// certificates at most. name is only used in messages.
//
// Go's PEM reader silently skips what it cannot read; OpenSSL does so in other
// places. What either would lose is mended and reported, or an error.
func Read(name string, data []byte) (Bundle, error) {
	return read(Bundle{}, name, data, MaxChain, "a chain file contains the server's own certificate and its issuers, not a CA bundle")
}

// ReadCAs parses a PEM file of CA certificates: MaxCAs at most. Certificates that
// Go refuses and OpenSSL may accept, such as one with a negative serial number, are
// left out, and Skipped names them.
func ReadCAs(name string, data []byte) (Bundle, error) {
	return read(Bundle{lenient: true}, name, data, MaxCAs, "split the file, and use the part with the CAs you need")
}

func read(b Bundle, name string, data []byte, most int, next string) (Bundle, error) {
	if n := bytes.Count(data, []byte(begin)); n > most+MaxKeys {
		return Bundle{}, fmt.Errorf("reading %s: %w", name, tooLarge(fmt.Sprintf("%d PEM blocks, at most %d are read", n, most+MaxKeys), next))
	}
	if err := b.read(name, data); err != nil {
		return Bundle{}, fmt.Errorf("reading %s: %w", name, err)
	}
	switch {
	case len(b.Certs) > most:
		return Bundle{}, fmt.Errorf("reading %s: %w", name, tooLarge(fmt.Sprintf("%d certificates, at most %d are read", len(b.Certs), most), next))
	case len(b.Keys) > MaxKeys:
		return Bundle{}, fmt.Errorf("reading %s: %w", name, tooLarge(fmt.Sprintf("%d private keys, at most %d are read", len(b.Keys), MaxKeys), "Postfix loads one key of each algorithm: remove the others"))
	}
	return b, nil
}

// Add joins what other files hold.
func (b *Bundle) Add(other Bundle) {
	b.Keys = append(b.Keys, other.Keys...)
	b.Certs = append(b.Certs, other.Certs...)
	b.Mended = append(b.Mended, other.Mended...)
	b.entries = append(b.entries, other.entries...)
	b.refuse(other.refused)
}

const begin = "-----BEGIN "

func (b *Bundle) read(name string, data []byte) error {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return hint.New("the file is UTF-16, which Postfix cannot read", hint.ShellLine([]string{"iconv", "-f", "UTF-16", "-t", "UTF-8", name}))
	}
	text := b.straighten(name, data)
	want := bytes.Count(text, []byte(begin))
	if want == 0 {
		if len(data) > 0 && data[0] == 0x30 {
			return hint.Wrap(ErrNoPEM, "this looks like DER; convert it: "+hint.ShellLine([]string{"openssl", "x509", "-inform", "DER", "-in", name}))
		}
		return ErrNoPEM
	}
	got := 0
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		got++
		if err := b.block(name, block); err != nil {
			return err
		}
		text = rest
	}
	if got != want {
		return fmt.Errorf("%d of %d PEM blocks are damaged", want-got, want)
	}
	return nil
}

// straighten mends what makes PEM readers lose blocks: a byte order mark,
// indented lines, an END and a BEGIN on one line.
func (b *Bundle) straighten(name string, data []byte) []byte {
	if t, ok := bytes.CutPrefix(data, []byte("\xef\xbb\xbf")); ok {
		b.mended(name, "a byte order mark at the start")
		data = t
	}
	if bytes.Contains(data, []byte("----------BEGIN ")) {
		b.mended(name, "PEM blocks without a line break between them")
		b.refuse("two PEM blocks share a line")
		data = bytes.ReplaceAll(data, []byte("----------BEGIN "), []byte("-----\n-----BEGIN "))
	}
	lines := strings.Split(string(data), "\n")
	indented := false
	for i, l := range lines {
		if t := strings.TrimLeft(l, " \t"); t != l {
			indented = indented || strings.HasPrefix(t, "-----")
			lines[i] = t
		}
	}
	if indented {
		b.mended(name, "indented lines")
		b.refuse("PEM lines are indented")
	}
	return []byte(strings.Join(lines, "\n"))
}

func (b *Bundle) mended(name, what string) { b.Mended = append(b.Mended, name+": "+what) }

// block reads one PEM block (RFC 7468 has the labels).
func (b *Bundle) block(name string, p *pem.Block) error {
	switch p.Type {
	case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
		der := p.Bytes
		if p.Type == "TRUSTED CERTIFICATE" {
			// OpenSSL's own form: the certificate, then trust settings.
			var first asn1.RawValue
			if _, err := asn1.Unmarshal(der, &first); err != nil {
				return err
			}
			der = first.FullBytes
			b.mended(name, "a TRUSTED CERTIFICATE block, which Postfix refuses")
			b.refuse("a TRUSTED CERTIFICATE block")
		}
		c, err := Parse(der)
		if err != nil && b.lenient && !errors.Is(err, ErrTooLarge) && signed(der) {
			b.Skipped = append(b.Skipped, fmt.Sprintf("certificate %d: %v", len(b.Certs)+len(b.Skipped)+1, err))
			return nil
		}
		if err != nil {
			return err
		}
		b.Certs = append(b.Certs, c)
		b.entries = append(b.entries, entry{cert: c})
	case "ENCRYPTED PRIVATE KEY":
		return encrypted(name)
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
		if p.Headers["DEK-Info"] != "" {
			return encrypted(name)
		}
		k, err := ParseKey(p.Bytes)
		if err != nil {
			return err
		}
		b.KeyFirst = b.KeyFirst || len(b.Certs) == 0
		b.Keys = append(b.Keys, Key{k.Public(), k, name})
		b.entries = append(b.entries, entry{key: k.Public()})
		if !strict(p) {
			b.refuse("the private key is not of the type that its PEM label says")
		}
	}
	return nil
}

// signed reports whether der has the outer form of a certificate (RFC 5280, section
// 4.1), whatever is in it.
func signed(der []byte) bool {
	var c struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &c)
	return err == nil && len(rest) == 0
}

func encrypted(name string) error {
	return hint.Wrap(ErrEncrypted, "Postfix reads only keys without a passphrase; create one: "+hint.ShellLine([]string{"openssl", "pkey", "-in", name, "-out", "plain.key"}))
}
