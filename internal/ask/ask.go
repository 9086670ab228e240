// Package ask holds the one description of a question from which every way of
// answering it is derived: typing, a flag, an answers file, what an earlier
// run recorded, and what is suggested.
//
// It knows no domain and no terminal: what the facts are is a type parameter,
// and a front end sees questions as Items.
package ask

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"postseal/internal/hint"
)

// Source says where an answer came from. A later one wins over an earlier.
type Source int

// The sources.
const (
	Unset    Source = iota
	Default         // the profile's value
	Detected        // derived from the machine
	Recorded        // what the last apply recorded
	File            // the answers file
	Edited          // the block was edited by hand since then
	Flag            // the command line
	Typed           // given in the wizard
)

// String says it in words, as "from ...".
func (s Source) String() string {
	return [...]string{"nothing", "the default", "this server", "the last run", "the answers file", "an edit by hand", "a flag", "you"}[s]
}

// Answers is a set of given answers by key. The zero value is empty.
type Answers struct{ given map[string]answer }

type answer struct {
	texts  []string
	source Source
}

// Clone returns an independent copy.
func (a *Answers) Clone() *Answers {
	b := &Answers{given: make(map[string]answer, len(a.given))}
	for k, v := range a.given {
		b.given[k] = v
	}
	return b
}

// Forget takes an answer back.
func (a *Answers) Forget(key string) { delete(a.given, key) }

// Source says how the key was answered; Unset if it was not.
func (a *Answers) Source(key string) Source { return a.given[key].source }

// Texts is a given answer as written, or nil.
func (a *Answers) Texts(key string) []string { return a.given[key].texts }

func (a *Answers) put(key string, texts []string, s Source) {
	if a.given[key].source > s {
		return
	}
	if a.given == nil {
		a.given = map[string]answer{}
	}
	a.given[key] = answer{slices.Clone(texts), s}
}

// Choice is one permitted answer and what it means for mail.
type Choice[T any] struct {
	Value T
	Name  string // as written in flags and files
	Help  string
	// Open says that Name is only how an answer begins: "TOKEN=".
	Open bool
}

// Suggestion is a proposed answer, why, and what it rests on.
type Suggestion[T any] struct {
	Value  T
	Why    string
	Source Source // Default or Detected; Unset if nothing can be suggested
}

// Question describes one decision.
type Question[T any, F any] struct {
	// Key names the question: the flag is --Key, the line in the answers file
	// "Key = ...".
	Key string
	// Section groups questions on the way through: "Receiving".
	Section string
	// Title names what is decided, in a few words: "Private key file", or is a question.
	Title string
	// Why says in one or two sentences what the answer does to mail.
	Why string
	// Help is the long form: reasons, and where authorities disagree.
	Help string
	// Choices are the permitted answers; without any, Parse reads free text.
	Choices []Choice[T]
	// Parse reads what was written: syntax only. texts has one element unless
	// Many is set.
	Parse func(texts []string) (T, error)
	// Format writes a value back, so that Parse reads the same.
	Format func(T) []string
	// Placeholder shows what free text looks like.
	Placeholder string
	// Many allows more than one value: the flag may be repeated.
	Many bool
	// Offer lists what of free text can be chosen from here, best first.
	Offer func(F, *Answers) []Choice[string]
	// Hide says that a choice makes no sense here, and why; it can still be
	// given, and Check has the last word.
	Hide func(T, F, *Answers) string
	// Evidence is what this machine's own records say about a choice, or "".
	Evidence func(T, F) string
	// Suggest proposes an answer.
	Suggest func(F, *Answers) Suggestion[T]
	// Sure says that the suggestion is proved, so that a wizard need not ask;
	// nil is never.
	Sure func(F, *Answers) bool
	// When says whether the question matters; nil is always.
	When func(F, *Answers) bool
	// Needs says what must hold for that, as in "has no effect without ...".
	Needs string
	// Check looks at the sense of an answer on this machine; nil is all right.
	Check func(T, F, *Answers) error
	// Files are files that must be looked at before Check.
	Files func(T) []string
	// Now is the present value in words, with where it comes from.
	Now func(F) string
}

