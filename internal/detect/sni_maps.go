package detect

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"postseal/certs"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/postfix/logical"
)

// StaleMap is a table of tls_server_sni_maps that holds other certificates than its
// files: postmap(1) copies the files into the table, and a renewal does not change it.
type StaleMap struct {
	// Table is the table as main.cf names it: "hash:/etc/postfix/sni".
	Table string `json:"table"`
	// Keys are those whose files have changed since, or which it lacks.
	Keys   []string       `json:"keys"`
	Origin postfix.Origin `json:"-"`
}

// Remedy is the command that builds the table from its files.
func (s StaleMap) Remedy() []string { return []string{"postmap", "-F", s.Table} }

const (
	// maxSNI is how many names of an SNI map are looked at.
	maxSNI = 200
	// sniTime bounds what postmap takes to list a map.
	sniTime = 10 * time.Second
)

// findSNI reads the certificates that listeners show to clients that name a host
// (postconf(5), tls_server_sni_maps).
func (f *Facts) findSNI(ctx context.Context, m host.Reader) {
	ctx, cancel := context.WithTimeout(ctx, sniTime)
	defer cancel()
	seen := map[string]bool{}
	for _, l := range f.Listeners {
		if l.Level == "none" {
			continue
		}
		v := f.Config.Value(&l.Service, "tls_server_sni_maps")
		if strings.Contains(v.Text, "{") {
			f.unseen("certificates in tls_server_sni_maps", errors.New("the table is written into the value"))
			continue
		}
		for _, table := range postfix.List(v.Text) {
			if !seen[table] {
				seen[table] = true
				f.sniMap(ctx, m, table, v.Origin)
			}
		}
	}
}

// sniMap reads one table: as postmap made it, or, where Postfix reads the text itself,
// the files that the text names.
func (f *Facts) sniMap(ctx context.Context, m host.Reader, table string, at postfix.Origin) {
	kind, path, _ := strings.Cut(strings.TrimPrefix(table, "proxy:"), ":")
	suffix, known := indexed[kind]
	if !known || suffix == "" && kind != "texthash" {
		f.unseen("certificates in "+table, fmt.Errorf("%s: tables cannot be listed", kind))
		return
	}
	named, textErr := sniText(m, path)
	keys := make([]string, 0, len(named))
	for _, n := range named {
		keys = append(keys, n.key)
	}
	var built map[string]string
	if suffix != "" {
		var err error
		if built, err = sniBuilt(ctx, m, f.Config.Dir, kind+":"+path, keys); err != nil {
			f.unseen("certificates in "+table, fmt.Errorf("%w; its files are judged instead", err))
		}
	}
	if textErr != nil && built == nil {
		f.unseen("certificates in "+table, textErr)
		return
	}
	for key := range built {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if len(keys) > maxSNI {
		f.unseen("certificates in "+table, fmt.Errorf("there are %d names; the first %d were looked at", len(keys), maxSNI))
		keys = keys[:maxSNI]
	}
	stale := StaleMap{Table: kind + ":" + path, Origin: at}
	compiled, _ := m.Stat(path + suffix)
	for _, key := range keys {
		var files []string
		if i := slices.IndexFunc(named, func(n sniEntry) bool { return n.key == key }); i >= 0 {
			files = named[i].files
		}
		now := f.sniFiles(m, files)
		shown := now
		if built != nil {
			value, there := built[key]
			shown = sniValue(table, value)
			if textErr == nil && (!there || !sameCertificates(shown, now) || now.Err != nil && newer(m, files, compiled.ModTime)) {
				stale.Keys = append(stale.Keys, key)
			}
			if !there {
				continue
			}
		}
		f.keepSNI(table, key, files, at, shown)
	}
	if len(stale.Keys) > 0 && suffix != "" {
		f.StaleMaps = append(f.StaleMaps, stale)
	}
}

// sniEntry is a name in the text of a table, and the files for it.
type sniEntry struct {
	key   string
	files []string
}

// sniText reads the text of a table (postmap(1)).
func sniText(m host.Reader, path string) (out []sniEntry, err error) {
	data, err := m.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for _, l := range logical.Parse(string(data)).Logical {
		if key, files, ok := strings.Cut(strings.Join(strings.Fields(l.Text), " "), " "); ok {
			out = append(out, sniEntry{strings.ToLower(key), postfix.List(files)})
		}
	}
	return out, nil
}

// sniBuilt lists what a table holds, by key: all of it, or, for a type that cannot be
// listed, what it has for these keys.
func sniBuilt(ctx context.Context, m host.Reader, config, table string, keys []string) (map[string]string, error) {
	built := map[string]string{}
	o, err := m.Run(ctx, "postmap", "-c", config, "-s", table)
	if err == nil && o.Code == 0 {
		for _, l := range strings.Split(o.Stdout, "\n") {
			if key, value, ok := strings.Cut(l, "\t"); ok {
				built[key] = value
			}
		}
		return built, nil
	}
	for _, key := range keys[:min(len(keys), maxSNI)] {
		one, err := m.Run(ctx, "postmap", "-c", config, "-q", key, table)
		if err != nil {
			return nil, err
		}
		if one.Code == 0 {
			built[key] = strings.TrimSpace(one.Stdout)
		}
	}
	if len(built) > 0 {
		return built, nil
	}
	if err == nil {
		err = fmt.Errorf("postmap: %s", lastLine(o.Stderr))
	}
	return nil, err
}

// sniValue is what Postfix loads of a value in a table.
func sniValue(table, value string) (p PEMFile) {
	data, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return PEMFile{Err: hint.New(table+" holds the names of files and not what is in them: the handshake fails", "build it with "+hint.ShellLine([]string{"postmap", "-F", table}))}
	}
	sum := sha256.Sum256(data)
	b, err := certs.Read(table, data)
	return PEMFile{Bundle: b.WithoutSecrets(), Err: err, Digest: hex.EncodeToString(sum[:])}
}

