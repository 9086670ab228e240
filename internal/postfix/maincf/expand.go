package maincf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"postseal/internal/postfix/logical"
)

// maxNesting is where Postfix gives up ("unreasonable macro call nesting").
const maxNesting = 100

// Limits of an expansion. Postfix has none but the nesting, and x1=$x0$x0,
// x2=$x1$x1 doubles with each line.
const (
	maxExpanded   = 1 << 20 // bytes
	maxReferences = 10_000  // $name
)

// ErrTooLong is why a value is not expanded that Postfix might expand.
var ErrTooLong = errors.New("the expanded value is too long")

// Lookup gives the unexpanded value of a parameter; ok is false if it has
// neither a value nor a default.
type Lookup func(name string) (value string, ok bool)

// Expand replaces $name, ${name}, $(name), ${name?text}, ${name:text},
// ${name?{x}:{y}} and ${{a} == {b} ? {x} : {y}} as Postfix does (postconf(5),
// "The general format of the main.cf file"; mac_expand(3)). An undefined
// parameter is empty. The error is what makes a Postfix program die.
func Expand(value string, lookup Lookup) (string, error) {
	x := expander{lookup: lookup, spent: new(spent)}
	if err := x.text(value); err != nil {
		return "", fmt.Errorf("expanding %.80q: %w", value, err)
	}
	return x.out.String(), nil
}

type expander struct {
	lookup Lookup
	out    strings.Builder
	depth  int
	spent  *spent
}

// spent is what an expansion has taken so far, its operands among it.
type spent struct{ bytes, references int }

func (x *expander) write(s string) error {
	if x.spent.bytes += len(s); x.spent.bytes > maxExpanded {
		return fmt.Errorf("%w: it exceeds %d KiB", ErrTooLong, maxExpanded>>10)
	}
	x.out.WriteString(s)
	return nil
}

// text expands a whole string: literal text and references.
func (x *expander) text(s string) error {
	if x.depth++; x.depth > maxNesting {
		return fmt.Errorf("unreasonable macro call nesting")
	}
	defer func() { x.depth-- }()
	for s != "" {
		i := strings.IndexByte(s, '$')
		if i < 0 {
			i = len(s)
		}
		if err := x.write(s[:i]); err != nil {
			return err
		}
		if s = s[i:]; s == "" {
			break
		}
		s = s[1:]
		var ref string
		switch {
		case strings.HasPrefix(s, "$"):
			if err := x.write("$"); err != nil {
				return err
			}
			s = s[1:]
			continue
		case strings.HasPrefix(s, "{"), strings.HasPrefix(s, "("):
			n := balanced(s)
			if n < 0 {
				return fmt.Errorf("truncated macro reference")
			}
			ref, s = s[1:n-1], s[n:]
		default:
			n := 0
			for n < len(s) && isNameByte(s[n]) {
				n++
			}
			ref, s = s[:n], s[n:]
		}
		if ref == "" {
			return fmt.Errorf("empty macro name")
		}
		if err := x.reference(ref); err != nil {
			return err
		}
	}
	return nil
}

// reference expands what stands between the braces of one reference.
func (x *expander) reference(ref string) error {
	if x.spent.references++; x.spent.references > maxReferences {
		return fmt.Errorf("%w: it needs more than %d references", ErrTooLong, maxReferences)
	}
	var value string
	rest := skipBlanks(ref)
	named := !strings.HasPrefix(rest, "{")
	if named {
		n := 0
		for n < len(rest) && isNameByte(rest[n]) {
			n++
		}
		name := rest[:n]
		if rest = skipBlanks(rest[n:]); strings.HasPrefix(rest, "{") {
			return x.function(name, rest)
		}
		if rest != "" && rest[0] != '?' && rest[0] != ':' {
			return fmt.Errorf("attribute name syntax error at %.20q", rest)
		}
		value, _ = x.lookup(name)
	} else {
		truth, after, err := x.relation(rest)
		if err != nil {
			return err
		}
		if truth {
			value = "true"
		}
		if rest = after; rest != "" && rest[0] != '?' && rest[0] != ':' {
			return fmt.Errorf(`"?" or ":" expected at %.20q`, rest)
		}
	}
	if rest == "" {
		if named {
			return x.text(value)
		}
		return x.write(value)
	}
	return x.choose(rest, value != "")
}

// function expands name{argument}. Postfix 3.11 has one function,
// domain_to_ascii; host names in a configuration are ASCII already as a rule,
// and one that is not stays as it is.
func (x *expander) function(name, s string) error {
	argument, rest, err := operand(s)
	if err != nil {
		return err
	}
	if rest != "" {
		return fmt.Errorf("unexpected input at %.20q", rest)
	}
	if name != "domain_to_ascii" {
		return fmt.Errorf("unknown function %.40q", name)
	}
	return x.text(strings.TrimSpace(argument))
}

