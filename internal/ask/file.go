package ask

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"postseal/internal/hint"
)

// fileFormat is the version of the answers file that we write and the newest
// that we read.
const fileFormat = 1

// maxProblems is how many lines of an answers file are reported by themselves.
const maxProblems = 20

// maxEntries is how many "key = value" lines a file may have: several times the number
// of questions.
const maxEntries = 1000

// entry is one "key = value" of an answers file.
type entry struct {
	key      string
	line     int // from 1
	from, to int // the bytes of "key = value"
	texts    []string
	bad      string
}

// Load reads an answers file (TOML) into a. Every unknown key, bad value and
// double key is reported with its line, all at once; then nothing is taken.
// Keys in others are no questions: Lines reads them.
func (s Set[F]) Load(data []byte, a *Answers, others ...string) error {
	entries, err := scan(data)
	if err != nil {
		return err
	}
	b := a.Clone()
	var all []error
	fail := func(e entry, err error) {
		all = append(all, hint.Wrap(fmt.Errorf("line %d: %w", e.line, err), hint.Of(err)))
	}
	seen := map[string]int{}
	for _, e := range entries {
		if first, twice := seen[e.key]; twice {
			fail(e, fmt.Errorf("%s is already set in line %d", e.key, first))
			continue
		}
		seen[e.key] = e.line
		q, known := s.Lookup(e.key)
		switch {
		case e.key == "format":
			if err := checkFormat(e); err != nil {
				fail(e, err)
			}
		case slices.Contains(others, e.key):
			if e.bad != "" {
				fail(e, fmt.Errorf("%s: %s", e.key, e.bad))
			}
		case !known:
			fail(e, hint.New(fmt.Sprintf("no question is named %.40q", e.key), "postseal questions lists them"))
		case e.bad != "":
			fail(e, fmt.Errorf("%s: %s", e.key, e.bad))
		default:
			if err := q.Set(b, e.texts, File); err != nil {
				fail(e, err)
			}
		}
	}
	if n := len(all) - maxProblems; n > 0 {
		all = append(all[:maxProblems:maxProblems], fmt.Errorf("and %d more lines that cannot be read", n))
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	*a = *b
	return nil
}

// Lines are the texts of a key that is no question, and the line it is in.
func Lines(data []byte, key string) (out []string, line int, err error) {
	entries, err := scan(data)
	if err != nil {
		return nil, 0, err
	}
	for _, e := range entries {
		if e.key == key && e.bad == "" {
			return e.texts, e.line, nil
		}
	}
	return nil, 0, nil
}

func checkFormat(e entry) error {
	if len(e.texts) == 1 {
		if n, err := strconv.Atoi(e.texts[0]); err == nil && n >= 1 && n <= fileFormat {
			return nil
		}
	}
	return hint.New(fmt.Sprintf("format %s is newer than this postseal, which reads up to %d", strings.Join(e.texts, ","), fileFormat), "update postseal, or start a new answers file")
}

// scan cuts a file into its entries.
func scan(data []byte) ([]entry, error) {
	p := &unstable.Parser{}
	p.Reset(data)
	var out []entry
	line, counted := 1, 0 // p.Shape counts the lines from the start each time
	for p.NextExpression() {
		x := p.Expression()
		switch x.Kind {
		case unstable.KeyValue:
			if len(out) == maxEntries {
				return nil, hint.New(fmt.Sprintf("the file has more than %d keys", maxEntries), "check that it is an answers file; postseal questions lists its keys")
			}
			e := entry{from: int(x.Raw.Offset), to: int(x.Raw.Offset + x.Raw.Length)}
			line += bytes.Count(data[counted:e.from], []byte("\n"))
			e.line, counted = line, e.from
			var keys []string
			for it := x.Key(); it.Next(); {
				keys = append(keys, string(it.Node().Data))
			}
			e.key = strings.Join(keys, ".")
			e.texts, e.bad = texts(x.Value())
			out = append(out, e)
		case unstable.Table, unstable.ArrayTable:
			it := x.Key()
			it.Next()
			return nil, hint.New(fmt.Sprintf("line %d: [%s]: the file has no tables", p.Shape(it.Node().Raw).Start.Line, it.Node().Data), `write "key = value" lines only`)
		}
	}
	if p.Error() == nil {
		return out, nil
	}
	// The decoder says the same with a position.
	var discard map[string]any
	var syntax *toml.DecodeError
	if err := toml.Unmarshal(data, &discard); errors.As(err, &syntax) {
		line, _ := syntax.Position()
		return nil, fmt.Errorf("line %d: %s", line, strings.TrimPrefix(syntax.Error(), "toml: "))
	}
	return nil, p.Error()
}

// texts turns a TOML value into what would be written on the command line.
func texts(v *unstable.Node) (out []string, bad string) {
	switch v.Kind {
	case unstable.String, unstable.Integer:
		return []string{string(v.Data)}, ""
	case unstable.Bool:
		if string(v.Data) == "true" {
			return []string{"yes"}, ""
		}
		return []string{"no"}, ""
	case unstable.Array:
		for it := v.Children(); it.Next(); {
			n := it.Node()
			if n.Kind == unstable.Comment {
				continue
			}
			if n.Kind != unstable.String {
				return nil, "a list holds strings"
			}
			out = append(out, string(n.Data))
		}
		return out, ""
	}
	return nil, "a value is a string, a number, true, false or a list of strings"
}

// fileHead starts a new answers file.
const fileHead = `# Answers for postseal. A run without questions takes them from here;
# a flag wins over a line. "postseal questions" explains each.
format = 1
`

// Save returns data with the answers that count written into it. Comments,
// order and lines of questions that do not matter now stay as they are.
func (s Set[F]) Save(data []byte, f F, a *Answers) ([]byte, error) {
	entries, err := scan(data)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte(fileHead)
	}
	var tail strings.Builder
	type edit struct {
		from, to int
		text     string
	}
	var edits []edit
	for _, q := range s.Relevant(f, a) {
		values, source := q.Value(f, a)
		if source == Unset {
			continue
		}
		line := q.Name() + " = " + literal(values, q.Repeats())
		i := slices.IndexFunc(entries, func(e entry) bool { return e.key == q.Name() })
		if i < 0 {
			_, title, _, _ := q.Texts()
			fmt.Fprintf(&tail, "\n# %s\n%s\n", title, line)
			continue
		}
		if !slices.Equal(entries[i].texts, values) {
			edits = append(edits, edit{entries[i].from, entries[i].to, line})
		}
	}
	slices.SortFunc(edits, func(x, y edit) int { return y.from - x.from })
	for _, e := range edits {
		data = slices.Concat(data[:e.from], []byte(e.text), data[e.to:])
	}
	if tail.Len() > 0 && !bytes.HasSuffix(data, []byte("\n")) {
		data = append(slices.Clone(data), '\n')
	}
	return append(slices.Clone(data), tail.String()...), nil
}

// literal writes values as a TOML string, or as a list of strings.
func literal(values []string, many bool) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	if many && len(values) != 1 {
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return strings.Join(quoted, ", ")
}

// quote writes a basic string (TOML 1.0, "String"), which holds any text.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s { // what is not UTF-8 becomes U+FFFD
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case hint.Hidden(r):
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
