package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/postfix"
	"postseal/internal/postfix/maincf"
	"postseal/internal/postfix/mastercf"
	"postseal/internal/posture"
	"postseal/templates"
)

// Options says where postseal's own files are.
type Options struct {
	// CertsDir is the directory for files with key and chain: /etc/postseal/certs.
	CertsDir string
	// EtcDir is the directory for other files: /etc/postseal.
	EtcDir string
	// AnswersPath is the answers file to write; empty for none. AnswersText
	// is what it holds now, AnswersNew that it does not exist yet.
	AnswersPath string
	AnswersText string
	AnswersNew  bool
}

// Markers are the lines that enclose the block.
var Markers = maincf.Markers{Begin: templates.Begin, End: templates.End}

// builder collects what a plan is made of.
type builder struct {
	f *detect.Facts
	d interview.Decisions
	o Options
	p *Plan

	settings []templates.Setting // for the block
	gone     map[string]bool     // parameters whose assignments go
	master   *mastercf.File
	// served maps each of our chain files to what is in it.
	served map[string]served
	after  postfix.Config // the configuration as it will be
}

// Build makes the plan. The answers must have been checked.
func Build(f *detect.Facts, a *ask.Answers, o Options) (*Plan, error) {
	b := &builder{
		f: f, d: interview.Decide(f, a), o: o, gone: map[string]bool{}, served: map[string]served{}, master: f.Config.Master,
		p: &Plan{
			Format: Format, ConfigDir: f.Config.Dir, Postfix: f.Config.Version.String(),
			Inputs: map[string]string{}, Answers: interview.All.Values(f, a), Risks: []Risk{}, Changes: []Change{}, Checks: []Check{},
		},
	}
	if err := b.certificates(); err != nil {
		return nil, err
	}
	b.receiving()
	b.sending()
	b.obsolete()
	if err := b.ownCertificates(); err != nil {
		return nil, err
	}
	if err := b.mainCF(); err != nil {
		return nil, err
	}
	if err := b.services(); err != nil {
		return nil, err
	}
	b.masterCF()
	b.checks(posture.Of(b.f, b.after, b.fresh()))
	b.risks()
	b.notes()
	return b.p, b.answers(a)
}

// set adds a parameter to the block, if this release has it. A value that is the
// default is left out, and older lines that set it are removed.
func (b *builder) set(name, value string) {
	p, known := postfix.Lookup(name)
	if known && !p.KnownIn(b.f.Config.Version) {
		return
	}
	def, ok := b.f.Config.Defaults[name]
	if !ok {
		def = p.DefaultIn(b.f.Config.Version)
	}
	b.gone[name] = true
	if value != def {
		b.settings = append(b.settings, templates.Setting{Name: name, Value: value})
	}
}

// unset removes all assignments of the parameters.
func (b *builder) unset(names ...string) {
	for _, n := range names {
		b.gone[n] = true
	}
}

// inBlock reports whether the block sets the parameter.
func (b *builder) inBlock(name string) bool {
	return slices.ContainsFunc(b.settings, func(s templates.Setting) bool { return s.Name == name })
}

// present is a parameter as main.cf has it now.
func (b *builder) present(name string) string { return b.f.Config.Text(nil, name) }

// isSet reports whether main.cf has a line for the parameter.
func (b *builder) isSet(name string) bool {
	_, ok := b.f.Config.Main.Get(name)
	return ok
}

// obsolete removes parameters that Postfix itself no longer uses, if the block replaces
// them.
func (b *builder) obsolete() {
	for _, p := range postfix.Parameters() {
		if p.Obsolete == "" || !b.isSet(p.Name) {
			continue
		}
		switch {
		case p.Direction() == postfix.Receiving && b.d.Role == detect.Sender:
		case strings.HasPrefix(p.Name, "postscreen_") && b.present("postscreen_tls_security_level") == "" && !b.inBlock("smtpd_tls_security_level"):
			// Without a level it decides.
		case strings.HasSuffix(p.Name, "_cname_overrides_servername") && strings.EqualFold(b.present(p.Name), "yes"):
			// PS-SND-021 is about what it does.
		case p.Name == "smtpd_tls_dh1024_param_file" && b.d.Profile == interview.Compatible && !b.f.OpenSSLAtLeast(3, 0):
			// OpenSSL 1 has no groups of its own for what the profile keeps.
		default:
			b.unset(p.Name)
		}
	}
}

