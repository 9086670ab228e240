// Package session is one run of postseal, whatever its front end: it looks at
// the server, gathers the answers from where they can come, and makes the plan.
//
// It prints nothing and asks nothing; the wizard and the verbs both stand on it.
package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"postseal/internal/apply"
	"postseal/internal/ask"
	"postseal/internal/audit"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/interview"
	"postseal/internal/lineage"
	"postseal/internal/plan"
	"postseal/internal/policy"
	"postseal/internal/postfix/maincf"
	"postseal/internal/rehearse"
)

// Settings are where things lie. Empty fields take their default.
type Settings struct {
	// ConfigDir is the configuration directory of the instance.
	ConfigDir string
	// StateDir is for journal, receipts and backups.
	StateDir string
	// CertsDir is for files of key and chain.
	CertsDir string
	// AnswersFile holds answers. If it is given, it is only read; the
	// default one is kept up to date.
	AnswersFile string
	// Guard is the command line of the process that clears up after a rehearsal
	// if this one is killed; see rehearse.Options.
	Guard []string
	// Flags are the answers given on the command line, by key.
	Flags map[string][]string
}

// The places of the house (hier(7)).
const (
	defaultEtcDir = "/etc/postseal"
	// DefaultStateDir is for journal, receipts and backups.
	DefaultStateDir = apply.DefaultStateDir
)

// Session is one run.
type Session struct {
	Settings
	Machine host.Machine
	Facts   *detect.Facts
	Answers *ask.Answers
	// Pending is a run that was interrupted, or nil.
	Pending *apply.Receipt
	// Unconfirmed is a run that goes back by itself unless it is kept, or nil.
	Unconfirmed *apply.Receipt
	// Net is what takes it back, or nil.
	Net *apply.Unconfirmed
	// Suppressions take findings out of the card; they are in the answers file.
	Suppressions []audit.Suppression

	// issued is what was got here from a CA, by the path of its file.
	issued      map[string]*lineage.Issued
	lineages    []*lineage.Lineage // those obtained here
	answersText string
	answersNew  bool
	ownAnswers  bool // the default file, which we write
}

// Unread is a session with a server that was not looked at. It can undo.
func Unread(m host.Machine, s Settings) *Session {
	if s.StateDir == "" {
		s.StateDir = DefaultStateDir
	}
	if s.CertsDir == "" {
		s.CertsDir = filepath.Join(defaultEtcDir, "certs")
	}
	return &Session{Settings: s, Machine: m, Facts: &detect.Facts{}, Answers: &ask.Answers{}}
}

// Open looks at the server and gathers the answers. done is told when a step
// of looking has ended. What was looked at is in the session even if the
// answers are at fault.
func Open(ctx context.Context, m host.Machine, s Settings, done func(detect.Step, *detect.Facts)) (*Session, error) {
	ses := Unread(m, s)
	f, err := detect.Look(ctx, host.ReadOnly{Reader: m}, ses.ConfigDir, ses.CertsDir, done)
	if err != nil {
		return nil, err
	}
	ses.Facts, ses.ConfigDir = f, f.Config.Dir
	f.Cached = ses.Keeper().Seen(f.DANE)
	ses.ownLineages()
	f.Census = ses.count(ctx)
	if b, err := m.ReadFile(ses.openSSLPath()); err == nil {
		f.OpenSSLFile = string(b)
	}
	if t := policy.TableIn(ses.etcDir(), plan.Instance(ses.ConfigDir), f.MapTypes); t.Built(m) {
		f.PolicyTable = t.Name()
	}
	if f.Root && f.PolicyTable != "" {
		f.Exceptions = policy.At(m, ses.StateDir, plan.Instance(ses.ConfigDir)).Exceptions()
	}
	if err := ses.gather(); err != nil {
		return ses, err
	}
	ses.Inspect(ses.Answers)
	return ses, nil
}

// etcDir is the folder above the chain files.
func (s *Session) etcDir() string { return filepath.Dir(s.CertsDir) }

func (s *Session) openSSLPath() string { return plan.OpenSSLPath(s.etcDir(), s.ConfigDir) }

// gather collects answers, the weakest source first. All that is wrong is
// reported at once.
func (s *Session) gather() error {
	var all []error
	s.Pending, _ = apply.Pending(s.Machine, s.StateDir)
	last, err := apply.Last(s.Machine, s.StateDir, s.ConfigDir)
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		all = append(all, err)
	}
	if last != nil {
		s.recorded(last)
	}
	u, err := apply.Waiting(s.Machine, s.StateDir)
	switch {
	case err != nil || u == nil: // whoever changes something looks again
	case last != nil && u.Run == last.ID:
		s.Unconfirmed, s.Net = last, u
		s.Unconfirmed.ConfirmBy = u.By
	case u.Lost() && u.ConfigDir == s.ConfigDir:
		s.Net = u
	}
	all = append(all, s.answersFile())
	s.editedByHand()
	for _, q := range interview.All {
		if texts, ok := s.Flags[q.Name()]; ok {
			if err := q.Set(s.Answers, texts, ask.Flag); err != nil {
				all = append(all, fmt.Errorf("--%w", err))
			}
		}
	}
	interview.Settle(s.Answers)
	if err := errors.Join(all...); err != nil {
		return answersError{err}
	}
	return nil
}

