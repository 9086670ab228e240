package detect

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"postseal/certs"
	"postseal/internal/host"
)

// What is done at most in each place where a program keeps certificates: other accounts
// own some of these places, and can fill them with names without end and with files that
// are slow to check. It is counted by place, so that no account hides what lies in
// another. What the configuration uses is always read.
const (
	maxFound  = 200      // certificates that are read
	maxNames  = 10_000   // names in folders
	maxChecks = 2000     // signatures that are checked and private keys that are parsed
	maxBytes  = 32 << 20 // bytes that are read
)

// budget is what may still be done in one place. A nil budget has no end.
type budget struct {
	stop                        <-chan struct{}
	found, names, checks, bytes int
	// over is what there was too much of, or empty.
	over string
}

func newBudget(ctx context.Context) *budget {
	return &budget{stop: ctx.Done(), found: maxFound, names: maxNames, checks: maxChecks, bytes: maxBytes}
}

// take reports whether n of what is left can be used, and uses it.
func (b *budget) take(left *int, n int, over string) bool {
	select {
	case <-b.stop:
		return false
	default:
	}
	if b.over == "" && *left < n {
		b.over = over
	}
	if b.over != "" {
		return false
	}
	*left -= n
	return true
}

// check is take for signatures and keys.
func (b *budget) check(n int) bool {
	return b == nil || b.take(&b.checks, n, fmt.Sprintf("they need more than %d signature checks", maxChecks))
}

// search lists the certificates in one place. It ends early only with ctx.
func (f *Facts) search(ctx context.Context, m host.Reader, p certs.Place) error {
	b := newBudget(ctx)
	found, more := b.glob(m, p.Glob)
	slices.Sort(found)
	for i, chain := range found {
		if strings.HasSuffix(chain, certs.NextKey) {
			continue // kept for later
		}
		key := p.Key(chain)
		if _, err := m.Stat(key); errors.Is(err, fs.ErrNotExist) {
			continue // a CA, or something half removed
		}
		if b.take(&b.found, 1, fmt.Sprintf("there are more than %d", maxFound)) &&
			b.take(&b.bytes, f.toRead(m, key, chain), fmt.Sprintf("they exceed %d MiB", maxBytes>>20)) {
			f.addCertificates(m, []string{key, chain}, p.Owner, b, nil)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if b.over != "" {
			f.unseen("certificates in "+p.Glob, fmt.Errorf("%s: the last %d were not read; to use one of them, give it with --cert", b.over, len(found)-i))
			break
		}
	}
	if more {
		f.unseen("certificates in "+p.Glob, fmt.Errorf("there are more than %d names: the others were not examined; to use one of them, give it with --cert", maxNames))
	}
	return ctx.Err()
}

// toRead is how many bytes of the files are still to be read.
func (f *Facts) toRead(m host.Reader, key, chain string) (n int) {
	for _, path := range slices.Compact([]string{key, chain}) {
		_, known := f.PEM[path]
		if st, err := m.Stat(path); err == nil && !known && st.Size <= host.MaxFile {
			n += int(st.Size)
		}
	}
	return n
}

// glob lists what filepath.Glob lists, folder by folder; more is true if there were too
// many names to look at them all.
func (b *budget) glob(m host.Reader, pattern string) (found []string, more bool) {
	var walk func(dir string, rest []string)
	walk = func(dir string, rest []string) {
		for len(rest) > 0 && !strings.ContainsAny(rest[0], `*?[\`) {
			dir, rest = filepath.Join(dir, rest[0]), rest[1:]
		}
		if len(rest) == 0 {
			found = append(found, dir)
			return
		}
		names, err := m.ReadDir(dir, b.names+1)
		if err != nil {
			return // as for filepath.Glob
		}
		if len(names) > b.names {
			names, more = names[:b.names], true
		}
		b.names -= len(names)
		slices.Sort(names)
		for _, name := range names {
			select {
			case <-b.stop:
				return
			default:
			}
			if ok, err := filepath.Match(rest[0], name); ok && err == nil {
				walk(filepath.Join(dir, name), rest[1:])
			}
		}
	}
	if rest, ok := strings.CutPrefix(pattern, "/"); ok {
		walk("/", strings.Split(rest, "/"))
	}
	return slices.DeleteFunc(found, func(path string) bool { return !there(m, path) }), more
}

// there reports whether a path exists, if only as a link that leads nowhere.
func there(m host.Reader, path string) bool {
	if _, err := m.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err == nil || errors.Is(err, fs.ErrPermission)
	}
	_, err := m.Readlink(path)
	return err == nil
}

// signatureChecks is how many signatures it takes at most to put certificates in order:
// one for each pair of which one can have issued the other, by their names. certs checks
// no more than 100 of one file, and crypto/x509 of one chain.
func signatureChecks(all []*x509.Certificate) (n int) {
	for _, parent := range all {
		for _, child := range all {
			if string(parent.RawSubject) == string(child.RawIssuer) {
				n++
			}
		}
	}
	return min(n, 100)
}