// keepReferred keeps lines that other lines refer to with $name.
func (b *builder) keepReferred() {
	block, _, _ := b.f.Config.Main.Block(Markers)
	for again := true; again; {
		again = false
		for _, name := range slices.Sorted(maps.Keys(b.gone)) {
			if !b.gone[name] || b.inBlock(name) || !b.isSet(name) {
				continue
			}
			if who := b.referrer(name, block); who != "" {
				b.gone[name] = false
				b.p.Notes = append(b.p.Notes, fmt.Sprintf("%s is kept: %s refers to it", name, who))
				again = true
			}
		}
	}
}

// referrer is the first parameter or service outside our block that stays and
// whose value mentions $name, or empty.
func (b *builder) referrer(name string, block maincf.Block) string {
	for _, e := range b.f.Config.Main.Entries() {
		if !b.gone[e.Name] && mentions(e.Value, name) && !block.In(e) {
			return e.Name
		}
	}
	for _, s := range b.master.Services() {
		for _, o := range s.Options {
			if mentions(o.Value, name) {
				return s.ID()
			}
		}
	}
	return ""
}

// mentions reports whether expanding a value asks for the parameter.
func mentions(value, name string) bool {
	if !strings.Contains(value, name) {
		return false
	}
	found := false
	_, _ = maincf.Expand(value, func(n string) (string, bool) {
		found = found || n == name
		return "x", true
	})
	return found
}

// mainCF writes the block and removes the old lines.
func (b *builder) mainCF() error {
	old := b.f.Config.Main
	present, had, err := old.Block(Markers)
	if err != nil {
		return hint.Wrap(fmt.Errorf("%s: %w", b.f.Config.MainPath(), err),
			"restore the missing line, or delete both, and run postseal again")
	}
	b.keepReferred()
	block, err := templates.Block(b.settings)
	if err != nil {
		return err
	}
	main, err := old.Apply(maincf.Edit{Markers: Markers, Drop: func(e maincf.Entry) bool { return b.gone[e.Name] }, Block: block})
	if err != nil {
		return err
	}
	b.p.Block = block
	b.after = b.f.Config
	b.after.Main = main
	b.input(b.f.Config.MainPath(), old.String())
	b.file(MainCF, b.f.Config.MainPath(), old.String(), main.String())
	b.changes(present, had)
	return nil
}

// changes compares both files, parameter by parameter.
func (b *builder) changes(block maincf.Block, had bool) {
	old, now := b.f.Config.Main, b.after.Main
	for _, e := range old.Entries() {
		if before, counts := old.Get(e.Name); counts && before.Line == e.Line {
			after, isSet := now.Get(e.Name)
			moved := isSet && b.inBlock(e.Name) && (!had || !block.In(before))
			if !isSet || before.Value != after.Value || moved {
				b.change(Change{Parameter: e.Name, Present: true, Kept: isSet, Before: before.Value, After: after.Value, Line: e.Line})
			}
		}
	}
	for _, e := range now.Entries() {
		if _, wasSet := old.Get(e.Name); !wasSet && e.Bad == "" {
			b.change(Change{Parameter: e.Name, Kept: true, Before: b.f.Config.Value(nil, e.Name).Raw, After: e.Value})
		}
	}
}

// change adds a change of main.cf with its reason.
func (b *builder) change(c Change) {
	c.Why, c.Source = why(c.Parameter, c.After, c.Kept)
	if level, off := b.switchedOn(c); off {
		c.Why = "it disables TLS now; " + level + ", which replaces it, enables TLS"
	}
	b.p.Changes = append(b.p.Changes, c)
}

