package lineage

import (
	"context"
	"fmt"
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
// lacks a name or is due, made anew with the same key: a TLSA record of the key
// stays true. One that Postfix shows takes the way of a renewal: guarded, tried,
// proved. accepted are risks by name; made says that the file was written.
func (k *Keeper) SelfSigned(ctx context.Context, names, accepted []string) (path string, chain certs.Chain, made bool, err error) {
	if len(names) == 0 {
		return "", chain, false, hint.New("no name was given for the certificate", "give one with --name HOST")
	}
	for _, n := range names {
		if !interview.HostName(n) { // the first one names the folder
			return "", chain, false, hint.New(fmt.Sprintf("%.80q is not a host name", n), "use a host name: --name mx.example.org")
		}
	}
	l := &Lineage{Name: Name(names), Names: names}
	if err := l.Accept(accepted); err != nil {
		return "", chain, false, err
	}
	path = k.SelfSignedPath(names)
	there, err := k.there(path)
	if err != nil {
		return "", chain, false, err
	}
	if there.Key != nil {
		facts := there.Facts(nil)
		if k.M.Now().Before(certs.DueByLifetime(facts.NotBefore, facts.NotAfter)) && !slices.ContainsFunc(names, func(n string) bool { return !facts.Covers(n) }) {
			return path, there, false, nil
		}
	}
	if chain, err = certs.NewServer(there.Key, names, k.M.Now()); err != nil {
		return "", chain, false, err
	}
	if k.shows(path) {
		return path, chain, true, k.install(ctx, l, chain, path)
	}
	text, err := chain.PEM()
	if err != nil {
		return "", chain, false, err
	}
	if _, err := k.M.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", chain, false, err
	}
	return path, chain, true, k.M.ReplaceSecret(path, text)
}
