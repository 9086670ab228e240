package lineage

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"postseal/certs"
	"postseal/internal/hint"
	"postseal/internal/interview"
)

// SelfSignedPath is the file of the self-signed certificate for these names, of
// which there is at least one.
func (s Store) SelfSignedPath(names []string) string {
	return filepath.Join(s.CertsDir, Name(names), "self-signed.pem")
}

// SelfSigned is a self-signed certificate for host names, in a file of its own
// beside those that a CA signed. One that is there is left as it is, or, if it
// lacks a name or is due, made anew with the same key: a TLSA record of it stays
// true. made says that the file was written.
func (s Store) SelfSigned(names []string) (path string, chain certs.Chain, made bool, err error) {
	if len(names) == 0 {
		return "", chain, false, hint.New("there is no name to make a certificate for", "--name HOST gives one")
	}
	for _, n := range names {
		if !interview.HostName(n) { // the first one names the folder
			return "", chain, false, hint.New(fmt.Sprintf("%.80q is no host name", n), "give --name mx.example.org")
		}
	}
	path = s.SelfSignedPath(names)
	dir := filepath.Dir(path)
	var key crypto.Signer
	data, err := s.M.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", chain, false, fmt.Errorf("reading the self-signed certificate: %w", err)
	default:
		b, err := certs.Read(path, data)
		if err != nil {
			return "", chain, false, err
		}
		chains, err := b.Chains(nil)
		if err != nil || chains[0].Key == nil {
			return "", chain, false, hint.New(path+" holds no key with its certificate", "move it away, and run this again")
		}
		chain, key = chains[0], chains[0].Key
		facts := chain.Facts(nil)
		if s.M.Now().Before(certs.DueByLifetime(facts.NotBefore, facts.NotAfter)) && !slices.ContainsFunc(names, func(n string) bool { return !facts.Covers(n) }) {
			return path, chain, false, nil
		}
	}
	if chain, err = certs.NewServer(key, names, s.M.Now()); err != nil {
		return "", chain, false, err
	}
	text, err := chain.PEM()
	if err != nil {
		return "", chain, false, err
	}
	if _, err := s.M.MkdirAll(dir, 0o700); err != nil {
		return "", chain, false, err
	}
	return path, chain, true, s.M.ReplaceSecret(path, text)
}