// switchedOn reports whether a line that is removed keeps TLS off now, by an obsolete
// parameter, and TLS is on without it; level is the parameter that replaces it.
func (b *builder) switchedOn(c Change) (level string, on bool) {
	get := func(f postfix.Config) func(string) string {
		return func(name string) string { return f.Text(nil, name) }
	}
	switch {
	case c.Kept || !strings.EqualFold(c.Before, "no"):
	case c.Parameter == "smtpd_use_tls" || c.Parameter == "smtpd_enforce_tls":
		return "smtpd_tls_security_level", detect.ServerLevel(get(b.f.Config)) == "none" && detect.ServerLevel(get(b.after)) != "none"
	case c.Parameter == "smtp_use_tls" || c.Parameter == "smtp_enforce_tls":
		return "smtp_tls_security_level", detect.ClientLevel(get(b.f.Config)) == "none" && detect.ClientLevel(get(b.after)) != "none"
	}
	return "", false
}

// why is the reason for a line that comes or goes.
func why(name, value string, isSet bool) (text, source string) {
	if isSet {
		r := templates.Why(templates.Setting{Name: name, Value: value})
		return r.Why, r.Source
	}
	if p, ok := postfix.Lookup(name); ok && p.Obsolete != "" {
		return p.Obsolete, "postconf(5) " + name
	}
	r := templates.WhyRemoved(name)
	return r.Why, r.Source
}

// masterCF adds the file, if it changed.
func (b *builder) masterCF() {
	b.after.Master = b.master
	if !b.f.HasMaster {
		return
	}
	b.input(b.f.Config.MasterPath(), b.f.Config.Master.String())
	b.file(MasterCF, b.f.Config.MasterPath(), b.f.Config.Master.String(), b.master.String())
}

// answers adds the answers file, if it changed.
func (b *builder) answers(a *ask.Answers) error {
	if b.o.AnswersPath == "" {
		return nil
	}
	text, err := interview.All.Save([]byte(b.o.AnswersText), b.f, a)
	if err != nil {
		return fmt.Errorf("writing %s: %w", b.o.AnswersPath, err)
	}
	b.p.Inputs[b.o.AnswersPath] = ""
	if !b.o.AnswersNew {
		b.input(b.o.AnswersPath, b.o.AnswersText)
	}
	if string(text) != b.o.AnswersText {
		b.p.Files = append(b.p.Files, File{Path: b.o.AnswersPath, Kind: Answers, Before: b.o.AnswersText, After: string(text), New: b.o.AnswersNew, Mode: 0o644})
	}
	return nil
}

// file adds a text file, if its content changes.
func (b *builder) file(kind Kind, path, before, after string) {
	if before != after {
		b.p.Files = append(b.p.Files, File{Path: path, Kind: kind, Before: before, After: after, Mode: 0o644})
	}
}

// input notes what the plan rests on.
func (b *builder) input(path, content string) { b.p.Inputs[path] = Digest([]byte(content)) }

// Digest is the SHA-256 of a file's content, in hexadecimal.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// instance is a name for the folder of this instance's chain files.
func (b *builder) instance() string {
	if i := Instance(b.f.Config.Dir); i != "" {
		return i + "-" + safe(b.f.Hostname)
	}
	return safe(b.f.Hostname)
}

// Instance is a name for the instance of a configuration directory, for files
// of ours that must not be shared; empty for the machine's own /etc/postfix.
// Directories of the same name in different places have different ones.
func Instance(configDir string) string {
	if configDir == "/etc/postfix" {
		return ""
	}
	return safe(filepath.Base(configDir)) + "-" + Digest([]byte(configDir))[:6]
}

// OpenSSLPath returns the OpenSSL configuration file of one instance's smtpd.
func OpenSSLPath(etcDir, configDir string) string {
	if i := Instance(configDir); i != "" {
		return filepath.Join(etcDir, "openssl-smtpd-"+i+".cnf")
	}
	return filepath.Join(etcDir, "openssl-smtpd.cnf")
}

// safe returns a file name for a host name.
func safe(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	if s = strings.Trim(s, ".-"); s == "" {
		return "server"
	}
	return s
}