// sniFiles is what the files for a name hold now.
func (f *Facts) sniFiles(m host.Reader, files []string) (p PEMFile) {
	sum := sha256.New()
	for _, path := range files {
		one := f.readPEM(m, f.absolute(path))
		p.Err = errors.Join(p.Err, one.Err)
		p.Add(one.Bundle)
		_, _ = sum.Write([]byte(one.Digest))
	}
	p.Digest = hex.EncodeToString(sum.Sum(nil))
	return p
}

// sameCertificates reports whether two files hold the same, or that it cannot be told.
func sameCertificates(a, b PEMFile) bool {
	if a.Err != nil || b.Err != nil {
		return true
	}
	return slices.EqualFunc(a.Certs, b.Certs, (*x509.Certificate).Equal) &&
		slices.EqualFunc(a.Keys, b.Keys, func(x, y certs.Key) bool { return certs.Same(x.Public, y.Public) })
}

// newer reports whether one of the files is known to be newer.
func newer(m host.Reader, files []string, than time.Time) bool {
	return slices.ContainsFunc(files, func(path string) bool {
		st, err := m.Stat(path)
		return err == nil && st.ModTime.After(than)
	})
}

// keepSNI adds the certificates that a table has for a name. A certificate for several
// names is there once.
func (f *Facts) keepSNI(table, key string, files []string, at postfix.Origin, p PEMFile) {
	for i := range f.Certificates {
		if c := &f.Certificates[i]; c.Table == table && f.PEM[c.Chain].Digest == p.Digest && p.Err == nil {
			c.SNI = append(c.SNI, key)
			return
		}
	}
	place := table + " (" + key + ")"
	p.Table = table
	f.PEM[place] = p
	owner := ""
	for _, path := range files {
		owner = f.Renewer(path)
	}
	base := Certificate{Chain: place, Key: place, Table: table, SNI: []string{key}, Owner: owner, Origin: at, KeyMatch: Unknown}
	chains, _, err := f.sent("", place)
	if errors.Is(p.Err, fs.ErrNotExist) {
		err = p.Err
	}
	if err == nil && len(chains) == 0 {
		err = fmt.Errorf("%s: %w", strings.Join(files, ", "), fs.ErrPermission)
	}
	if err != nil {
		base.Err = err
		if errors.Is(err, certs.ErrMismatch) {
			base.KeyMatch = No
		}
		f.Certificates = append(f.Certificates, base)
		return
	}
	base.Refused = p.Refusal()
	for _, c := range chains {
		one := base
		one.Facts, one.Trusted = c.Facts, f.trusts(c.Chain)
		if len(p.Keys) > 0 {
			one.KeyMatch = Yes
		}
		f.Certificates = append(f.Certificates, one)
	}
}
