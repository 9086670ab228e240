package audit

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/domain"
	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
	"postseal/internal/posture"
	"postseal/internal/probe"
	"postseal/internal/rehearse"
)

// The rules look at the evidence through these.

func when(applies func(*Evidence) bool, find func(*Evidence) []Hit) Check {
	return Check{applies, find}
}

func always(*Evidence) bool { return true }

// receives reports whether others connect to this server.
func receives(e *Evidence) bool {
	return len(e.Receives(detect.Relay, detect.Submission, detect.Submissions)) > 0
}

// sends reports whether this server connects to others.
func sends(e *Evidence) bool { return len(e.Transports) > 0 }

// domains finds something wrong with what a domain publishes.
func domains(wrong func(d *domain.Domain) string) Check {
	return when(func(e *Evidence) bool { return len(e.Domains) > 0 }, func(e *Evidence) (out []Hit) {
		for _, d := range e.Domains {
			if text := wrong(d); text != "" {
				out = append(out, Hit{Detail: text})
			}
		}
		return out
	})
}

// live finds something wrong with what listeners show.
func live(wrong func(e *Evidence, l Live) string) Check {
	return when(func(e *Evidence) bool { return len(e.Live) > 0 }, func(e *Evidence) (out []Hit) {
		for _, l := range e.Live {
			if text := wrong(e, l); text != "" {
				out = append(out, Hit{Detail: l.port() + " " + text, At: postfix.Origin{File: e.Config.MasterPath(), Line: l.Listener.Service.Line}})
			}
		}
		return out
	})
}

// asked finds listeners that said yes to something, where any said yes or no.
func asked(what func(*probe.Enumeration) *bool, text string) Check {
	c := live(func(_ *Evidence, l Live) string {
		if l.Seen != nil {
			if said := what(l.Seen); said != nil && *said {
				return text
			}
		}
		return ""
	})
	c.Applies = func(e *Evidence) bool {
		return slices.ContainsFunc(e.Live, func(l Live) bool { return l.Seen != nil && what(l.Seen) != nil })
	}
	return c
}

// trials finds trials of the rehearsal.
func trials(wrong func(t rehearse.Trial) bool) Check {
	return when(func(e *Evidence) bool { return e.Sent != nil }, func(e *Evidence) (out []Hit) {
		for _, t := range e.Sent.Trials {
			if !wrong(t) {
				continue
			}
			text := "to a server with " + t.Text + ": " + t.Got
			if t.Cause != nil {
				text += "; " + t.Cause.Text
			}
			out = append(out, Hit{Detail: text})
		}
		return out
	})
}

// inspected finds what the inspection of a served chain says on a topic.
func inspected(topic string, level certs.Level) Check {
	return when(func(e *Evidence) bool { return len(e.ShownCertificates()) > 0 }, func(e *Evidence) (out []Hit) {
		for _, c := range e.ShownCertificates() {
			all, err := e.JudgeUse(c, certs.Want{})
			if err != nil {
				continue // other rules say what cannot be read
			}
			for _, i := range all {
				for _, f := range i.Findings {
					if i.Fingerprint == c.Fingerprint && f.Topic == topic && f.Level == level {
						out = append(out, Hit{Detail: c.Chain + ": " + f.Text, At: c.Origin})
					}
				}
			}
		}
		return out
	})
}

// cause says where the setting stands of which a finding about a listener comes.
type cause func(posture.Listener) postfix.Origin

func byService(posture.Listener) postfix.Origin             { return postfix.Origin{} }
func byLevel(l posture.Listener) postfix.Origin             { return l.TLS.Origin }
func byVersions(l posture.Listener) postfix.Origin          { return l.Versions.Origin }
func byGrade(l posture.Listener) postfix.Origin             { return l.Suites.Origin }
func byExclusions(l posture.Listener) postfix.Origin        { return l.Suites.ExcludedAt }
func byClientCertificate(l posture.Listener) postfix.Origin { return l.ClientCertificate.Origin }
func byLogin(l posture.Listener) postfix.Origin             { return l.Login.Origin }

// listeners finds something wrong with listeners of some kinds. Where the cause is not
// set in a file, the line of the service stands for it. What a postscreen and the smtpd
// behind it have in common from one cause is told once.
func listeners(at cause, wrong func(e *Evidence, l posture.Listener) string, kinds ...detect.Kind) Check {
	return when(func(e *Evidence) bool { return len(e.Receives(kinds...)) > 0 }, func(e *Evidence) (out []Hit) {
		var screen posture.Listener // the one before, and whether something is wrong there
		said := false
		for _, l := range e.Posture().Listeners {
			if l.Dead != "" || !slices.Contains(kinds, l.At.Kind) {
				continue // other rules say that it does not run
			}
			text := wrong(e, l)
			if screen.Screen && !l.Screen && screen.At.Service.ID() == l.At.Service.ID() && said && text != "" && at(l) == at(screen) {
				out[len(out)-1].Detail = screen.ID() + " (and " + l.Service.ID() + " behind it) " + text
				continue
			}
			screen, said = l, text != ""
			if text != "" {
				out = append(out, Hit{Detail: l.ID() + " " + text, At: e.place(at(l), l.Service), service: l.Service.ID()})
			}
		}
		return out
	})
}

