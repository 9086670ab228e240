package plan

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/interview"
	"postseal/internal/postfix"
)

// What is excluded, by class: the cipher grade stays Postfix's own. Both sets
// leave eight suites or more of TLS 1.2, and all of TLS 1.3.
var (
	excludeIntermediate = []string{"aNULL", "kRSA", "kDHE", "SHA1", "CAMELLIA", "ARIA", "AESCCM8"}
	excludeModern       = []string{"aNULL", "kRSA", "kDHE", "SHA1", "SHA256", "SHA384", "CAMELLIA", "ARIA", "AESCCM8"}
	excludeAnonymous    = []string{"aNULL"}
)

// receiving plans the parameters for incoming mail.
func (b *builder) receiving() {
	if !b.inBlock("smtpd_tls_chain_files") {
		return
	}
	v := b.f.Config.Version
	b.set("smtpd_tls_security_level", b.mainLevel())
	b.set("smtpd_tls_protocols", postfix.FormatFloor(b.d.MinProtocol, v))
	users := b.d.Role == detect.Mailserver
	switch {
	case users:
		b.set("smtpd_tls_mandatory_protocols", postfix.FormatFloor(b.d.SubmissionMinProtocol, v))
	case b.mainLevel() == "encrypt":
		b.set("smtpd_tls_mandatory_protocols", postfix.FormatFloor(b.d.MinProtocol, v))
	}
	b.excludeCiphers(users)
	if b.d.OffersAuth {
		b.set("smtpd_tls_auth_only", yesNo(b.d.AuthTLSOnly))
	}
	b.set("smtpd_tls_received_header", yesNo(b.d.ReceivedHeader))
	b.set("smtpd_tls_loglevel", strconv.Itoa(b.d.LogLevel))
	b.unset("smtpd_tls_session_cache_database")
	for _, name := range []string{"smtpd_tls_ciphers", "smtpd_tls_mandatory_ciphers"} {
		if g := strings.ToLower(b.present(name)); g == "low" || g == "export" {
			b.unset(name)
		}
	}
	if strings.EqualFold(b.present("postscreen_tls_security_level"), "none") && b.mainLevel() != "none" {
		b.unset("postscreen_tls_security_level") // it hides TLS from the senders that postscreen tests
	}
	b.library()
}

// mainLevel is the level for main.cf. Where port 25 demands TLS by an override of its
// own, that stays there: main.cf counts for other services too.
func (b *builder) mainLevel() string {
	main := detect.ServerLevel(func(name string) string { return b.f.Config.Text(nil, name) })
	own := slices.ContainsFunc(b.f.Receives(detect.Relay), func(l detect.Listener) bool { return l.OnPort25() && l.Level == "encrypt" })
	if b.d.InboundLevel == "encrypt" && main != "encrypt" && own {
		return "may"
	}
	return b.d.InboundLevel
}

// Excluded returns the classes of suites that a profile excludes when receiving, with a
// floor of this version.
func Excluded(profile interview.Profile, floor postfix.Protocol) []string {
	switch {
	case profile == interview.Compatible:
		return nil
	case floor.Below(postfix.TLSv12):
		// All suites of TLS 1.0 and 1.1 use SHA-1, and many of their clients
		// know nothing but RSA key exchange.
		return excludeAnonymous
	case profile == interview.Modern:
		return excludeModern
	}
	return excludeIntermediate
}

// excludeCiphers adds the exclusions of the profile to those that are there.
func (b *builder) excludeCiphers(users bool) {
	if b.d.Profile == interview.Compatible {
		if users {
			b.set("smtpd_tls_mandatory_exclude_ciphers", b.usable("smtpd_tls_mandatory_exclude_ciphers", excludeAnonymous))
		}
		return
	}
	b.set("smtpd_tls_exclude_ciphers", b.usable("smtpd_tls_exclude_ciphers", Excluded(b.d.Profile, b.d.MinProtocol)))
}

// usable adds what main.cf excludes beside the words that profiles use, except for words
// that leave no suite of TLS 1.2 for a certificate that will be presented, such as ECDSA.
func (b *builder) usable(name string, want []string) string {
	all := postfix.TLSList(b.withPresent(name, want))
	fresh := b.fresh()
	for _, path := range slices.Sorted(maps.Keys(fresh)) {
		c := fresh[path]
		serves := func(excluded []string) bool { return !useless(excluded, []string{c.Algorithm}) }
		for i := len(all) - 1; i >= len(want) && !serves(all); i-- {
			if rest := slices.Delete(slices.Clone(all), i, i+1); serves(rest) || !serves(append(slices.Clone(want), all[i])) {
				b.p.Notes = append(b.p.Notes, name+" no longer includes "+all[i]+", which leaves no TLS 1.2 cipher suite for the "+c.Algorithm+" certificate")
				all = rest
			}
		}
	}
	return strings.Join(all, ", ")
}

// withPresent adds what main.cf has in that list beside the words that
// profiles use: those words follow the profile.
func (b *builder) withPresent(name string, want []string) string {
	out := slices.Clone(want)
	for _, w := range postfix.TLSList(b.present(name)) {
		if !slices.Contains(out, w) && !slices.Contains(excludeModern, w) {
			out = append(out, w)
		}
	}
	return strings.Join(out, ", ")
}

// library plans what the TLS library does for both directions.
func (b *builder) library() {
	v := b.f.Config.Version
	if v.Known() && !v.AtLeast(postfix.V(3, 8, 0)) && b.f.OpenSSL != "" && !b.f.OpenSSLAtLeast(3, 0) {
		b.set("tls_ssl_options", b.withPresent("tls_ssl_options", []string{"NO_RENEGOTIATION"}))
	}
	if b.d.Profile == interview.Modern {
		b.set("tls_ffdhe_auto_groups", "")
	}
	if strings.Contains(b.f.Config.Defaults["tls_eecdh_auto_curves"], "MLKEM") {
		b.unset("tls_eecdh_auto_curves") // an older list would switch post-quantum groups off
	}
}

// atLeastPresent raises a floor that no question is about to the one that is
// set already: nothing is loosened unasked.
func (b *builder) atLeastPresent(floor postfix.Protocol, name string) postfix.Protocol {
	if present, err := interview.PresentFloor(b.f, name); err == nil && floor.Below(present) {
		return present
	}
	return floor
}

func yesNo(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}
