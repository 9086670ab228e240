// Package mastercf reads and edits master.cf without losing a byte.
//
// It knows the eight fields and the arguments of a service (master(5);
// get_master_ent and postconf_master.c in the source), and which -o overrides
// count. It does not know what a parameter means, and it does no I/O.
package mastercf

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"postseal/internal/postfix/logical"
	"postseal/internal/postfix/maincf"
)

// File is a parsed master.cf. It is never changed: edits return a new one.
type File struct {
	text     *logical.File
	services []Service
}

// Service is one entry.
type Service struct {
	// The eight fields as written; "-" means the built-in default.
	Name, Type, Private, Unprivileged, Chroot, Wakeup, MaxProc, Command string
	// Options are the -o overrides in order; of a name given twice the last counts.
	Options []Option
	// Args are the arguments that are not options.
	Args []string
	// Stray are those of them before the next word that looks like an option, if the
	// program takes no arguments and dies of the first.
	Stray []Word
	// Line is the number of the physical line on which it starts, from 1.
	Line int
	// Bad says why Postfix refuses the entry, or is empty.
	Bad string

	line logical.Line
}

// Option is one -o override.
type Option struct {
	Name, Value string
	// Line is the number of the physical line on which it starts, from 1.
	Line int
	// Bad says why the daemon dies at it ("-o name = value" is three words),
	// or is empty.
	Bad string
	// Stray are the words behind it that were meant to be part of the value: a blank
	// ends it, unless it is in braces.
	Stray []Word

	flag, value token // "-o" and what follows; the same token in "-oname=value"
}

// Word is a word of an entry.
type Word struct {
	Text string
	// Line is the number of its physical line, from 1.
	Line int

	at token
}

// token is a word of a logical line: Text[from:to].
type token struct{ from, to int }

// Parse reads text. It cannot fail: what Postfix refuses is marked Bad.
func Parse(text string) *File {
	f := &File{text: logical.Parse(text)}
	for _, l := range f.text.Logical {
		f.services = append(f.services, f.parseService(l))
	}
	return f
}

// String prints the file: Parse(s).String() is s, whatever s is.
func (f *File) String() string { return f.text.String() }

// Services are all entries in the order of the file, refused ones among them.
func (f *File) Services() []Service { return f.services }

// Find returns the service with this name and type; of two the last counts.
func (f *File) Find(name, typ string) (Service, bool) {
	for i := len(f.services) - 1; i >= 0; i-- {
		if s := f.services[i]; s.Name == name && s.Type == typ && s.Bad == "" {
			return s, true
		}
	}
	return Service{}, false
}

// Override returns the value that s gives to the parameter, if it does.
func (s Service) Override(name string) (Option, bool) {
	for i := len(s.Options) - 1; i >= 0; i-- {
		if o := s.Options[i]; o.Name == name && o.Bad == "" {
			return o, true
		}
	}
	return Option{}, false
}

// Program is the name of the daemon without its folder: "smtpd".
func (s Service) Program() string { return path.Base(s.Command) }

// ID is how postconf -M names the service: "submission/inet".
func (s Service) ID() string { return s.Name + "/" + s.Type }

// fields is how many words must stand before the arguments.
const fields = 8

func (f *File) parseService(l logical.Line) Service {
	words := split(l.Text)
	s := Service{Line: l.First() + 1, line: l}
	for i, p := range []*string{&s.Name, &s.Type, &s.Private, &s.Unprivileged, &s.Chroot, &s.Wakeup, &s.MaxProc, &s.Command} {
		if i < len(words) {
			*p = l.Text[words[i].from:words[i].to]
		}
	}
	if len(words) < fields {
		s.Bad = "bad field count"
		return s
	}
	s.Bad = s.check()
	i := fields
	for ; i < len(words); i++ {
		w := words[i]
		arg := l.Text[w.from:w.to]
		if arg[0] != '-' || arg == "--" {
			break
		}
		// "-vo" is "-v -o": only o takes a value.
		o := strings.IndexByte(arg, 'o')
		if o < 0 {
			continue
		}
		opt := Option{flag: w, value: token{w.from + o + 1, w.to}, Line: f.lineAt(l, w.from)}
		if opt.value.from == w.to {
			if i+1 == len(words) {
				opt.Bad = "-o without a value"
				s.Options = append(s.Options, opt)
				continue
			}
			i++
			opt.value = words[i]
		}
		opt.Name, opt.Value, opt.Bad = override(l.Text[opt.value.from:opt.value.to])
		s.Options = append(s.Options, opt)
	}
	for _, w := range words[i:] {
		s.Args = append(s.Args, unbrace(l.Text[w.from:w.to]))
	}
	if !slices.Contains(withoutArguments, s.Program()) {
		return s
	}
	for _, w := range words[i:] {
		text := l.Text[w.from:w.to]
		if text[0] == '-' && len(text) > 1 {
			break
		}
		s.Stray = append(s.Stray, Word{Text: text, Line: f.lineAt(l, w.from), at: w})
	}
	if n := len(s.Options); n > 0 && s.Options[n-1].value.to == words[i-1].to && !s.Glued() {
		s.Options[n-1].Stray = s.Stray
	}
	return s
}