// place is an origin in a file, or else the line of a service.
func (e *Evidence) place(at postfix.Origin, s mastercf.Service) postfix.Origin {
	if at.File == "" {
		return postfix.Origin{File: e.Config.MasterPath(), Line: s.Line}
	}
	return at
}

// routes finds something wrong with ways by which mail leaves, of services of some uses,
// and where its cause is set. At level dane it looks at the servers without TLSA records.
func routes(at func(posture.Route) postfix.Origin, wrong func(e *Evidence, r posture.Route) string, uses ...detect.Use) Check {
	return when(func(e *Evidence) bool { return len(e.Senders(uses...)) > 0 }, func(e *Evidence) (out []Hit) {
		for _, r := range e.Posture().Routes {
			if r.Dead != "" || r.Records || !slices.Contains(uses, r.Use) {
				continue
			}
			if text := wrong(e, r); text != "" {
				out = append(out, Hit{Detail: r.ID() + " " + text, At: e.place(at(r), r.Service), service: r.Service.ID()})
			}
		}
		return out
	})
}

func ofRoute(posture.Route) postfix.Origin        { return postfix.Origin{} }
func ofLevel(r posture.Route) postfix.Origin      { return r.Level.Origin }
func ofVersion(r posture.Route) postfix.Origin    { return r.Versions.Origin }
func ofExclusions(r posture.Route) postfix.Origin { return r.Suites.ExcludedAt }

// transports finds something wrong with services that send, of some uses.
func transports(wrong func(e *Evidence, t detect.Transport) string, uses ...detect.Use) Check {
	return when(func(e *Evidence) bool { return len(e.Senders(uses...)) > 0 }, func(e *Evidence) (out []Hit) {
		for _, t := range e.Senders(uses...) {
			if text := wrong(e, t); text != "" {
				out = append(out, Hit{Detail: t.Service.ID() + " " + text, At: postfix.Origin{File: e.Config.MasterPath(), Line: t.Service.Line}, service: t.Service.ID()})
			}
		}
		return out
	})
}

// hops finds services that reach next hops in a way in which no mail gets there,
// as far as the next hops are known.
func hops(how string, wrong func(t detect.Transport, h detect.Hop) bool) Check {
	known := func(t detect.Transport) bool { return len(t.Hops) > 0 }
	return when(func(e *Evidence) bool { return slices.ContainsFunc(e.Transports, known) }, func(e *Evidence) (out []Hit) {
		for _, t := range e.Transports {
			var reached []string
			for _, h := range t.Hops {
				if wrong(t, h) {
					reached = append(reached, named(h))
				}
			}
			if len(reached) > 0 {
				out = append(out, Hit{Detail: t.Service.ID() + " sends to " + few(reached) + " " + how, At: postfix.Origin{File: e.Config.MasterPath(), Line: t.Service.Line}})
			}
		}
		return out
	})
}

// named is a next hop, and what names it.
func named(h detect.Hop) string {
	if h.Name == "" {
		return "port " + h.Port + " of the destinations (" + h.From + ")"
	}
	return h.Name + " (" + h.From + ")"
}

// served finds something wrong with the certificates that are shown.
func served(wrong func(e *Evidence, c detect.Certificate) string) Check {
	return when(func(e *Evidence) bool { return len(e.ShownCertificates()) > 0 }, func(e *Evidence) (out []Hit) {
		for _, c := range e.ShownCertificates() {
			if text := wrong(e, c); text != "" {
				out = append(out, Hit{Detail: c.Chain + " " + text, At: c.Origin})
			}
		}
		return out
	})
}

// parameter finds something wrong with the value of a parameter in main.cf.
func parameter(name string, wrong func(e *Evidence, v postfix.Value) string) Check {
	applies := always
	switch {
	case strings.HasPrefix(name, "smtpd_"):
		applies = receives
	case strings.HasPrefix(name, "smtp_"):
		applies = sends
	}
	return when(applies, func(e *Evidence) []Hit {
		v := e.Config.Value(nil, name)
		if text := wrong(e, v); text != "" {
			return []Hit{{Detail: name + " " + text, At: v.Origin}}
		}
		return nil
	})
}

// problems are those of some kinds that detection found in one direction, or in
// both if none is given.
func problems(direction postfix.Direction, match func(*Evidence, detect.Problem) bool, kinds ...detect.ProblemKind) Check {
	return when(always, func(e *Evidence) (out []Hit) {
		for _, p := range e.Problems {
			d := p.Direction()
			if !slices.Contains(kinds, p.Kind) || direction != "" && d != direction && d != postfix.Both || match != nil && !match(e, p) {
				continue
			}
			out = append(out, Hit{Detail: strings.TrimSpace(p.Parameter + " " + p.Text), At: p.Origin})
		}
		return out
	})
}

