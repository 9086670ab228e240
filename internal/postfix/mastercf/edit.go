package mastercf

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/postfix/logical"
)

// Set returns a file in which the service gives the parameter this value.
// An override that is there is rewritten where it stands, with its stray words; a
// new one gets a line of its own at the end of the service.
func (f *File) Set(name, typ, parameter, value string) (*File, error) {
	s, ok := f.Find(name, typ)
	if !ok {
		return nil, fmt.Errorf("setting %s: no service %s/%s", parameter, name, typ)
	}
	text, err := Format(parameter, value)
	if err != nil {
		return nil, err
	}
	if o, ok := s.Override(parameter); ok {
		f = f.rewrite(s, token{o.value.from, o.end()}, text)
		if len(o.Stray) > 0 { // without them, later overrides count
			return f.Set(name, typ, parameter, value)
		}
		return f, nil
	}
	if len(s.Args) > 0 {
		return nil, fmt.Errorf("setting %s: service %s has arguments that are not options", parameter, s.ID())
	}
	return f.insert(s.line.Last()+1, f.indent(s)+"-o "+text), nil
}

// Unset returns a file in which the service no longer overrides the parameter. The
// stray words of the override go too.
func (f *File) Unset(name, typ, parameter string) (*File, error) {
	for {
		s, ok := f.Find(name, typ)
		if !ok {
			return nil, fmt.Errorf("unsetting %s: no service %s/%s", parameter, name, typ)
		}
		o, ok := s.Override(parameter)
		if !ok {
			return f, nil
		}
		if flag := s.line.Text[o.flag.from:o.flag.to]; !strings.HasPrefix(flag, "-o") {
			return nil, fmt.Errorf("unsetting %s: line %d: %q joins two options; write them separately", parameter, o.Line, flag)
		}
		line, _ := f.place(s.line, o.flag.from)
		start, from := f.offset(s.line, line), o.flag.from
		for from > start && strings.IndexByte(blanks, s.line.Text[from-1]) >= 0 {
			from--
		}
		if from == start && !f.endsLine(s.line, o.end()) {
			from = o.flag.from // the indentation makes it a continuation line
		}
		f = f.rewrite(s, token{from, o.end()}, "")
	}
}

// end is where the override ends, its stray words included.
func (o Option) end() int {
	if n := len(o.Stray); n > 0 {
		return o.Stray[n-1].at.to
	}
	return o.value.to
}

// Add returns a file with a new service after another, or at the end if there
// is no such service. The lines come without line ends.
func (f *File) Add(lines []string, afterName, afterType string) *File {
	at := len(f.text.Physical)
	if s, ok := f.Find(afterName, afterType); ok {
		at = s.line.Last() + 1
	}
	return f.insert(at, lines...)
}

// Format writes an override, without its -o, so that one word comes out of it.
func Format(name, value string) (string, error) {
	if strings.ContainsAny(value, "\r\n\x00") {
		return "", fmt.Errorf("setting %s: control characters in the value", name)
	}
	if strings.Count(value, "{") != strings.Count(value, "}") {
		return "", fmt.Errorf("setting %s: braces do not pair up in %q", name, value)
	}
	if strings.ContainsAny(value, blanks) || strings.HasPrefix(value, "{") {
		return fmt.Sprintf("{ %s = %s }", name, value), nil
	}
	return name + "=" + value, nil
}

// indent is the white space before the last continuation line of s.
func (f *File) indent(s Service) string {
	if len(s.line.Own) == 1 {
		return "  "
	}
	l := f.text.Physical[s.line.Last()]
	return l[:len(l)-len(strings.TrimLeft(l, " \t"))]
}

// insert puts new physical lines before line at.
func (f *File) insert(at int, lines ...string) *File {
	nl := logical.Newline(f.text.Physical)
	out := slices.Clone(f.text.Physical[:at])
	if n := len(out); n > 0 && !strings.HasSuffix(out[n-1], "\n") {
		out[n-1] += nl
	}
	for _, l := range lines {
		out = append(out, l+nl)
	}
	return Parse(strings.Join(append(out, f.text.Physical[at:]...), ""))
}

// rewrite replaces a stretch of the text of s. Physical lines that it leaves
// blank go.
func (f *File) rewrite(s Service, t token, text string) *File {
	firstLine, firstCol := f.place(s.line, t.from)
	out := slices.Clone(f.text.Physical)
	for _, i := range s.line.Own {
		start := f.offset(s.line, i)
		body := strings.TrimSuffix(out[i], "\n")
		end := out[i][len(body):]
		from, to := max(t.from, start)-start, min(t.to, start+len(body))-start
		if i < firstLine || from > to {
			continue
		}
		kept := body[:from]
		if i == firstLine {
			kept = body[:firstCol] + text
		}
		body = kept + body[to:]
		if logical.Ignored(body) && i != s.line.First() {
			out[i] = ""
			continue
		}
		out[i] = body + end
	}
	return Parse(strings.Join(out, ""))
}

// offset is where physical line i starts in the text of l.
func (f *File) offset(l logical.Line, i int) int {
	at := 0
	for _, own := range l.Own {
		if own == i {
			break
		}
		at += len(strings.TrimSuffix(f.text.Physical[own], "\n"))
	}
	return at
}

// endsLine reports whether nothing but blanks follows offset at on its line.
func (f *File) endsLine(l logical.Line, at int) bool {
	i, col := f.place(l, at-1)
	body := strings.TrimSuffix(f.text.Physical[i], "\n")
	return strings.Trim(body[col+1:], blanks) == ""
}