// withoutArguments are the programs that die of an argument that is no option
// (trigger_server.c and the like: "unexpected command-line argument"). postscreen(8)
// does not look at them.
var withoutArguments = []string{
	"anvil", "bounce", "cleanup", "discard", "dnsblog", "error", "flush", "lmtp", "local", "nqmgr", "oqmgr", "pickup", "postlogd", "proxymap",
	"qmgr", "qmqpd", "scache", "showq", "smtp", "smtpd", "tlsmgr", "tlsproxy", "trivial-rewrite", "verify", "virtual",
}

// Glued reports whether the arguments of s look like the rest of another entry, whose
// line is not ended before it.
func (s Service) Glued() bool {
	return len(s.Args) >= fields-1 && slices.Contains(types, s.Args[0])
}

// override reads "name=value" or "{ name = value }".
func override(text string) (name, value, bad string) {
	if strings.HasPrefix(text, "{") {
		if !strings.HasSuffix(text, "}") {
			return "", "", "syntax error after '}' in " + text
		}
		text = unbrace(text)
	}
	return maincf.Split(text)
}

func unbrace(s string) string {
	if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
		return strings.Trim(s[1:len(s)-1], blanks)
	}
	return s
}

// check looks at the fields as postconf and master do.
func (s Service) check() string {
	if !slices.Contains(types, s.Type) {
		return fmt.Sprintf("invalid type field %q", s.Type)
	}
	for _, f := range [...]struct{ name, value string }{{"private", s.Private}, {"unprivileged", s.Unprivileged}, {"chroot", s.Chroot}} {
		if f.value != "y" && f.value != "n" && f.value != "-" {
			return fmt.Sprintf("invalid %s field %q", f.name, f.value)
		}
	}
	if s.Type == "inet" && s.Private != "n" { // "-" is y
		return "inet service cannot be private"
	}
	if w := strings.TrimSuffix(s.Wakeup, "?"); s.Wakeup != "-" && strings.Trim(w, "0123456789") != "" {
		return fmt.Sprintf("invalid wakeup field %q", s.Wakeup)
	}
	if s.MaxProc != "-" && strings.Trim(s.MaxProc, "0123456789") != "" {
		return fmt.Sprintf("invalid process_limit field %q", s.MaxProc)
	}
	return ""
}

// types are the types of services (master(5)).
var types = []string{"unix", "fifo", "inet", "pass", "unix-dgram"}

const blanks = " \t\r\n"

// split cuts text into words; braces protect blanks (mystrtokq(3)).
func split(text string) []token {
	var out []token
	level, start := 0, -1
	for i := 0; i < len(text); i++ {
		c := text[i]
		blank := strings.IndexByte(blanks, c) >= 0
		switch {
		case start < 0 && blank:
			continue
		case start < 0:
			start = i
		}
		switch {
		case c == '{':
			level++
		case c == '}' && level > 0:
			level--
		case blank && level == 0:
			out = append(out, token{start, i})
			start = -1
		}
	}
	if start >= 0 {
		out = append(out, token{start, len(text)})
	}
	return out
}

// place turns an offset in the text of l into a physical line and a column.
func (f *File) place(l logical.Line, at int) (line, column int) {
	for _, i := range l.Own {
		n := len(strings.TrimSuffix(f.text.Physical[i], "\n"))
		if at < n {
			return i, at
		}
		at -= n
	}
	last := l.Last()
	return last, len(strings.TrimSuffix(f.text.Physical[last], "\n"))
}

func (f *File) lineAt(l logical.Line, at int) int {
	i, _ := f.place(l, at)
	return i + 1
}
