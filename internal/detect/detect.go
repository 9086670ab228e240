package detect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/lifecycle"
	"postseal/internal/postfix"
	"postseal/internal/postfix/maincf"
	"postseal/internal/postfix/mastercf"
)

// ErrRejected is why detection stops at a main.cf that Postfix refuses.
var ErrRejected = errors.New("refused by Postfix itself")

// Step tells what is being looked at, for a front end that shows it.
type Step string

// The steps, in the order in which they end at the latest.
const (
	StepPostfix      Step = "Postfix and its configuration"
	StepCertificates Step = "certificates"
	StepResolver     Step = "the resolver: does it validate DNSSEC?"
	StepNames        Step = "names"
)

// Steps are all steps in order.
var Steps = []Step{StepPostfix, StepCertificates, StepResolver, StepNames}

// lookTime bounds what goes over the network while looking.
const lookTime = 4 * time.Second

// Look examines the instance whose configuration is in dir; an empty dir is
// the machine's default instance. certsDir is where our own chain files lie. done, if not nil, is called when a step has
// ended, with the facts so far; it must not keep them.
//
// What cannot be seen is no error. It fails if there is no configuration, or
// if Postfix refuses the one there is (ErrRejected).
func Look(ctx context.Context, m host.Reader, dir, certsDir string, done func(Step, *Facts)) (*Facts, error) {
	if done == nil {
		done = func(Step, *Facts) {}
	}
	f, err := configured(ctx, m, dir)
	if err != nil {
		return nil, err
	}
	if f.Lifecycle, _, err = lifecycle.Load(m); err != nil {
		f.unseen("newer release data", err)
	}
	f.findManagers(m)
	f.findListeners()
	f.findTransports(m)
	f.findPolicies(m)
	f.findHops(m)
	f.guessRole()
	f.findReload(m)
	f.findLog(m)
	f.findWanted(m)
	done(StepPostfix, f)
	f.findBundle(m)
	f.findClientCAs(m)
	if err := f.findCertificates(ctx, m, certsDir); err != nil {
		return nil, fmt.Errorf("looking for certificates: %w", err)
	}
	f.findProblems(m)
	f.askPolicyServices(ctx, m)
	f.findAccess(m)
	done(StepCertificates, f)

	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	f.findResolver(m)
	var wg sync.WaitGroup
	var names []Name
	var resolver Resolver
	wg.Add(2)
	go func() { defer wg.Done(); resolver = f.Resolver.ask(ctx, m) }()
	go func() { defer wg.Done(); names = f.mxNames(ctx, m) }()
	wg.Wait()
	f.Resolver, f.Needed = resolver, append(f.Needed, names...)
	done(StepResolver, f)
	f.publish(Published(ctx, m, f.Resolver, f.NeededNames()))
	done(StepNames, f)
	return f, nil
}

// configured are facts of the configuration alone.
func configured(ctx context.Context, m host.Reader, dir string) (*Facts, error) {
	f := newFacts(m)
	dir, err := configDir(ctx, m, dir)
	if err != nil {
		return nil, err
	}
	f.Config.Dir = dir
	if err := f.readConfig(m); err != nil {
		return nil, err
	}
	return f, f.askPostconf(ctx, m)
}

// Logging looks only at the configuration, and at where Postfix logs to.
func Logging(ctx context.Context, m host.Reader, dir string) (*Facts, error) {
	f, err := configured(ctx, m, dir)
	if err == nil {
		f.findLog(m)
	}
	return f, err
}

// newFacts are facts of nothing yet.
func newFacts(m host.Reader) *Facts {
	return &Facts{
		Root: m.UID() == 0, Now: m.Now(), PEM: map[string]PEMFile{}, CAFiles: map[string]CABundle{},
		Lifecycle: lifecycle.Known(), memo: &chainMemo{known: map[string][]Chain{}}, Config: postfix.Config{Main: maincf.Parse(""), Master: mastercf.Parse("")},
	}
}

// Alone are facts of a machine on which no Postfix is set up: enough to judge
// certificates.
func Alone(m host.Reader) *Facts {
	f := newFacts(m)
	f.findBundle(m)
	return f
}

