package plan

import (
	"errors"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/interview"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
	"postseal/templates"
)

// services plans what must change in master.cf: where a service would defeat
// the block, and what the role needs.
func (b *builder) services() error {
	if err := b.translate(); err != nil {
		return err
	}
	if !b.inBlock("smtpd_tls_chain_files") {
		return nil
	}
	if err := b.open465(); err != nil {
		return err
	}
	// What a service does depends on main.cf as it will be.
	b.after.Master = b.master
	for _, s := range b.master.Services() {
		// Behind a postscreen stands an smtpd of type pass, which does the TLS.
		inet := s.Type == "inet" && (s.Program() == "smtpd" || s.Program() == "postscreen")
		if !inet && (s.Type != "pass" || s.Program() != "smtpd") {
			continue
		}
		l := b.f.Listener(b.after, s)
		if s.Type == "pass" { // it takes what the postscreen before it hands on
			l.Kind = detect.Relay
		}
		if l.Kind == detect.Internal {
			continue
		}
		if err := b.followBlock(l); err != nil {
			return err
		}
		if now, ok := b.master.Find(s.Name, s.Type); ok && len(s.Stray) > 0 { // what stood behind them counts without them
			l = b.f.Listener(b.after, now)
		}
		if err := errors.Join(b.demandTLS(l), b.groups(l), b.signatures(l)); err != nil {
			return err
		}
	}
	return nil
}

// translate keeps what a service says about TLS by parameters that were replaced: a level
// in main.cf, where there was none, would hide them (postconf(5), smtp_tls_security_level).
func (b *builder) translate() error {
	for _, s := range b.master.Services() {
		name, old := "", []string(nil)
		level := detect.ClientLevel
		switch s.Program() {
		case "smtp":
			name, old = "smtp_tls_security_level", []string{"smtp_use_tls", "smtp_enforce_tls", "smtp_tls_enforce_peername"}
		case "smtpd":
			name, old, level = "smtpd_tls_security_level", []string{"smtpd_use_tls", "smtpd_enforce_tls"}, detect.ServerLevel
		}
		said := slices.DeleteFunc(old, func(n string) bool { _, ok := s.Override(n); return !ok })
		if len(said) == 0 || b.f.Config.Text(&s, name) != "" || b.after.Text(&s, name) == "" {
			continue
		}
		was := level(func(n string) string { return b.f.Config.Text(&s, n) })
		err := b.override(s, name, was, "what "+strings.Join(said, " and ")+" of this service say now, which a level in main.cf would override", "postconf(5) "+name)
		for _, n := range said {
			err = errors.Join(err, b.noOverride(s, n, "now in "+name, "postconf(5) "+n))
		}
		if err != nil {
			return err
		}
	}
	b.after.Master = b.master
	return nil
}

// floor is the oldest version that a kind of listener shall accept.
func (b *builder) floor(k detect.Kind) postfix.Protocol {
	if k != detect.Relay {
		return b.d.SubmissionMinProtocol
	}
	return b.d.MinProtocol
}

// demandTLS requires TLS from users.
func (b *builder) demandTLS(l detect.Listener) error {
	if b.d.Role != detect.Mailserver || b.d.Submission == interview.SubmissionKeep || l.Wrapper {
		return nil
	}
	if l.Kind != detect.Submission || l.Level == "encrypt" {
		return nil
	}
	return b.override(l.Service, "smtpd_tls_security_level", "encrypt", "users log in here: passwords and mail only inside TLS", "RFC 8314, section 3.3")
}

// groups offers post-quantum key exchange to senders if the library supports it but
// Postfix does not list it. In main.cf the list would apply to sending too, where the
// larger ClientHello can get lost.
func (b *builder) groups(l detect.Listener) error {
	const name, list = "tls_eecdh_auto_curves", "X25519MLKEM768 X25519 prime256v1 secp384r1"
	v := b.f.Config.Version
	if v.Major != 3 || v.Minor != 10 || !b.f.OpenSSLAtLeast(3, 5) || b.isSet(name) || b.d.Profile == interview.Compatible || l.Screened {
		return nil
	}
	if _, ok := l.Service.Override(name); ok {
		return nil
	}
	return b.override(l.Service, name, list, "offer post-quantum key exchange, which this release does not list", "postconf(5) tls_eecdh_auto_curves")
}

