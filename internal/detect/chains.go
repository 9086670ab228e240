package detect

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"postseal/certs"
	"postseal/internal/hint"
)

// Chain is a chain and what there is to know of it.
type Chain struct {
	certs.Chain
	Facts certs.Facts
}

// chainMemo remembers chains by the content of their files. A wizard makes a
// plan of every answer that could be given, and signatures are slow to check.
type chainMemo struct {
	mu    sync.Mutex
	known map[string][]Chain
}

// Chains puts together what the given files hold, which must have been
// inspected, and what the CA files of the configuration have to complete it. unread are
// the paths that this user may not read; if keys are among them, the match is not proved.
func (f *Facts) Chains(paths ...string) (chains []Chain, unread []string, err error) {
	return f.chains("", func(b certs.Bundle) ([]certs.Chain, error) { return b.Chains(f.intermediates()) }, paths)
}

// sent is Chains for files that Postfix loads: it sends what they hold. caFile is the
// CA file that it loads with them, or empty.
func (f *Facts) sent(caFile string, paths ...string) (chains []Chain, unread []string, err error) {
	return f.chains("sent\x00"+caFile+"\x00", func(b certs.Bundle) ([]certs.Chain, error) { return b.Sent(f.CAFiles[caFile].Certs) }, paths)
}

func (f *Facts) chains(content string, put func(certs.Bundle) ([]certs.Chain, error), paths []string) (chains []Chain, unread []string, err error) {
	var all certs.Bundle
	var bad []error
	for _, path := range paths {
		p, ok := f.PEM[path]
		switch {
		case !ok:
			return nil, nil, fmt.Errorf("%s was not examined", path)
		case errors.Is(p.Err, fs.ErrPermission) && !f.Root:
			unread = append(unread, path)
		case errors.Is(p.Err, fs.ErrNotExist) && p.Relative != "":
			bad = append(bad, hint.New(fmt.Sprintf("%s does not exist: %s is relative to queue_directory", path, p.Relative), "use an absolute path, such as "+filepath.Join(f.Config.Dir, p.Relative)))
		case errors.Is(p.Err, fs.ErrNotExist):
			bad = append(bad, hint.New(path+" does not exist", hint.ShellLine([]string{"ls", "-l", filepath.Dir(path)})+" shows what is there"))
		case p.Err != nil:
			bad = append(bad, p.Err)
		default:
			all.Add(p.Bundle)
			content += path + "\x00" + p.Digest + "\x00"
		}
	}
	if len(bad) > 0 {
		return nil, unread, errors.Join(bad...)
	}
	if len(all.Certs) == 0 && len(unread) > 0 {
		return nil, unread, nil
	}
	f.memo.mu.Lock()
	defer f.memo.mu.Unlock()
	if known, ok := f.memo.known[content]; ok {
		return known, unread, nil
	}
	sorted, err := put(all)
	if err != nil {
		return nil, unread, err
	}
	for _, c := range sorted {
		chains = append(chains, Chain{c, c.Facts(f.Roots())})
	}
	f.memo.known[content] = chains
	return chains, unread, nil
}

// intermediates are certificates that may complete a chain that is put into a file of
// ours: old settings send them by smtpd_tls_CAfile instead of the certificate file.
func (f *Facts) intermediates() []*x509.Certificate {
	var out []*x509.Certificate
	for _, name := range []string{"smtpd_tls_CAfile", "smtp_tls_CAfile"} {
		if p := f.Config.Text(nil, name); p != "" && p != f.Bundle.Path {
			out = append(out, f.CAFiles[p].Certs...)
		}
	}
	return out
}

// Roots are the CA certificates that peers are taken to have.
func (f *Facts) Roots() []*x509.Certificate { return f.Bundle.Certs }

// pairs are the old ways to name a certificate, by algorithm.
var pairs = [][2]string{{"cert_file", "key_file"}, {"eccert_file", "eckey_file"}, {"dcert_file", "dkey_file"}}
