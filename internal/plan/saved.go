package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"postseal/internal/hint"
	"postseal/internal/host"
)

// ErrChanged is the reason for which a plan no longer holds: a file that it rests on is
// not what it was.
var ErrChanged = errors.New("changed since the plan was made")

// Load reads a saved plan. What it says is only compared with, and never carried out:
// see Match.
func Load(data []byte) (*Plan, error) {
	var p Plan
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, hint.Wrap(err, "create it with postseal plan --out FILE")
	}
	if p.Format != Format {
		return nil, hint.New(fmt.Sprintf("it has format %d, but this postseal reads format %d", p.Format, Format), "create it again: postseal plan --out FILE")
	}
	if !filepath.IsAbs(p.ConfigDir) {
		return nil, hint.New(fmt.Sprintf("%.60q is not a configuration directory", p.ConfigDir), "create it again: postseal plan --out FILE")
	}
	return &p, nil
}

// Save writes a plan for Load to read. It replaces a plan, and no other file.
func (p *Plan) Save(m host.Machine, path string) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("saving the plan: %w", err)
	}
	switch old, err := m.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("saving the plan: %w", err)
	case !isPlan(old):
		return hint.New(fmt.Sprintf("saving the plan: %.200q exists and is not a plan", path), "choose another name, or remove the file")
	}
	return m.Save(path, append(data, '\n'), 0o600)
}

// isPlan reports whether a file holds a plan, of whatever format.
func isPlan(data []byte) bool {
	var p Plan
	return json.Unmarshal(data, &p) == nil && p.Format > 0 && p.ConfigDir != ""
}

// Unread are files that the user who made the plan was not allowed to read.
func (p *Plan) Unread() (out []string) {
	for _, f := range p.Files {
		if f.Assemble == nil || !f.Assemble.Unproved {
			continue
		}
		for _, path := range append(slices.Clone(f.Assemble.From), f.Path) {
			if p.Inputs[path] == "" && !slices.Contains(out, path) {
				out = append(out, path)
			}
		}
	}
	return out
}

// Match compares a saved plan with the one that its answers make now, and makes now
// what remains of both: what is written is what was saved, byte for byte, while its
// paths, risks and checks are those of now. It fails with ErrChanged if a file has
// changed that the saved plan rests on, and for a plan that its answers do not make. A
// saved plan that does not write the answers file does not make now write it.
func Match(saved, now *Plan) error {
	var changed []string
	for _, path := range slices.Sorted(maps.Keys(saved.Inputs)) {
		if is, known := now.Inputs[path]; known && saved.Inputs[path] != "" && is != saved.Inputs[path] {
			changed = append(changed, path)
		}
	}
	if len(changed) > 0 {
		return hint.Wrap(fmt.Errorf("%s %w; nothing was written", strings.Join(changed, ", "), ErrChanged), "run postseal again to see the new plan")
	}
	if _, writes := saved.File(Answers); !writes {
		now.Files = slices.DeleteFunc(now.Files, func(f File) bool { return f.Kind == Answers })
	}
	if len(saved.Files) != len(now.Files) {
		return differs(fmt.Sprintf("it writes %d files, but a new plan would write %d", len(saved.Files), len(now.Files)))
	}
	for i, f := range saved.Files {
		is, err := json.Marshal(now.Files[i])
		if err != nil {
			return err
		}
		was, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if !bytes.Equal(was, is) {
			return differs(fmt.Sprintf("it writes other content to %.200q", f.Path))
		}
	}
	return nil
}

func differs(what string) error {
	return hint.New("the saved plan no longer matches its answers: "+what, "create it again: postseal plan --out FILE")
}

// CheckPath refuses a path that no file of this kind has for the instance in configDir.
// What is read from a record of an earlier run can so name nothing but what a run
// writes.
func (k Kind) CheckPath(configDir, path string) error {
	base, ok := filepath.Base(path), false
	switch k {
	case MainCF, MasterCF:
		ok = path == filepath.Join(configDir, string(k))
	case ChainPEM:
		ok = strings.HasSuffix(base, ".pem") || strings.Contains(base, ".pem.edited-")
	case OpenSSL:
		ok = strings.HasPrefix(base, "openssl-smtpd") && strings.HasSuffix(base, ".cnf")
	case Answers:
		ok = strings.HasSuffix(base, ".toml")
	case Aside:
		ok = strings.Contains(base, ".edited-")
	}
	if !ok || !filepath.IsAbs(path) || filepath.Clean(path) != path || strings.ContainsRune(path, 0) {
		return &fs.PathError{Op: "write", Path: path, Err: fmt.Errorf("postseal writes no %s file there", k)}
	}
	return nil
}
