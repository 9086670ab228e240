package detect

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"postseal/internal/host"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// findProblems lists settings that do not do what they seem to. Each is a
// fact about this configuration; what to do about it is not decided here.
func (f *Facts) findProblems(m host.Reader) {
	for _, p := range f.Config.Main.Problems() {
		f.problem("", postfix.Origin{File: f.Config.MainPath(), Line: p.Line}, p.Text)
	}
	f.obsolete()
	f.unknown()
	f.badValues(nil)
	for _, s := range f.Config.Master.Services() {
		f.badOverrides(s)
		f.badValues(&s)
	}
	f.contradictions()
	f.missingFiles(m)
}

func (f *Facts) problem(parameter string, at postfix.Origin, text string) {
	f.Problems = append(f.Problems, Problem{Parameter: parameter, Origin: at, Text: text})
}

func (f *Facts) fatal(parameter string, at postfix.Origin, text string) {
	f.Problems = append(f.Problems, Problem{parameter, at, text, true})
}

func (f *Facts) obsolete() {
	for _, e := range f.Config.Main.Entries() {
		if p, ok := postfix.Lookup(e.Name); ok && p.Obsolete != "" {
			f.problem(e.Name, postfix.Origin{File: f.Config.MainPath(), Line: e.Line}, "obsolete: "+p.Obsolete)
		}
	}
}

// unknown finds names that look like TLS parameters but that this release
// does not have, unless another value refers to them.
func (f *Facts) unknown() {
	if f.Config.Defaults == nil {
		return
	}
	for _, e := range f.Config.Main.Entries() {
		if _, known := f.Config.Defaults[e.Name]; known || e.Bad != "" || !strings.Contains(e.Name, "tls") || f.referred(e.Name) {
			continue
		}
		f.problem(e.Name, postfix.Origin{File: f.Config.MainPath(), Line: e.Line},
			fmt.Sprintf("Postfix %s does not know this parameter and ignores it", f.Config.Version))
	}
}

// referred says whether some value mentions $name.
func (f *Facts) referred(name string) bool {
	mentions := func(value string) bool {
		return strings.Contains(value, "$"+name) || strings.Contains(value, "{"+name) || strings.Contains(value, "("+name)
	}
	for _, e := range f.Config.Main.Entries() {
		if mentions(e.Value) {
			return true
		}
	}
	for _, s := range f.Config.Master.Services() {
		if slices.ContainsFunc(s.Options, func(o mastercf.Option) bool { return mentions(o.Value) }) {
			return true
		}
	}
	return false
}

// levels are the words that the two security levels take.
var levels = []string{"none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure"}

// badValues looks at the values in main.cf, or at those that a service sets
// itself. Postfix finds out when a client connects; postfix check does not.
func (f *Facts) badValues(s *mastercf.Service) {
	for _, name := range []string{"smtpd_tls_security_level", "smtp_tls_security_level"} {
		v, own := f.own(s, name)
		if own && v.Text != "" && !slices.Contains(levels, strings.ToLower(v.Text)) {
			f.fatal(name, v.Origin, fmt.Sprintf("%.40q is no TLS level: the service dies at every connection", v.Text))
		}
	}
	for _, prefix := range []string{"smtpd", "smtp"} {
		for _, name := range []string{prefix + "_tls_protocols", prefix + "_tls_mandatory_protocols"} {
			v, own := f.own(s, name)
			if !own {
				continue
			}
			if _, err := postfix.ParseFloor(v.Text, f.Config.Version); err != nil {
				f.problem(name, v.Origin, err.Error()+": TLS is switched off")
			}
		}
		for _, name := range []string{prefix + "_tls_ciphers", prefix + "_tls_mandatory_ciphers"} {
			v, own := f.own(s, name)
			if own && !slices.Contains([]string{"high", "medium", "low", "export", "null"}, strings.ToLower(v.Text)) {
				f.problem(name, v.Origin, fmt.Sprintf("%.40q is no cipher grade: the connection is dropped after STARTTLS", v.Text))
			}
		}
	}
}

