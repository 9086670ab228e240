package postfix

import "strings"

// Direction is the way of the mail that a parameter concerns.
type Direction string

// The directions.
const (
	Receiving Direction = "receiving" // smtpd and what stands before it
	Sending   Direction = "sending"   // smtp and lmtp
	Both      Direction = "both"      // the TLS library under all of them
)

// Parameter is what this package knows of one TLS parameter (postconf(5)).
type Parameter struct {
	Name string
	// Since lists the releases that brought it, oldest first; all but the last
	// are backports into a stable branch. Empty: every release from 3.4 on.
	Since []Version
	// Gone is the release that dropped it; zero: still there.
	Gone Version
	// Obsolete says what replaced it, and since when; empty if it is current.
	Obsolete string
	// Default is the built-in value from 3.6 on, for a machine whose postconf
	// cannot be asked; Default34 that of 3.4 and 3.5 where it differs.
	Default, Default34 string
}

// Direction tells it from the prefix of the name.
func (p Parameter) Direction() Direction {
	switch {
	case strings.HasPrefix(p.Name, "smtp_"), strings.HasPrefix(p.Name, "lmtp_"), strings.HasPrefix(p.Name, "tlsproxy_client_"):
		return Sending
	case strings.HasPrefix(p.Name, "smtpd_"), strings.HasPrefix(p.Name, "postscreen_"), strings.HasPrefix(p.Name, "tlsproxy_"), p.Name == "relay_clientcerts", p.Name == "tls_server_sni_maps":
		return Receiving
	}
	return Both
}

// KnownIn reports whether release v has the parameter. An unknown version has
// only what every release from 3.4 to today has.
func (p Parameter) KnownIn(v Version) bool {
	if p.Gone.Known() && (!v.Known() || v.AtLeast(p.Gone)) {
		return false
	}
	if len(p.Since) == 0 || v.AtLeast(p.Since[len(p.Since)-1]) {
		return true
	}
	for _, s := range p.Since {
		if v.sameBranch(s) && v.AtLeast(s) {
			return true
		}
	}
	return false
}

// DefaultIn is the built-in value in release v, unexpanded.
func (p Parameter) DefaultIn(v Version) string {
	if p.Default34 != "" && !v.AtLeast(V(3, 6, 0)) {
		return p.Default34
	}
	return p.Default
}

// Lookup finds a TLS parameter by name.
func Lookup(name string) (Parameter, bool) {
	p, ok := byName[name]
	return p, ok
}

// Parameters lists all TLS parameters that this package knows.
func Parameters() []Parameter { return table }

var byName = func() map[string]Parameter {
	m := make(map[string]Parameter, len(table))
	for _, p := range table {
		m[p.Name] = p
	}
	return m
}()

const (
	byServerLevel = "replaced by smtpd_tls_security_level since Postfix 2.3"
	byClientLevel = "replaced by smtp_tls_security_level since Postfix 2.3"
	noDSA         = "for DSA certificates, which nothing accepts today"
	noEffect      = "no effect since Postfix 3.6"
	oldFloor      = "!SSLv2, !SSLv3"
)

var (
	tlsConfigSince = []Version{V(3, 5, 20), V(3, 6, 10), V(3, 7, 6), V(3, 8, 1), V(3, 9, 0)}
	since38        = []Version{V(3, 8, 0)}
	since39        = []Version{V(3, 9, 0)}
	since310       = []Version{V(3, 10, 0)}
	since311       = []Version{V(3, 11, 0)}
	since312       = []Version{V(3, 12, 0)}
)