// Item is a question without its type: what a front end works with.
type Item[F any] interface {
	Name() string
	Texts() (section, title, why, help string)
	// Named are the answers with a name; Options are what can be chosen here,
	// those and what was found on this machine.
	Named() []Option
	Options(F, *Answers) []Option
	FreeText() (placeholder string, ok bool)
	Repeats() bool
	Relevant(F, *Answers) bool
	// Condition says what must hold for the question to matter.
	Condition() string
	// Settled says that nobody need be asked, since the suggestion is proved.
	Settled(F, *Answers) bool
	// Set parses and records an answer. It is the only way in.
	Set(a *Answers, texts []string, s Source) error
	// Value is the answer that counts, given or suggested, and where it is from.
	Value(F, *Answers) ([]string, Source)
	// Proposal is what is suggested, and why.
	Proposal(F, *Answers) (texts []string, why string)
	// Verify checks the sense of the answer that counts.
	Verify(F, *Answers) error
	// Reads are the files that Verify wants to have been looked at.
	Reads(F, *Answers) []string
	// Present is the value in force now, in words.
	Present(F) string
}

// Option is a choice as a front end shows it.
type Option struct {
	Text, Help string
	// Evidence is what this machine's own records say about it, or "".
	Evidence string
	// Hidden says why the option makes no sense here; empty: it does.
	Hidden string
	// Open says that Text is only how an answer begins.
	Open bool
}

// Get returns the answer that counts: the given one, or else the suggestion.
func (q *Question[T, F]) Get(f F, a *Answers) T {
	if x, ok := a.given[q.Key]; ok {
		if v, err := q.parse(x.texts); err == nil {
			return v
		}
	}
	return q.suggestion(f, a).Value
}

// suggestion is what is suggested, read as if it had been typed: what is found on a
// machine is no better than what a person writes. What cannot be read is no suggestion.
func (q *Question[T, F]) suggestion(f F, a *Answers) Suggestion[T] {
	s := q.Suggest(f, a)
	texts := q.texts(s)
	if len(texts) == 0 {
		return s
	}
	v, err := q.parse(texts)
	if err != nil {
		return Suggestion[T]{Why: "what was found cannot be used: " + err.Error()}
	}
	s.Value = v
	return s
}

// Name implements Item.
func (q *Question[T, F]) Name() string { return q.Key }

// Texts implements Item.
func (q *Question[T, F]) Texts() (section, title, why, help string) {
	return q.Section, q.Title, q.Why, q.Help
}

// Named implements Item.
func (q *Question[T, F]) Named() []Option {
	var out []Option
	for _, c := range q.Choices {
		out = append(out, Option{Text: c.Name, Help: c.Help})
	}
	return out
}

// Options implements Item.
func (q *Question[T, F]) Options(f F, a *Answers) []Option {
	var out []Option
	for _, c := range q.Choices {
		o := Option{Text: c.Name, Help: c.Help}
		if q.Hide != nil {
			o.Hidden = q.Hide(c.Value, f, a)
		}
		if q.Evidence != nil {
			o.Evidence = q.Evidence(c.Value, f)
		}
		out = append(out, o)
	}
	if q.Offer != nil {
		for _, c := range q.Offer(f, a) {
			out = append(out, Option{Text: c.Name, Help: c.Help, Open: c.Open})
		}
	}
	return out
}

// FreeText implements Item.
func (q *Question[T, F]) FreeText() (string, bool) { return q.Placeholder, q.Parse != nil }

// Repeats implements Item.
func (q *Question[T, F]) Repeats() bool { return q.Many }

// Relevant implements Item.
func (q *Question[T, F]) Relevant(f F, a *Answers) bool { return q.When == nil || q.When(f, a) }

// Condition implements Item.
func (q *Question[T, F]) Condition() string { return q.Needs }

// Settled implements Item.
func (q *Question[T, F]) Settled(f F, a *Answers) bool {
	return q.Sure != nil && a.Source(q.Key) == Unset && q.Sure(f, a)
}

// Set implements Item.
func (q *Question[T, F]) Set(a *Answers, texts []string, s Source) error {
	if _, err := q.parse(texts); err != nil {
		return fmt.Errorf("%s: %w", q.Key, err)
	}
	a.put(q.Key, texts, s)
	return nil
}

// Value implements Item.
func (q *Question[T, F]) Value(f F, a *Answers) ([]string, Source) {
	if x, ok := a.given[q.Key]; ok {
		return x.texts, x.source
	}
	s := q.suggestion(f, a)
	return q.texts(s), s.Source
}