// own is the value of a parameter if it is set where we look: in main.cf for
// a nil service, else in that service's own options.
func (f *Facts) own(s *mastercf.Service, name string) (postfix.Value, bool) {
	v := f.Config.Value(s, name)
	return v, v.Set && (s == nil || v.Origin.Service != "")
}

func (f *Facts) badOverrides(s mastercf.Service) {
	for _, o := range s.Options {
		at := postfix.Origin{File: f.Config.MasterPath(), Line: o.Line, Service: s.ID()}
		if o.Bad != "" {
			f.fatal(o.Name, at, fmt.Sprintf("-o %s: %s; the service dies: write -o name=value", o.Name, o.Bad))
		}
		if strings.HasSuffix(o.Name, "_tls_session_cache_database") {
			f.problem(o.Name, at, "cannot be set for one service: tlsmgr has the cache")
		}
	}
}

func (f *Facts) contradictions() {
	both := func(a, b, text string) {
		v, w := f.Config.Value(nil, a), f.Config.Value(nil, b)
		if v.Text != "" && w.Set && w.Text != "" {
			f.problem(b, w.Origin, text)
		}
	}
	both("smtpd_tls_chain_files", "smtpd_tls_cert_file", "ignored, since smtpd_tls_chain_files is set")
	both("smtpd_tls_chain_files", "smtpd_tls_eccert_file", "ignored, since smtpd_tls_chain_files is set")
	both("smtpd_tls_security_level", "smtpd_use_tls", "ignored, since smtpd_tls_security_level is set")
	both("smtp_tls_policy_maps", "smtp_tls_per_site", "ignored, since smtp_tls_policy_maps is set")

	level := f.Config.Value(nil, "smtp_tls_security_level")
	if strings.HasPrefix(level.Text, "dane") && f.Config.Text(nil, "smtp_dns_support_level") != "dnssec" {
		what := "acts as may"
		if level.Text == "dane-only" {
			what = "defers all mail"
		}
		f.problem("smtp_tls_security_level", level.Origin, level.Text+" "+what+", since smtp_dns_support_level is not dnssec")
	}
	if v := f.Config.Value(nil, "smtpd_tls_req_ccert"); strings.EqualFold(v.Text, "yes") && ServerLevel(func(n string) string { return f.Config.Text(nil, n) }) != "encrypt" {
		f.problem("smtpd_tls_req_ccert", v.Origin, "ignored, since TLS itself is not required")
	}
	for _, l := range f.Receives(Submission, Submissions) {
		if l.Level != "encrypt" {
			f.problem("smtpd_tls_security_level", f.Config.Value(&l.Service, "smtpd_tls_security_level").Origin,
				l.Service.ID()+" lets users send their password without TLS")
		}
	}
	for _, name := range []string{"smtp_tls_session_cache_database", "smtpd_tls_session_cache_database"} {
		v := f.Config.Value(nil, name)
		kind, _, ok := strings.Cut(v.Text, ":")
		if ok && f.MapTypes != nil && !slices.Contains(f.MapTypes, kind) {
			f.problem(name, v.Origin, "this Postfix has no "+kind+": tables")
		}
	}
}

// missingFiles looks for CA files that are not there: a missing
// smtpd_tls_CAfile turns TLS off for receiving, a missing smtp_tls_CAfile for
// sending, the latter without a warning.
func (f *Facts) missingFiles(m host.Reader) {
	for _, c := range []struct{ name, effect string }{{"smtpd_tls_CAfile", "receiving"}, {"smtp_tls_CAfile", "sending"}} {
		v := f.Config.Value(nil, c.name)
		if v.Text == "" {
			continue
		}
		if _, err := m.Stat(v.Text); errors.Is(err, fs.ErrNotExist) {
			f.problem(c.name, v.Origin, fmt.Sprintf("%s does not exist: TLS is off for %s", v.Text, c.effect))
		}
	}
	for _, c := range f.Certificates {
		if c.Err != nil && (c.Server || c.Client) && !errors.Is(c.Err, fs.ErrPermission) {
			f.problem("", c.Origin, c.Err.Error())
		}
	}
}