// recorded takes what the last apply recorded. What this version no longer
// understands is left out: the suggestion takes its place.
func (s *Session) recorded(last *apply.Receipt) {
	s.Facts.Last = &detect.Last{ID: last.ID, When: last.When, Block: last.Block, Answers: map[string]string{}}
	for _, q := range interview.All {
		if texts, ok := last.Answers[q.Name()]; ok {
			_ = q.Set(s.Answers, texts, ask.Recorded)
			s.Facts.Last.Answers[q.Name()] = last.AnswersText(q.Name())
		}
	}
}

// answersFile reads the answers file, if there is one.
func (s *Session) answersFile() error {
	path := s.AnswersFile
	s.ownAnswers = path == ""
	if s.ownAnswers {
		name := "postseal"
		if i := plan.Instance(s.ConfigDir); i != "" {
			name = i // one file for each instance
		}
		path = filepath.Join(s.etcDir(), name+".toml")
	}
	s.AnswersFile = path
	data, err := s.Machine.ReadOwn(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.ownAnswers:
		s.answersNew = true
		return nil
	case err != nil:
		return hint.Wrap(fmt.Errorf("reading the answers file: %w", err), cmp.Or(hint.Of(err), "use another file with --answers FILE"))
	}
	s.answersText = string(data)
	var out []error
	for _, err := range append(hint.All(interview.All.Load(data, s.Answers, suppressKey)), s.suppressions(data)...) {
		out = append(out, fmt.Errorf("%s: %w", path, err))
	}
	return errors.Join(out...)
}

// suppressKey is the line of the answers file that takes findings out of the
// card. It is no question: no plan depends on it.
const suppressKey = "suppress"

func (s *Session) suppressions(data []byte) (out []error) {
	texts, line, err := ask.Lines(data, suppressKey)
	if err != nil {
		return nil // Load says it
	}
	for _, text := range texts {
		one, err := audit.ParseSuppression(text, s.Facts.Now)
		if err != nil {
			out = append(out, hint.Wrap(fmt.Errorf("line %d: %w", line, err), hint.Of(err)))
			continue
		}
		s.Suppressions = append(s.Suppressions, one)
	}
	return out
}

// editedByHand turns lines that were changed in the block since the last run
// into answers.
func (s *Session) editedByHand() {
	block, had, err := s.Facts.Config.Main.Block(plan.Markers)
	if err != nil || !had || s.Facts.Last == nil {
		return
	}
	written := maincf.Parse(strings.Join(s.Facts.Last.Block, "\n"))
	edited := map[string]string{}
	for _, e := range maincf.Parse(strings.Join(block.Lines, "\n")).Entries() {
		if old, ok := written.Get(e.Name); !ok || old.Value != e.Value {
			edited[e.Name] = e.Value
		}
	}
	for key, text := range interview.FromBlock(edited, s.Facts.Config.Version) {
		if q, ok := interview.All.Lookup(key); ok {
			_ = q.Set(s.Answers, []string{text}, ask.Edited) // what no answer can say stays a risk
		}
	}
}

// With is the session with other facts: a wizard inspects files on a copy.
func (s *Session) With(f *detect.Facts) *Session {
	t := *s
	t.Facts = f
	return &t
}

// Seen is the session with what a later one saw of the server: a wizard got a
// certificate meanwhile, and keeps its answers.
func (s *Session) Seen(later *Session) *Session {
	t := *s
	t.Facts, t.issued = later.Facts, later.issued
	return &t
}

// Inspect looks at the files that the answers name.
func (s *Session) Inspect(a *ask.Answers) {
	m := host.ReadOnly{Reader: s.Machine}
	for range 2 { // the key of a certificate is only found once that was read
		s.Facts.Inspect(m, interview.All.Reads(s.Facts, a))
	}
	if d := interview.Decide(s.Facts, a); d.CAFile != "" {
		s.Facts.InspectCA(m, d.CAFile)
	}
}

// Plan checks the sense of all answers and makes the plan. Missing answers
// and wrong ones are all reported at once, as ErrAnswers.
func (s *Session) Plan(a *ask.Answers) (*plan.Plan, error) {
	s.Inspect(a)
	var all []error
	for _, q := range interview.Missing(interview.All, s.Facts, a) {
		_, why := q.Proposal(s.Facts, a)
		all = append(all, hint.New(fmt.Sprintf("%s: no answer, and none can be suggested: %s", q.Name(), why), "give --"+q.Name()))
	}
	all = append(all, hint.All(interview.All.Verify(s.Facts, a))...)
	if err := errors.Join(all...); err != nil {
		return nil, answersError{err}
	}
	return s.Preview(a)
}