// counts reports whether a setting that is wrong has an effect on any service: those for
// mandatory TLS have none where TLS is only offered, and the other way round.
func counts(e *Evidence, p detect.Problem) bool {
	name := strings.TrimLeft(p.Parameter, "smtpdl")
	mandatory := strings.HasPrefix(name, "_tls_mandatory_")
	if !mandatory && name != "_tls_protocols" && name != "_tls_ciphers" {
		return true
	}
	applies := func(id, level string) bool {
		if p.Origin.Service != "" && p.Origin.Service != id {
			return false
		}
		return used(mandatory, level)
	}
	if p.Direction() == postfix.Sending {
		return mandatory && e.Config.Text(nil, "smtp_tls_policy_maps") != "" ||
			slices.ContainsFunc(e.Transports, func(t detect.Transport) bool { return applies(t.Service.ID(), t.Level) })
	}
	return slices.ContainsFunc(e.Posture().Listeners, func(l posture.Listener) bool { return applies(l.Service.ID(), l.TLS.Is.String()) })
}

// proves reports whether servers must authenticate themselves at a level.
func proves(level string) bool {
	return slices.Contains([]string{"verify", "secure", "fingerprint", "dane-only"}, level)
}

// lmtps are the services that hand mail to mailboxes by LMTP, as far as
// something names them.
func lmtps(e *Evidence) (out []mastercf.Service) {
	for _, s := range e.Config.Master.Services() {
		if s.Type != "unix" || s.Program() != "lmtp" {
			continue
		}
		for _, name := range []string{"virtual_transport", "mailbox_transport", "local_transport", "relay_transport", "default_transport", "fallback_transport"} {
			if first, _, _ := strings.Cut(e.Config.Text(nil, name), ":"); first == s.Name {
				out = append(out, s)
				break
			}
		}
	}
	return out
}

// notSide reports whether a setting terminates smtpd or smtp, and not a program beside
// them, such as lmtp or tlsproxy.
func notSide(_ *Evidence, p detect.Problem) bool {
	return !strings.HasPrefix(p.Parameter, "lmtp_") && !strings.HasPrefix(p.Parameter, "tlsproxy_")
}

// fetchable reports whether a certificate says where its issuer can be fetched: those of
// public CAs do, whose roots sign no leaves, so an issuer is missing for sure.
func fetchable(e *Evidence, c detect.Certificate) bool {
	return slices.ContainsFunc(e.PEM[c.Chain].Certs, func(one *x509.Certificate) bool { return len(one.IssuingCertificateURL) > 0 })
}

// shortKeys finds RSA keys in a chain that have from least to below most bits: a
// root's own is not looked at.
func shortKeys(e *Evidence, c detect.Certificate, least, most int) string {
	for _, one := range e.PEM[c.Chain].Certs {
		key, ok := one.PublicKey.(*rsa.PublicKey)
		if !ok || bytes.Equal(one.RawIssuer, one.RawSubject) && one.IsCA {
			continue
		}
		if bits := key.N.BitLen(); bits >= least && bits < most {
			who := "has"
			if one.IsCA {
				who = "has an issuer, " + one.Subject.CommonName + ", with"
			}
			return fmt.Sprintf("%s an RSA key of %d bits", who, bits)
		}
	}
	return ""
}

// offers finds listeners for other servers that offer suites of a class: by what
// was seen, and else by the suites that the configuration leaves. The class is its name
// in OpenSSL.
func offers(member func(probe.Suite) bool, class string) Check {
	return listeners(byExclusions, func(e *Evidence, l posture.Listener) string {
		if seen := e.seen(l); seen != nil {
			var taken []string
			for _, s := range seen.suites {
				if member(s.Suite) && !slices.Contains(taken, s.OpenSSL) {
					taken = append(taken, s.OpenSSL)
				}
			}
			if len(taken) > 0 {
				return "accepts " + few(taken)
			}
			if seen.whole() {
				return ""
			}
		}
		old := slices.ContainsFunc(l.Versions.Is, func(p postfix.Protocol) bool { return p.Below(postfix.TLSv13) })
		left, known := l.Suites.Left(slices.Collect(maps.Keys(l.Serves))...)
		if !l.Works() || !old || !known || !slices.ContainsFunc(left, member) {
			return ""
		}
		return "does not exclude " + class
	}, detect.Relay)
}

// compatibility reads a compatibility_level as hundreds of the first number and
// the second: 3.6 is 306.
func compatibility(text string) (int, bool) {
	major, minor, _ := strings.Cut(cmp.Or(text, "0"), ".")
	a, err := strconv.Atoi(major)
	if err != nil {
		return 0, false
	}
	minor, _, _ = strings.Cut(minor, ".")
	b, err := strconv.Atoi(cmp.Or(minor, "0"))
	return 100*a + b, err == nil
}
