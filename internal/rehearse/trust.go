package rehearse

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// publicStore is how many certificates a collection must hold to count as one
// of public CAs; distributions ship more than a hundred.
const publicStore = 20

// trust works out which CA certificates the private sender gets. The test CA
// is added only where public CAs are trusted: a server that trusts nobody, or
// its own CA alone, would not know it either. note says what was found.
func (c Candidate) trust(s mastercf.Service, jail, testCA string) (store []byte, note string) {
	file, path := c.Config.Text(&s, "smtp_tls_CAfile"), c.Config.Text(&s, "smtp_tls_CApath")
	if file != "" {
		data, err := host.Local{}.ReadFile(file)
		if err != nil {
			return nil, "" // the private sender will stumble over it as the real one would
		}
		store = data
	}
	if path != "" {
		seen := filepath.Join(jail, path)
		more := folder(seen)
		if len(more) == 0 && jail != "" && debian() && !detect.Started(host.Local{}, jail) {
			more = files(path, "*.pem") // as it is copied when Postfix starts
		}
		if len(more) == 0 {
			note = fmt.Sprintf("smtp_tls_CApath: there are no certificates in %s, where smtp looks for them", seen)
		}
		store = append(store, more...)
	}
	if c.Config.Bool(&s, "tls_append_default_CA") {
		store = append(store, []byte(testCA)...)
		return store, note
	}
	switch n := bytes.Count(store, []byte("-----BEGIN CERTIFICATE-----")); {
	case n >= publicStore:
		store = append(append(store, '\n'), testCA...)
	case n == 0 && note == "":
		note = "no CA certificates are set for sending (smtp_tls_CAfile): every server is Untrusted"
	case n > 0:
		note = fmt.Sprintf("the CA certificates for sending are a store of %d, not the public one: the trusted server of the rehearsal is not known to it", n)
	}
	return store, note
}

// folder is what a directory of hashed certificates holds (c_rehash(1)), each
// file once.
func folder(path string) []byte { return files(path, "*.[0-9]") }

// debian reports whether Debian's script copies folders of CA certificates into the
// chroot before Postfix starts.
func debian() bool {
	_, err := os.Stat(debianStart)
	return err == nil
}

// debianStart is what Debian runs before it starts Postfix.
var debianStart = "/usr/lib/postfix/configure-instance.sh"

// files are the contents of the files in a folder whose names match, each once.
func files(path, pattern string) []byte {
	names, err := filepath.Glob(filepath.Join(path, pattern))
	if err != nil {
		return nil
	}
	slices.Sort(names)
	var out []byte
	for _, n := range names {
		if data, err := (host.Local{}).ReadFile(n); err == nil {
			out = append(append(out, data...), '\n')
		}
	}
	return out
}

// anchors are the certificates of smtp_tls_trust_anchor_file, or nothing: smtp
// reads them when it delivers, in its jail and without rights of its own. What
// cannot be read is left to fail as it would for the real one; a file with a
// private key in it is not copied to where others can read it.
func (c Candidate) anchors(s mastercf.Service) (out []byte) {
	for _, path := range postfix.List(c.Config.Text(&s, "smtp_tls_trust_anchor_file")) {
		data, err := host.Local{}.ReadFile(path)
		if err != nil || bytes.Contains(data, []byte("PRIVATE KEY")) {
			return nil
		}
		out = append(append(out, data...), '\n')
	}
	return out
}