// texts are a suggestion as it would be written; nil if there is none.
func (q *Question[T, F]) texts(s Suggestion[T]) []string {
	if s.Source == Unset {
		return nil
	}
	return q.format(s.Value)
}

// Proposal implements Item.
func (q *Question[T, F]) Proposal(f F, a *Answers) ([]string, string) {
	s := q.suggestion(f, a)
	return q.texts(s), s.Why
}

// Verify implements Item.
func (q *Question[T, F]) Verify(f F, a *Answers) error {
	if q.Check == nil || !q.Relevant(f, a) {
		return nil
	}
	var all []error
	for _, err := range hint.All(q.Check(q.Get(f, a), f, a)) {
		all = append(all, fmt.Errorf("%s: %w", q.Key, err))
	}
	return errors.Join(all...)
}

// Reads implements Item.
func (q *Question[T, F]) Reads(f F, a *Answers) []string {
	if q.Files == nil || !q.Relevant(f, a) {
		return nil
	}
	return q.Files(q.Get(f, a))
}

// Present implements Item.
func (q *Question[T, F]) Present(f F) string {
	if q.Now == nil {
		return ""
	}
	return q.Now(f)
}

func (q *Question[T, F]) parse(texts []string) (T, error) {
	var zero T
	for _, t := range texts {
		if strings.ContainsFunc(t, hint.Hidden) {
			return zero, fmt.Errorf("control character in %.60q", t)
		}
		if !utf8.ValidString(t) {
			return zero, fmt.Errorf("%.60q is not UTF-8", t)
		}
	}
	if len(texts) == 0 || len(texts) > 1 && !q.Many {
		return zero, fmt.Errorf("%d values, expected one", len(texts))
	}
	var names []string
	if len(texts) == 1 {
		for _, c := range q.Choices {
			if c.Name == texts[0] {
				return c.Value, nil
			}
			names = append(names, c.Name)
		}
	}
	if q.Parse != nil {
		return q.Parse(texts)
	}
	err := fmt.Errorf("%.60q is not one of %s", texts[0], strings.Join(names, ", "))
	return zero, hint.Wrap(err, hint.ShellLine([]string{"postseal", "questions", q.Key})+" explains them")
}

func (q *Question[T, F]) format(v T) []string {
	if q.Format != nil {
		return q.Format(v)
	}
	for _, c := range q.Choices {
		if any(c.Value) == any(v) {
			return []string{c.Name}
		}
	}
	return []string{fmt.Sprint(v)}
}

// Set of questions, in the order in which they are asked.
type Set[F any] []Item[F]

// Lookup finds a question by key.
func (s Set[F]) Lookup(key string) (Item[F], bool) {
	i := slices.IndexFunc(s, func(q Item[F]) bool { return q.Name() == key })
	if i < 0 {
		return nil, false
	}
	return s[i], true
}

// Relevant are the questions that matter, given the answers so far.
func (s Set[F]) Relevant(f F, a *Answers) Set[F] {
	return slices.DeleteFunc(slices.Clone(s), func(q Item[F]) bool { return !q.Relevant(f, a) })
}

// Verify checks the sense of all answers and returns all errors at once. A question
// without an answer is not looked at: that it is missing is an error of its own.
func (s Set[F]) Verify(f F, a *Answers) error {
	var all []error
	for _, q := range s {
		if _, source := q.Value(f, a); source != Unset {
			all = append(all, q.Verify(f, a))
		}
	}
	return errors.Join(all...)
}

// Idle are the questions that were answered by a flag and do not matter: the flag would
// be ignored.
func (s Set[F]) Idle(f F, a *Answers) Set[F] {
	return slices.DeleteFunc(slices.Clone(s), func(q Item[F]) bool { return a.Source(q.Name()) != Flag || q.Relevant(f, a) })
}

// Reads are the files that Verify wants to have been looked at.
func (s Set[F]) Reads(f F, a *Answers) []string {
	var out []string
	for _, q := range s {
		for _, p := range q.Reads(f, a) {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// Values are the answers that count, by key, of the questions that matter.
func (s Set[F]) Values(f F, a *Answers) map[string][]string {
	out := map[string][]string{}
	for _, q := range s.Relevant(f, a) {
		if texts, source := q.Value(f, a); source != Unset {
			out[q.Name()] = texts
		}
	}
	return out
}
