package plan

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"postseal/internal/interview"
	"postseal/internal/postfix"
)

// sending plans what counts when this server delivers to others. At level may
// nothing is stricter than Postfix itself: the alternative would be clear text.
func (b *builder) sending() {
	v := b.f.Config.Version
	b.set("smtp_tls_security_level", b.d.OutboundLevel)
	if strings.HasPrefix(b.d.OutboundLevel, "dane") {
		b.set("smtp_dns_support_level", "dnssec")
		// Some releases loosen this unless main.cf itself says dane; a policy
		// table would then be weaker than it reads.
		if d, ok := b.f.Config.Defaults["smtp_tls_dane_insecure_mx_policy"]; ok && d != "dane" {
			b.set("smtp_tls_dane_insecure_mx_policy", "dane")
		}
	} else if b.inOwnBlock("smtp_dns_support_level") {
		b.unset("smtp_dns_support_level")
	}
	strict := b.d.Profile != interview.Compatible
	if strict {
		b.set("smtp_tls_mandatory_protocols", postfix.FormatFloor(b.atLeastPresent(postfix.TLSv12, "smtp_tls_mandatory_protocols"), v))
	}
	b.closeGap("smtp_tls_protocols")
	if !strict {
		b.closeGap("smtp_tls_mandatory_protocols")
	}
	b.set("smtp_tls_loglevel", strconv.Itoa(b.d.LogLevel))
	b.policyMaps()
	b.trust()
	b.sessionCache()
	if b.d.Profile == interview.Modern {
		b.set("smtp_tls_mandatory_exclude_ciphers", b.withPresent("smtp_tls_mandatory_exclude_ciphers", excludeAnonymous))
		b.set("tls_required_enable", "no")
	}
	b.requireTLS()
}

// closeGap lets a protocol list for sending go on to the newest version where it leaves
// one out in between: nothing above that would be offered.
func (b *builder) closeGap(name string) {
	if on, err := postfix.ParseProtocols(b.present(name), b.f.Config.Version); err == nil && !postfix.Gapless(on) {
		b.set(name, postfix.FormatFloor(on[0], b.f.Config.Version))
	}
}

// inOwnBlock reports whether the block of an earlier run sets the parameter.
func (b *builder) inOwnBlock(name string) bool {
	block, had, _ := b.f.Config.Main.Block(Markers)
	e, ok := b.f.Config.Main.Get(name)
	return had && ok && block.In(e)
}

// trust plans whose CA certificates count.
func (b *builder) trust() {
	if b.d.CAFile == "" {
		b.unset("smtp_tls_CAfile")
		return
	}
	b.set("smtp_tls_CAfile", b.d.CAFile)
	// The distribution's folder holds the same CAs as its file.
	if b.d.CAFile == b.f.Bundle.Path && filepath.Clean(b.present("smtp_tls_CApath")) == filepath.Dir(b.d.CAFile) {
		b.unset("smtp_tls_CApath")
	}
}

// sessionCache keeps the cache that is there, if this build can open it.
func (b *builder) sessionCache() {
	const name = "smtp_tls_session_cache_database"
	have := func(kind string) bool { return slices.Contains(b.f.MapTypes, kind) }
	kind, _, _ := strings.Cut(b.present(name), ":")
	switch {
	case b.f.MapTypes == nil:
		if b.inOwnBlock(name) {
			b.set(name, b.f.Config.Value(nil, name).Raw)
		}
	case kind != "" && have(kind):
		if b.inOwnBlock(name) {
			b.set(name, b.f.Config.Value(nil, name).Raw)
		}
	case have("lmdb"):
		b.set(name, "lmdb:${data_directory}/smtp_scache")
	case have("btree"):
		b.set(name, "btree:${data_directory}/smtp_scache")
	default:
		b.unset(name)
	}
}

// requireTLS loosens REQUIRETLS towards destinations that do not announce it,
// as the authors of Postfix propose (3.11 and later).
func (b *builder) requireTLS() {
	def, ok := b.f.Config.Defaults["smtp_requiretls_policy"]
	if !ok {
		return
	}
	if b.present("content_filter") == "" && !b.filters() {
		b.set("requiretls_esmtp_header", "no")
	}
	if rest, ends := strings.CutSuffix(def, "enforce"); ends && b.d.Profile != interview.Modern {
		if !b.isSet("smtp_requiretls_policy") || b.inOwnBlock("smtp_requiretls_policy") {
			b.set("smtp_requiretls_policy", rest+"opportunistic+starttls")
		}
	}
}

// filters reports whether some service hands mail to a content filter or milter.
func (b *builder) filters() bool {
	for _, s := range b.f.Config.Master.Services() {
		for _, name := range []string{"content_filter", "smtpd_milters", "smtpd_proxy_filter"} {
			if b.f.Config.Text(&s, name) != "" {
				return true
			}
		}
	}
	return false
}