// configDir finds the configuration directory and makes it absolute.
func configDir(ctx context.Context, m host.Reader, dir string) (string, error) {
	if dir == "" {
		o, err := m.Run(ctx, "postconf", "-h", "config_directory")
		dir = strings.TrimSpace(o.Stdout)
		if err != nil || o.Code != 0 || dir == "" {
			dir = "/etc/postfix"
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if _, err := m.Stat(filepath.Join(dir, "main.cf")); err != nil {
		why := "there is no main.cf in " + dir
		if !errors.Is(err, fs.ErrNotExist) {
			why = fmt.Sprintf("main.cf in %s cannot be read: %v", dir, err)
		}
		return "", hint.New(why, "specify it with --config-dir DIR (postconf -h config_directory prints it)")
	}
	return dir, nil
}

func (f *Facts) readConfig(m host.Reader) error {
	main, err := m.ReadFile(f.Config.MainPath())
	if err != nil {
		next := hint.ShellLine([]string{"ls", "-l", f.Config.MainPath()}) + " shows what is there"
		if errors.Is(err, fs.ErrPermission) && m.UID() != 0 {
			next = "run postseal as root, or as a user who may read the file"
		}
		return hint.Wrap(fmt.Errorf("reading main.cf: %w", err), next)
	}
	f.Config.Main = maincf.Parse(string(main))
	for _, p := range f.Config.Main.Problems() {
		if p.Fatal {
			return hint.Wrap(fmt.Errorf("%s, line %d: %s: %w", f.Config.MainPath(), p.Line, p.Text, ErrRejected),
				"correct that line first; "+hint.ShellLine([]string{"postconf", "-c", f.Config.Dir, "-n"})+" reports the same error")
		}
	}
	if err := f.checkLengths(); err != nil {
		return err
	}
	master, err := m.ReadFile(f.Config.MasterPath())
	if err != nil {
		f.unseen("the services in master.cf", err)
		master = nil
	}
	f.HasMaster = err == nil
	f.Config.Master = mastercf.Parse(string(master))
	for _, s := range f.Config.Master.Services() {
		if s.Bad != "" {
			return hint.Wrap(fmt.Errorf("%s, line %d: %s: %w", f.Config.MasterPath(), s.Line, s.Bad, ErrRejected),
				"correct that line first: master(5) describes each field")
		}
	}
	return nil
}

// maxExpanded bounds what all values in main.cf expand to, in bytes.
const maxExpanded = 64 << 20

// checkLengths refuses a main.cf with values that double each other: postconf(1)
// would be busy with them for years.
func (f *Facts) checkLengths() error {
	total := 0
	for _, e := range f.Config.Main.Entries() {
		if !strings.Contains(e.Value, "$") {
			continue
		}
		v := f.Config.Value(nil, e.Name)
		if total += len(v.Text); total > maxExpanded {
			v.Err = fmt.Errorf("%w: the values up to here exceed %d MiB", maincf.ErrTooLong, maxExpanded>>20)
		}
		if errors.Is(v.Err, maincf.ErrTooLong) {
			return hint.Wrap(fmt.Errorf("%s, line %d: %.80s: %w", f.Config.MainPath(), e.Line, e.Name, v.Err),
				"correct that line first: it refers to values that refer to each other, each making them longer")
		}
	}
	return nil
}

// askPostconf asks the installed Postfix what it is. Without one, the tables
// of the postfix package stand in.
func (f *Facts) askPostconf(ctx context.Context, m host.Reader) error {
	ask := func(args ...string) (string, error) {
		o, err := m.Run(ctx, "postconf", append([]string{"-c", f.Config.Dir}, args...)...)
		if err == nil && o.Code != 0 {
			err = fmt.Errorf("%s", lastLine(o.Stderr))
		}
		return strings.TrimSpace(o.Stdout), err
	}
	type reply struct {
		text string
		err  error
	}
	questions := [][]string{{"-d"}, {"-xh", "myhostname", "mydomain"}, {"-T", "run-version"}, {"-m"}}
	replies := make([]reply, len(questions))
	var wg sync.WaitGroup
	for i, q := range questions {
		wg.Add(1)
		go func() { defer wg.Done(); replies[i].text, replies[i].err = ask(q...) }()
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx) // which is no fault of main.cf
	}
	if err := replies[0].err; err != nil {
		f.unseen("the Postfix release and its defaults", fmt.Errorf("postconf: %w; settings are written in a form that every release understands", err))
		f.Hostname = f.Config.Text(nil, "myhostname")
		return nil
	}
	f.Config.Defaults = map[string]string{}
	for _, l := range strings.Split(replies[0].text, "\n") {
		name, value, _ := strings.Cut(l, " =")
		f.Config.Defaults[name] = strings.TrimPrefix(value, " ")
	}
	v, err := postfix.ParseVersion(f.Config.Defaults["mail_version"])
	if err != nil {
		f.unseen("the Postfix release", err)
	}
	f.Config.Version = v
	if err := replies[1].err; err != nil {
		return hint.Wrap(fmt.Errorf("%s: %w: %w", f.Config.MainPath(), ErrRejected, err), "correct it first; "+hint.ShellLine([]string{"postconf", "-c", f.Config.Dir, "-nx"})+" reports the same error")
	}
	// These two are made at run time from the name of the machine.
	host, domain, _ := strings.Cut(replies[1].text, "\n")
	f.Config.Defaults["myhostname"], f.Config.Defaults["mydomain"] = host, domain
	f.Hostname = host
	f.OpenSSL = replies[2].text
	f.mapTypes(replies[3].text, replies[3].err)
	f.findInstances(ctx, m)
	return nil
}

// mapTypes takes the answer of postconf -m. That reads all parameters which every
// program of Postfix checks first; where it dies, they all do.
func (f *Facts) mapTypes(types string, err error) {
	if err == nil {
		f.MapTypes = strings.Fields(types)
		return
	}
	if _, why, died := strings.Cut(err.Error(), "fatal: "); died {
		f.died = why
	}
	f.unseen("the map types that Postfix supports", err)
}

// findInstances lists all instances (postmulti(1)); the output has the
// columns name, group, y or n, directory.
func (f *Facts) findInstances(ctx context.Context, m host.Reader) {
	o, err := m.Run(ctx, "postmulti", "-l")
	if err != nil || o.Code != 0 {
		return
	}
	for _, l := range strings.Split(o.Stdout, "\n") {
		if w := strings.Fields(l); len(w) == 4 {
			f.Instances = append(f.Instances, Instance{Name: strings.TrimPrefix(w[0], "-"), Enabled: w[2] == "y", Dir: w[3]})
		}
	}
}

func (f *Facts) unseen(what string, why error) {
	if u := (Unseen{what, why.Error()}); !slices.Contains(f.Unseen, u) { // two settings may name one file
		f.Unseen = append(f.Unseen, u)
	}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