// choose expands "?yes", ":no" or "?{yes}:{no}".
func (x *expander) choose(s string, truth bool) error {
	if s[0] == '?' {
		yes, after, err := operand(s[1:])
		if err != nil {
			return err
		}
		if truth {
			if err := x.text(yes); err != nil {
				return err
			}
		}
		if after == "" {
			return nil
		}
		if after[0] != ':' {
			return fmt.Errorf(`":" expected at %.20q`, after)
		}
		s = after
	}
	no, after, err := operand(s[1:])
	if err != nil {
		return err
	}
	if !truth {
		if err := x.text(no); err != nil {
			return err
		}
	}
	if after != "" {
		return fmt.Errorf("unexpected input at %.20q", after)
	}
	return nil
}

// operand takes "{text}" with the blanks around it, or else all that is left.
func operand(s string) (text, rest string, err error) {
	t := skipBlanks(s)
	if !strings.HasPrefix(t, "{") {
		return s, "", nil
	}
	n := balanced(t)
	if n < 0 {
		return "", "", fmt.Errorf("unbalanced {} in attribute expression")
	}
	return t[1 : n-1], skipBlanks(t[n:]), nil
}

// relation evaluates "{a} op {b}" and returns what follows it.
func (x *expander) relation(s string) (truth bool, rest string, err error) {
	left, rest, err := operand(s)
	if err != nil {
		return false, "", err
	}
	n := 0
	for n < len(rest) && strings.IndexByte("<>!=?+-*/~&|%", rest[n]) >= 0 {
		n++
	}
	op, rest := rest[:n], rest[n:]
	sign, ok := relations[op]
	if !ok {
		return false, "", fmt.Errorf("relational operator expected at %.20q", op+rest)
	}
	compare := compareText
	if n = 0; rest != "" && isNameByte(rest[0]) && rest[0] != '_' {
		for n < len(rest) && isNameByte(rest[n]) && rest[n] != '_' {
			n++
		}
		if rest[:n] != "level" {
			return false, "", fmt.Errorf("bad operator suffix at %.20q", rest)
		}
		compare, rest = compareLevels, rest[n:]
	}
	if !strings.HasPrefix(skipBlanks(rest), "{") {
		return false, "", fmt.Errorf(`"{expression}" expected at %.20q`, rest)
	}
	right, rest, err := operand(rest)
	if err != nil {
		return false, "", err
	}
	l, err := x.sub(left)
	if err != nil {
		return false, "", err
	}
	r, err := x.sub(right)
	if err != nil {
		return false, "", err
	}
	d, err := compare(l, r)
	if err != nil {
		return false, "", err
	}
	return sign(d), rest, nil
}

// sub expands an operand by itself.
func (x *expander) sub(s string) (string, error) {
	y := expander{lookup: x.lookup, depth: x.depth, spent: x.spent}
	err := y.text(s)
	return y.out.String(), err
}

var relations = map[string]func(int) bool{
	"==": func(d int) bool { return d == 0 },
	"!=": func(d int) bool { return d != 0 },
	"<":  func(d int) bool { return d < 0 },
	"<=": func(d int) bool { return d <= 0 },
	">=": func(d int) bool { return d >= 0 },
	">":  func(d int) bool { return d > 0 },
}

// compareText compares as numbers if both are all digits, else byte by byte.
func compareText(a, b string) (int, error) {
	if allDigits(a) && allDigits(b) {
		x, err := strconv.ParseInt(a, 10, 64)
		if err != nil {
			return 0, err
		}
		y, err := strconv.ParseInt(b, 10, 64)
		if err != nil {
			return 0, err
		}
		switch {
		case x < y:
			return -1, nil
		case x > y:
			return 1, nil
		}
		return 0, nil
	}
	return strings.Compare(a, b), nil
}

// compareLevels compares compatibility levels: "2", "3.6", "3.11.1"
// (COMPATIBILITY_README, Postfix 3.6).
func compareLevels(a, b string) (int, error) {
	x, err := parseLevel(a)
	if err != nil {
		return 0, err
	}
	y, err := parseLevel(b)
	if err != nil {
		return 0, err
	}
	for i := range x {
		if x[i] != y[i] {
			return x[i] - y[i], nil
		}
	}
	return 0, nil
}

func parseLevel(s string) (level [3]int, err error) {
	parts := strings.Split(s, ".")
	if len(parts) > 3 {
		return level, fmt.Errorf("malformed compatibility level %.20q", s)
	}
	for i, p := range parts {
		if level[i], err = strconv.Atoi(strings.TrimSpace(p)); err != nil || level[i] < 0 {
			return level, fmt.Errorf("malformed compatibility level %.20q", s)
		}
	}
	return level, nil
}

// balanced returns the length of the bracketed text at the start of s, or -1.
// Only brackets of the same kind count, as in mac_parse(3).
func balanced(s string) int {
	closing := byte('}')
	if s[0] == '(' {
		closing = ')'
	}
	level := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case s[0]:
			level++
		case closing:
			if level--; level == 0 {
				return i + 1
			}
		}
	}
	return -1
}

func skipBlanks(s string) string {
	for s != "" && logical.IsSpace(s[0]) {
		s = s[1:]
	}
	return s
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
