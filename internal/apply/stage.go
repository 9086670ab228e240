package apply

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/postfix/maincf"
)

// stage lets the installed postconf read copies of the new files, before any
// of them is put in place.
func (t *transaction) stage(ctx context.Context, p *plan.Plan) error {
	done := t.step("let postconf read a copy")
	dir := filepath.Join(t.o.StateDir, "staging")
	if _, err := t.m.MkdirAll(dir, 0o700); err != nil {
		return done(remedy(t.m, dir, err))
	}
	names := map[plan.Kind]string{plan.MainCF: "main.cf", plan.MasterCF: "master.cf"}
	for kind, name := range names {
		content, planned := []byte(nil), false
		if f, ok := p.File(kind); ok {
			content, planned = []byte(f.After), true
		}
		if !planned {
			var err error
			if content, err = t.m.ReadFile(filepath.Join(t.ConfigDir, name)); err != nil && kind == plan.MainCF {
				return done(err)
			}
		}
		path := filepath.Join(dir, name)
		defer func() { _ = t.m.Remove(path) }()
		if err := t.m.Replace(path, content, 0o600); err != nil {
			return done(remedy(t.m, path, err))
		}
	}
	o, err := t.m.Run(ctx, "postconf", "-c", dir, "-n")
	if err := interrupted(ctx); err != nil {
		return done(err)
	}
	if err != nil {
		if t.FilesOnly {
			t.event(Event{Step: "let postconf read a copy", State: Noted, Text: "there is no postconf here"})
			return nil
		}
		return done(hint.Wrap(err, "install Postfix, or for an image or a chroot use --files-only"))
	}
	if o.Code != 0 {
		return done(fmt.Errorf("postconf refuses the new files: %s", strings.TrimSpace(o.Stderr)))
	}
	values := map[string]string{}
	for _, l := range strings.Split(o.Stdout, "\n") {
		name, value, _ := strings.Cut(l, " =")
		values[name] = strings.TrimPrefix(value, " ")
	}
	for _, e := range maincf.Parse(strings.Join(p.Block, "\n")).Entries() {
		got, listed := values[e.Name]
		if !listed || strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(e.Value), " ") {
			return done(fmt.Errorf("postconf reads %s as %q, not as %q", e.Name, got, e.Value))
		}
	}
	return done(nil)
}
