package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/templates"
)

// Table is the lookup table that Postfix reads.
type Table struct {
	// Type is a type of postconf -m, Path the file that the table is built from.
	Type, Path string
}

// suffixes are of the types in the order of preference: Postfix notices when a file of
// these is replaced. texthash is the text itself, read when a process starts.
var suffixes = []struct{ kind, suffix string }{{"lmdb", ".lmdb"}, {"cdb", ".cdb"}, {"hash", ".db"}, {"texthash", ""}}

// TableIn returns the table below the directory of our own files, /etc/postseal. instance
// is empty for /etc/postfix.
func TableIn(etcDir, instance string, types []string) Table {
	name := "tls_policy"
	if instance != "" {
		name += "-" + instance
	}
	t := Table{Type: "texthash", Path: filepath.Join(etcDir, name)} // every build has it
	for _, s := range suffixes {
		if slices.Contains(types, s.kind) {
			t.Type = s.kind
			break
		}
	}
	return t
}

// Name is the table as main.cf names it.
func (t Table) Name() string { return t.Type + ":" + t.Path }

// file is the file that Postfix opens, for a text at a path.
func (t Table) file(path string) string {
	for _, s := range suffixes {
		if s.kind == t.Type {
			return path + s.suffix
		}
	}
	return path
}

// Built reports whether the table is there.
func (t Table) Built(m host.Reader) bool {
	_, err := m.Stat(t.file(t.Path))
	return err == nil
}

// Files are the text of the table, and the file that is built from it, if there is one.
func (t Table) Files() []string { return slices.Compact([]string{t.Path, t.file(t.Path)}) }

// Entries counts the entries in the text of the table.
func (t Table) Entries(m host.Reader) (int, error) {
	text, err := readAll(m, t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return len(words(string(text))), err
}

// attributes are those that an entry may have. policy_ttl and those of TLSRPT are not
// among them: before 3.10 they defer all mail.
var attributes = []string{"match", "servername"}

// Render writes the text of the table. It fails if this release of Postfix would not
// understand an entry.
func Render(entries map[string]Entry, c postfix.Config) (string, error) {
	var lines []templates.PolicyLine
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		x := entries[name]
		l := templates.PolicyLine{Destination: name, Level: x.Level, Attributes: x.Attributes, Reason: x.Reason}
		if clean, ok := Name(name); !ok || clean != name {
			return "", fmt.Errorf("writing the policy of %.80q: it is no domain", name)
		}
		for _, a := range x.Attributes {
			if kind, _, _ := strings.Cut(a, "="); !slices.Contains(attributes, kind) {
				return "", fmt.Errorf("writing the policy of %s: %.80q is no attribute that is written here", name, a)
			}
		}
		if p := detect.ParsePolicy(l.Value(), c); p.Fault != "" {
			return "", fmt.Errorf("writing the policy of %s: Postfix %s does not understand %.200q: %s", name, c.Version, l.Value(), p.Fault)
		}
		lines = append(lines, l)
	}
	return templates.PolicyTable(lines)
}

// Holds reports whether the table in place says what a text says: whether it was built,
// by a run that came to its end, and not changed since.
func (t Table) Holds(ctx context.Context, m host.Reader, configDir, text string) bool {
	now, err := readAll(m, t.Path)
	if err != nil || string(now) != text || !t.Built(m) {
		return false
	}
	o, err := m.Run(ctx, "postmap", "-c", configDir, "-s", t.Name())
	return err == nil && o.Code == 0 && (t.Type == "texthash" || slices.Equal(words(o.Stdout), words(text)))
}

// Install puts the table in place: it is built under another name, read back, and then
// takes the place of the old one in one step.
func (t Table) Install(ctx context.Context, m host.Machine, configDir, text string) error {
	if _, err := m.MkdirAll(filepath.Dir(t.Path), 0o755); err != nil {
		return err
	}
	if err := host.Trusted(m, t.Path, filepath.Dir(t.Path)); err != nil {
		return err
	}
	built := t.file(t.Path)
	if built == t.Path {
		return m.Replace(t.Path, []byte(text), 0o644)
	}
	data, err := t.build(ctx, m, configDir, text)
	if err != nil {
		return fmt.Errorf("building %s: %w", t.Name(), err)
	}
	// The table comes last: Postfix warns of one that is older than its text.
	if err := m.Replace(t.Path, []byte(text), 0o644); err != nil {
		return err
	}
	return m.Replace(built, data, 0o644)
}

// build returns the file of the table for a text.
func (t Table) build(ctx context.Context, m host.Machine, configDir, text string) (data []byte, err error) {
	fresh := Table{Type: t.Type, Path: t.Path + ".new"}
	built := fresh.file(fresh.Path)
	sweep := func() error {
		var failed error
		for _, path := range []string{fresh.Path, built} {
			if err := m.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				failed = errors.Join(failed, err)
			}
		}
		return failed
	}
	if err := sweep(); err != nil { // what an earlier run that was killed left
		return nil, err
	}
	defer func() { err = errors.Join(err, sweep()) }()
	if err := m.Replace(fresh.Path, []byte(text), 0o644); err != nil {
		return nil, err
	}
	o, err := m.Act(ctx, "postmap", "-c", configDir, fresh.Name())
	if err == nil && o.Code != 0 {
		err = hint.New(fmt.Sprintf("postmap: %.300s", strings.TrimSpace(o.Stderr)), "postconf -m lists the types of tables that this Postfix has")
	}
	if err != nil {
		return nil, err
	}
	back, err := m.Run(ctx, "postmap", "-c", configDir, "-s", fresh.Name())
	if err != nil {
		return nil, err
	}
	if got, want := words(back.Stdout), words(text); !slices.Equal(got, want) {
		return nil, fmt.Errorf("postmap read %d entries of %d back, or others", len(got), len(want))
	}
	return readAll(m, built)
}

// words are the entries of a table's text, each with single blanks, in order.
func words(text string) (out []string) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 0 && !strings.HasPrefix(f[0], "#") {
			out = append(out, strings.Join(f, " "))
		}
	}
	slices.Sort(out)
	return out
}

// readAll reads a file of our own, in as many parts as it takes.
func readAll(m host.Reader, path string) ([]byte, error) {
	data, err := m.ReadFile(path)
	if !errors.Is(err, host.ErrTooLarge) {
		return data, err
	}
	for len(data) < maxState {
		part, err := m.ReadTail(path, int64(len(data)))
		if err != nil {
			return nil, err
		}
		if len(part) == 0 {
			return data, nil
		}
		data = append(data, part...)
	}
	return nil, host.ErrTooLarge
}
