// Package postfix knows the configuration of a Postfix instance: the TLS
// parameters and the releases that have them, and which value counts for which
// service. The files themselves are read by its subpackages.
//
// It does no I/O and starts no program.
package postfix

import (
	"fmt"
	"strings"

	"postseal/internal/postfix/maincf"
	"postseal/internal/postfix/mastercf"
)

// Config is the configuration of one instance.
type Config struct {
	// Dir is the configuration directory.
	Dir    string
	Main   *maincf.File
	Master *mastercf.File
	// Defaults are the built-in values, not expanded, as `postconf -d` prints
	// them; nil if postconf could not be asked.
	Defaults map[string]string
	Version  Version
}

// Origin says where a value comes from.
type Origin struct {
	// File is the path, or empty for a built-in default.
	File string `json:"file,omitempty"`
	// Line is the number of the line in File, from 1.
	Line int `json:"line,omitempty"`
	// Service is the master.cf service whose -o it is, or empty.
	Service string `json:"service,omitempty"`
}

// String is "/etc/postfix/main.cf:12", "... (-o of submission/inet)" or "default".
func (o Origin) String() string {
	switch {
	case o.File == "":
		return "default"
	case o.Service != "":
		return fmt.Sprintf("%s:%d (-o of %s)", o.File, o.Line, o.Service)
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// Value is the effective value of a parameter.
type Value struct {
	// Raw is as written, Text with $name expanded.
	Raw, Text string
	Origin    Origin
	// Set is false for a built-in default.
	Set bool
	// Err is why the value cannot be expanded; Postfix would die of it.
	Err error
}

// MainPath and MasterPath are the two files of the instance.
func (c Config) MainPath() string   { return c.Dir + "/main.cf" }
func (c Config) MasterPath() string { return c.Dir + "/master.cf" }

// Value returns what counts for a service: its own -o, else main.cf, else the
// default. With a nil service, it is what counts for all that do not override it.
func (c Config) Value(s *mastercf.Service, name string) Value {
	v := c.raw(s, name)
	v.Text, v.Err = maincf.Expand(v.Raw, func(n string) (string, bool) {
		switch {
		case s != nil && n == "process_name":
			return s.Program(), true
		case s != nil && n == "service_name":
			return s.Name, true
		}
		w := c.raw(s, n)
		return w.Raw, w.Set || w.Raw != ""
	})
	return v
}

// Bool reads a yes or no as Postfix does: in any case (get_mail_conf_bool(3)).
func (c Config) Bool(s *mastercf.Service, name string) bool {
	return strings.EqualFold(c.Text(s, name), "yes")
}

// Text is the expanded value, for callers that need nothing else.
func (c Config) Text(s *mastercf.Service, name string) string { return c.Value(s, name).Text }

func (c Config) raw(s *mastercf.Service, name string) Value {
	if s != nil {
		if o, ok := s.Override(name); ok {
			return Value{Raw: o.Value, Set: true, Origin: Origin{File: c.MasterPath(), Line: o.Line, Service: s.ID()}}
		}
	}
	if e, ok := c.Main.Get(name); ok {
		return Value{Raw: e.Value, Set: true, Origin: Origin{File: c.MainPath(), Line: e.Line}}
	}
	if name == "config_directory" && c.Dir != "" { // mail_conf_suck(3); postconf -d prints the built-in one
		return Value{Raw: strings.ReplaceAll(c.Dir, "$", "$$")}
	}
	if d, ok := c.Defaults[name]; ok {
		return Value{Raw: d}
	}
	if p, ok := Lookup(name); ok {
		return Value{Raw: p.DefaultIn(c.Version)}
	}
	return Value{}
}