// table is checked against `postconf -d` of the installed release in
// postconf_test.go, and of other releases by `make versions`.
var table = []Parameter{
	// Receiving.
	{Name: "postscreen_enforce_tls", Default: "$smtpd_enforce_tls", Obsolete: "replaced by postscreen_tls_security_level since Postfix 2.8"},
	{Name: "postscreen_tls_security_level", Default: "$smtpd_tls_security_level"},
	{Name: "postscreen_use_tls", Default: "$smtpd_use_tls", Obsolete: "replaced by postscreen_tls_security_level since Postfix 2.8"},
	{Name: "relay_clientcerts"},
	{Name: "smtpd_client_new_tls_session_rate_limit", Default: "0"},
	{Name: "smtpd_enforce_tls", Default: "no", Obsolete: byServerLevel},
	{Name: "smtpd_sasl_tls_security_options", Default: "$smtpd_sasl_security_options"},
	{Name: "smtpd_starttls_timeout", Default: "${stress?{10}:{300}}s"},
	{Name: "smtpd_tls_CAfile"},
	{Name: "smtpd_tls_CApath"},
	{Name: "smtpd_tls_always_issue_session_ids", Default: "yes"},
	{Name: "smtpd_tls_ask_ccert", Default: "no"},
	{Name: "smtpd_tls_auth_only", Default: "no"},
	{Name: "smtpd_tls_ccert_verifydepth", Default: "9"},
	{Name: "smtpd_tls_cert_file"},
	{Name: "smtpd_tls_chain_files"},
	{Name: "smtpd_tls_ciphers", Default: "medium"},
	{Name: "smtpd_tls_dcert_file", Obsolete: noDSA},
	{Name: "smtpd_tls_dh1024_param_file", Obsolete: "deprecated since Postfix 3.9: OpenSSL chooses the group"},
	{Name: "smtpd_tls_dh512_param_file", Obsolete: noEffect},
	{Name: "smtpd_tls_dkey_file", Default: "$smtpd_tls_dcert_file", Obsolete: noDSA},
	{Name: "smtpd_tls_eccert_file"},
	{Name: "smtpd_tls_eckey_file", Default: "$smtpd_tls_eccert_file"},
	{Name: "smtpd_tls_eecdh_grade", Default: "auto", Obsolete: noEffect},
	{Name: "smtpd_tls_enable_rpk", Since: since39, Default: "no"},
	{Name: "smtpd_tls_exclude_ciphers"},
	{Name: "smtpd_tls_fingerprint_digest", Default: "${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}", Default34: "md5"},
	{Name: "smtpd_tls_key_file", Default: "$smtpd_tls_cert_file"},
	{Name: "smtpd_tls_loglevel", Default: "0"},
	{Name: "smtpd_tls_loglevel_maps", Since: since312},
	{Name: "smtpd_tls_mandatory_ciphers", Default: "medium"},
	{Name: "smtpd_tls_mandatory_exclude_ciphers"},
	{Name: "smtpd_tls_mandatory_protocols", Default: ">=TLSv1", Default34: oldFloor},
	{Name: "smtpd_tls_protocols", Default: ">=TLSv1", Default34: oldFloor},
	{Name: "smtpd_tls_received_header", Default: "no"},
	{Name: "smtpd_tls_req_ccert", Default: "no"},
	{Name: "smtpd_tls_security_level"},
	{Name: "smtpd_tls_session_cache_database"},
	{Name: "smtpd_tls_session_cache_timeout", Default: "3600s"},
	{Name: "smtpd_tls_trace_size_limit", Since: since312, Default: "102400"},
	{Name: "smtpd_tls_wrappermode", Default: "no"},
	{Name: "smtpd_use_tls", Default: "no", Obsolete: byServerLevel},
	// Sending.
	{Name: "smtp_cname_overrides_servername", Default: "no", Obsolete: "deprecated since Postfix 3.11: use a secure match in the policy"},
	{Name: "smtp_dns_support_level"},
	{Name: "smtp_enforce_tls", Default: "no", Obsolete: byClientLevel},
	{Name: "smtp_host_lookup", Default: "dns"},
	{Name: "smtp_log_tls_feature_status", Since: since311, Default: "yes"},
	{Name: "smtp_requiretls_policy", Since: since311},
	{Name: "smtp_sasl_tls_security_options", Default: "$smtp_sasl_security_options"},
	{Name: "smtp_sasl_tls_verified_security_options", Default: "$smtp_sasl_tls_security_options"},
	{Name: "smtp_starttls_timeout", Default: "300s"},
	{Name: "smtp_tls_CAfile"},
	{Name: "smtp_tls_CApath"},
	{Name: "smtp_tls_block_early_mail_reply", Default: "no"},
	{Name: "smtp_tls_cert_file"},
	{Name: "smtp_tls_chain_files"},
	{Name: "smtp_tls_ciphers", Default: "medium"},
	{Name: "smtp_tls_connection_reuse", Default: "no"},
	{Name: "smtp_tls_dane_insecure_mx_policy", Default: "dane"},
	{Name: "smtp_tls_dcert_file", Obsolete: noDSA},
	{Name: "smtp_tls_dkey_file", Default: "$smtp_tls_dcert_file", Obsolete: noDSA},
	{Name: "smtp_tls_eccert_file"},
	{Name: "smtp_tls_eckey_file", Default: "$smtp_tls_eccert_file"},
	{Name: "smtp_tls_enable_rpk", Since: since39, Default: "no"},
	{Name: "smtp_tls_enforce_peername", Default: "yes", Obsolete: byClientLevel},
	{Name: "smtp_tls_enforce_sts_mx_patterns", Since: []Version{V(3, 10, 5), V(3, 11, 0)}, Default: "yes"},
	{Name: "smtp_tls_exclude_ciphers"},
	{Name: "smtp_tls_fingerprint_cert_match"},
	{Name: "smtp_tls_fingerprint_digest", Default: "${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}", Default34: "md5"},
	{Name: "smtp_tls_force_insecure_host_tlsa_lookup", Default: "no"},
	{Name: "smtp_tls_key_file", Default: "$smtp_tls_cert_file"},
	{Name: "smtp_tls_loglevel", Default: "0"},
	{Name: "smtp_tls_loglevel_maps", Since: since312},
	{Name: "smtp_tls_mandatory_ciphers", Default: "medium"},
	{Name: "smtp_tls_mandatory_exclude_ciphers"},
	{Name: "smtp_tls_mandatory_protocols", Default: ">=TLSv1", Default34: oldFloor},
	{Name: "smtp_tls_note_starttls_offer", Default: "no"},
	{Name: "smtp_tls_per_site", Obsolete: "replaced by smtp_tls_policy_maps since Postfix 2.3"},
	{Name: "smtp_tls_policy_maps"},
	{Name: "smtp_tls_protocols", Default: ">=TLSv1", Default34: oldFloor},
	{Name: "smtp_tls_scert_verifydepth", Default: "9"},
	{Name: "smtp_tls_secure_cert_match", Default: "nexthop, dot-nexthop"},
	{Name: "smtp_tls_security_level"},
	{Name: "smtp_tls_servername"},
	{Name: "smtp_tls_session_cache_database"},
	{Name: "smtp_tls_session_cache_timeout", Default: "3600s"},
	{Name: "smtp_tls_trace_size_limit", Since: since312, Default: "102400"},
	{Name: "smtp_tls_trust_anchor_file"},
	{Name: "smtp_tls_verify_cert_match", Default: "hostname"},
	{Name: "smtp_tls_wrappermode", Default: "no"},
	{Name: "smtp_tlsrpt_enable", Since: since310, Default: "no"},
	{Name: "smtp_tlsrpt_skip_reused_handshakes", Since: since310},
	{Name: "smtp_tlsrpt_socket_name", Since: since310},
	{Name: "smtp_use_tls", Default: "no", Obsolete: byClientLevel},
	// Both: the TLS library.
	{Name: "requiretls_enable", Since: since311, Default: "yes"},
	{Name: "requiretls_esmtp_header", Since: since311, Default: "yes"},
	{Name: "requiretls_redact_dsn", Since: since311, Default: "yes"},
	{Name: "tls_append_default_CA", Default: "no"},
	{Name: "tls_config_file", Since: tlsConfigSince, Default: "default"},
	{Name: "tls_config_name", Since: tlsConfigSince},
	{Name: "tls_daemon_random_bytes", Default: "32"},
	{Name: "tls_dane_digests", Default: "sha512 sha256"},
	{Name: "tls_disable_workarounds"},
	{Name: "tls_eecdh_auto_curves"},
	{Name: "tls_eecdh_strong_curve", Default: "prime256v1", Obsolete: noEffect},
	{Name: "tls_eecdh_ultra_curve", Default: "secp384r1", Obsolete: noEffect},
	{Name: "tls_export_cipherlist"},
	{Name: "tls_fast_shutdown_enable", Default: "yes"},
	{Name: "tls_ffdhe_auto_groups", Since: since38, Default: "ffdhe2048 ffdhe3072"},
	{Name: "tls_high_cipherlist"},
	{Name: "tls_legacy_public_key_fingerprints", Gone: V(3, 11, 0), Default: "no"},
	{Name: "tls_low_cipherlist"},
	{Name: "tls_medium_cipherlist"},
	{Name: "tls_null_cipherlist"},
	{Name: "tls_preempt_cipherlist", Default: "no"},
	{Name: "tls_required_enable", Since: since310, Default: "yes"},
	{Name: "tls_server_sni_maps"},
	{Name: "tls_session_ticket_cipher", Default: "aes-256-cbc"},
	{Name: "tls_ssl_options"},
	{Name: "tls_trust_server_ccerts", Since: since312, Default: "no"},
	{Name: "tls_wildcard_matches_multiple_labels", Default: "yes"},
}