// signatures refuses SHA-1 handshake signatures, which no parameter of
// Postfix can, by a file for OpenSSL that only smtpd reads.
func (b *builder) signatures(l detect.Listener) error {
	path := OpenSSLPath(b.o.EtcDir, b.f.Config.Dir)
	p, _ := postfix.Lookup("tls_config_file")
	old, had := l.Service.Override("tls_config_file")
	ours := had && old.Value == path
	wanted := b.d.Profile == interview.Modern && p.KnownIn(b.f.Config.Version) && b.f.Config.Version.Known() && !l.Screened
	switch {
	case wanted && (!had || ours):
		why, source := "no SHA-1 signatures in the handshake", "NCSC-NL TLS guidelines 2025-05"
		if err := b.override(l.Service, "tls_config_file", path, why, source); err != nil {
			return err
		}
		if err := b.override(l.Service, "tls_config_name", "postseal", why, source); err != nil {
			return err
		}
		b.openSSLFile(path)
	case ours:
		const why, source = "only the profile modern needs it", "chosen here"
		return errors.Join(b.noOverride(l.Service, "tls_config_file", why, source), b.noOverride(l.Service, "tls_config_name", why, source))
	}
	return nil
}

// openSSLFile plans the file once. One that is there with other content is of
// another version of postseal.
func (b *builder) openSSLFile(path string) {
	if _, planned := b.p.File(OpenSSL); planned || b.f.OpenSSLFile == templates.OpenSSL {
		return
	}
	b.p.Inputs[path] = ""
	if b.f.OpenSSLFile != "" {
		b.input(path, b.f.OpenSSLFile)
	}
	b.p.Files = append(b.p.Files, File{Path: path, Kind: OpenSSL, Before: b.f.OpenSSLFile, After: templates.OpenSSL, New: b.f.OpenSSLFile == "", Mode: 0o644})
}

// open465 adds a service for implicit TLS, with the settings of
// the submission service.
func (b *builder) open465() error {
	if b.d.Submission != interview.SubmissionAdd465 || b.d.Role != detect.Mailserver || len(b.f.Receives(detect.Submissions)) > 0 {
		return nil
	}
	like := b.f.Receives(detect.Submission)
	if len(like) == 0 {
		return nil
	}
	s, ok := b.master.Find(like[0].Service.Name, like[0].Service.Type)
	if !ok {
		return nil
	}
	name := "submissions"
	if !b.f.Config.Version.AtLeast(postfix.V(3, 6, 0)) {
		name = "465" // older releases know the name only if /etc/services does
	}
	lines := []string{strings.Join([]string{name, "inet", s.Private, s.Unprivileged, s.Chroot, s.Wakeup, s.MaxProc, s.Command}, " ")}
	for _, o := range s.Options {
		if o.Bad != "" || len(o.Stray) > 0 || o.Name == "smtpd_tls_security_level" || o.Name == "smtpd_tls_wrappermode" {
			continue
		}
		value := strings.ReplaceAll(o.Value, "submission", "submissions")
		if o.Name != "syslog_name" {
			value = o.Value
		}
		text, err := mastercf.Format(o.Name, value)
		if err != nil {
			return err
		}
		lines = append(lines, "  -o "+text)
	}
	lines = append(lines, "  -o smtpd_tls_wrappermode=yes")
	b.master = b.master.Add(lines, s.Name, s.Type)
	b.p.Changes = append(b.p.Changes, Change{
		Parameter: "smtpd_tls_wrappermode", Service: name + "/inet", Before: "no", After: "yes", Kept: true,
		Why: "implicit TLS cannot be stripped in transit; same settings as " + s.ID(), Source: "RFC 8314, section 3.3",
	})
	return nil
}
