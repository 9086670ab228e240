package plan

import (
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/probe"
)

// followBlock removes overrides that are weaker than the block.
func (b *builder) followBlock(l detect.Listener) error {
	s := l.Service
	_, port := "", l.Addr[strings.LastIndexByte(l.Addr, ':')+1:]
	// A value such as "$mx_level", or an empty one, turns it off as "none" does.
	if _, ok := s.Override("smtpd_tls_security_level"); ok && l.Kind == detect.Relay && (port == "25" || s.Type == "pass") && l.Level == "none" {
		if err := b.noOverride(s, "smtpd_tls_security_level", "it disabled TLS on port 25, overriding main.cf", "postconf(5) smtpd_tls_security_level"); err != nil {
			return err
		}
	}
	if o, ok := s.Override("smtpd_tls_security_level"); ok && l.Kind == detect.Relay && l.OnPort25() && l.Level == "encrypt" && !l.Wrapper && b.d.InboundLevel == "may" {
		if err := b.noOverride(s, "smtpd_tls_security_level", "it required TLS on port 25 ("+o.Value+"), overriding main.cf", "RFC 3207, section 4"); err != nil {
			return err
		}
	}
	for _, name := range []string{"smtpd_tls_protocols", "smtpd_tls_mandatory_protocols"} {
		if _, ok := s.Override(name); !ok {
			continue
		}
		floor, err := postfix.ParseFloor(b.after.Text(&s, name), b.f.Config.Version)
		if err != nil || floor.Below(b.floor(l.Kind)) {
			if err := b.noOverride(s, name, "it allowed older TLS versions than the block", "RFC 8996"); err != nil {
				return err
			}
		}
	}
	return b.followExclusions(l)
}

// followExclusions removes exclusions of a service that leave more suites than the block
// does, or none of TLS 1.2 for the certificates that it presents.
func (b *builder) followExclusions(l detect.Listener) error {
	const general, mandatory = "smtpd_tls_exclude_ciphers", "smtpd_tls_mandatory_exclude_ciphers"
	if !b.inBlock(general) && !b.inBlock(mandatory) {
		return nil
	}
	s := l.Service
	excluded := func(text func(name string) string) []string {
		words := postfix.TLSList(text(general))
		if l.Level == "encrypt" {
			words = append(words, postfix.TLSList(text(mandatory))...)
		}
		return words
	}
	own := excluded(func(name string) string { return b.after.Text(&s, name) })
	block := excluded(func(name string) string { return b.after.Text(nil, name) })
	algorithms := algorithms(posture.Serves(b.f, b.after, s, b.fresh()))
	why := ""
	switch {
	case permits(own, block):
		why = "it permitted cipher suites that the block excludes"
	case len(algorithms) > 0 && useless(own, algorithms) && !useless(block, algorithms):
		why = "it left no TLS 1.2 cipher suite for the certificate"
	default:
		return nil
	}
	for _, name := range []string{general, mandatory} {
		if name == mandatory && l.Level != "encrypt" {
			continue // it has no effect there
		}
		if err := b.noOverride(s, name, why, "NCSC-NL TLS guidelines 2025-05"); err != nil {
			return err
		}
	}
	return nil
}

// permits reports whether exclusions leave suites that others do not. Where it is not
// known which suites a word stands for, the words decide.
func permits(own, others []string) bool {
	both := []string{"RSA", "ECDSA"}
	left, known := posture.Suites{List: "HIGH", Excluded: own}.Left(both...)
	without, knownToo := posture.Suites{List: "HIGH", Excluded: others}.Left(both...)
	if !known || !knownToo {
		return slices.ContainsFunc(others, func(w string) bool { return !slices.Contains(own, w) })
	}
	return slices.ContainsFunc(left, func(x probe.Suite) bool {
		return !slices.ContainsFunc(without, func(y probe.Suite) bool { return x.ID == y.ID })
	})
}

// useless reports whether exclusions leave no suite of TLS 1.2 for certificates of some
// algorithms.
func useless(excluded, algorithms []string) bool {
	left, known := posture.Suites{List: "HIGH", Excluded: excluded}.Left(algorithms...)
	return known && !slices.ContainsFunc(left, func(s probe.Suite) bool { return !s.Anonymous() })
}