// PlanGiven is Plan of the answers of this session for a command line: what a flag says
// counts, or is refused.
func (s *Session) PlanGiven() (*plan.Plan, error) {
	p, err := s.Plan(s.Answers)
	if err != nil && !errors.Is(err, ErrAnswers) {
		return nil, err
	}
	all := hint.All(err)
	for _, q := range interview.All.Idle(s.Facts, s.Answers) {
		all = append(all, hint.New(fmt.Sprintf("--%s has no effect here", q.Name()), "it requires "+q.Condition()+"; otherwise leave it out"))
	}
	if err := errors.Join(all...); err != nil {
		return nil, answersError{err}
	}
	return p, nil
}

// Keeper keeps the certificates of this server.
func (s *Session) Keeper() *lineage.Keeper {
	return &lineage.Keeper{Store: lineage.Store{M: s.Machine, StateDir: s.StateDir, CertsDir: s.CertsDir}, Facts: s.Facts, Log: s.Facts.MailLog(), Guard: s.Guard}
}

// Order makes the questions about a new certificate, with what was answered
// before for the same name, and what is given now. It looks who listens on the
// ports of the web. The questions are there even if what is given is at fault.
func (s *Session) Order(ctx context.Context, given map[string][]string) (*interview.Order, *ask.Answers, error) {
	cas, err := lineage.CAs(s.Machine)
	if err != nil {
		return nil, nil, err
	}
	order, a := interview.NewOrder(cas, detect.FindWeb(ctx, s.Machine)), &ask.Answers{}
	var all []error
	set := func(texts map[string][]string, source ask.Source) {
		for _, q := range order.Set {
			if v, ok := texts[q.Name()]; ok {
				if err := q.Set(a, v, source); err != nil && source == ask.Flag {
					all = append(all, fmt.Errorf("--%w", err))
				}
			}
		}
	}
	set(given, ask.Flag)
	if d, err := order.Decide(s.Facts, a); err == nil && len(d.Names) > 0 {
		known, err := s.Keeper().Read(lineage.Name(d.Names))
		switch {
		case err == nil:
			set(known.Answers(), ask.Recorded)
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission): // only root can read it
			return nil, nil, err
		}
	}
	if err := errors.Join(all...); err != nil {
		return order, a, answersError{err}
	}
	return order, a, nil
}

// Preview makes the plan without checking the answers, for showing what an
// answer would do.
func (s *Session) Preview(a *ask.Answers) (*plan.Plan, error) {
	o := plan.Options{CertsDir: s.CertsDir, EtcDir: s.etcDir()}
	if s.ownAnswers {
		o.AnswersPath, o.AnswersText, o.AnswersNew = s.AnswersFile, s.answersText, s.answersNew
	}
	return plan.Build(s.Facts, a, o)
}

// ErrAnswers is the reason for which Plan fails if answers are missing or wrong.
var ErrAnswers = errors.New("the answers are invalid")

type answersError struct{ error }

func (e answersError) Unwrap() []error      { return hint.All(e.error) }
func (e answersError) Is(target error) bool { return target == ErrAnswers }

// ApplyOptions are what apply needs to know of this session.
func (s *Session) ApplyOptions() apply.Options {
	return apply.Options{StateDir: s.StateDir, Log: s.Facts.MailLog(), Rehearse: s.Rehearse(nil)}
}

// Rehearse is how a plan of this session is played on a private Postfix; each
// trial is told to events, which may be nil.
func (s *Session) Rehearse(events func(rehearse.Trial)) apply.Rehearse {
	return func(ctx context.Context, p *plan.Plan, files map[string][]byte) (*rehearse.Report, error) {
		if !s.Facts.Root {
			return nil, hint.New("only root can start a private Postfix", "run it as root: sudo postseal ...")
		}
		return rehearse.Run(ctx, s.Candidate(p, files), rehearse.Options{Events: events, Guard: s.Guard})
	}
}

// Candidate is what a plan makes of this server, or, without a plan, the server
// as it is. files are as in rehearse.Planned.
func (s *Session) Candidate(p *plan.Plan, files map[string][]byte) rehearse.Candidate {
	if p == nil {
		p = &plan.Plan{Checks: plan.Present(s.Facts)}
	}
	c := rehearse.Planned(p, s.Facts.Config, files)
	c.Validates = s.Facts.Resolver.Validates == detect.Yes
	return c
}

// Command is the command line that does the same without questions.
func (s *Session) Command(p *plan.Plan) []string {
	out := s.Verb("apply")
	for _, q := range interview.All.Relevant(s.Facts, s.Answers) {
		for _, v := range p.Answers[q.Name()] {
			out = append(out, "--"+q.Name(), v)
		}
	}
	var names []string
	for _, r := range p.Risks {
		names = append(names, r.Name)
	}
	if len(names) > 0 {
		out = append(out, "--accept-risk", strings.Join(names, ","))
	}
	return append(out, "--yes")
}

// UndoCommand is the command line that takes a run of this session back.
func (s *Session) UndoCommand() []string { return s.Verb("undo") }

// Verb is a command line of postseal for this instance, with where things lie.
func (s *Session) Verb(words ...string) []string {
	out := apply.Verb(s.StateDir, s.ConfigDir, words...)
	if s.CertsDir != filepath.Join(defaultEtcDir, "certs") {
		out = append(out, "--certs-dir", s.CertsDir)
	}
	return out
}
