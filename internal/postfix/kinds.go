package postfix

import (
	"regexp"
	"slices"
	"strings"

	"postseal/internal/postfix/maincf"
)

// Kind is how a Postfix program reads the value of a parameter.
type Kind string

// The kinds. With any but Text, a value of another form ends the program that
// reads it (get_mail_conf_bool(3) and its like).
const (
	Text    Kind = "text"
	Boolean Kind = "yes or no"
	Number  Kind = "a number"
	Time    Kind = "a time"
	Word    Kind = "one of some words"
)

var (
	wholeNumber = regexp.MustCompile(`^\s*[+-]?\d+$`)
	timeValue   = regexp.MustCompile(`^\s*\d+([smhdwSMHDW].*)?$`) // conv_time(3) looks at one letter
)

// Levels are the words that a TLS security level takes (tls_level_lookup(3)).
var Levels = []string{"none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure"}

// Words are what a parameter of kind Word takes; an empty value is well too.
func Words(name string) []string {
	switch {
	case strings.HasSuffix(name, "_tls_security_level"), name == "tlsproxy_client_security_level":
		return Levels
	case name == "smtp_dns_support_level", name == "lmtp_dns_support_level":
		return []string{"disabled", "enabled", "dnssec"}
	case name == "smtp_tls_dane_insecure_mx_policy":
		return []string{"may", "encrypt", "dane"}
	}
	return nil
}

// KindOf tells the kind of a TLS parameter from its built-in value; the test asks
// the daemons themselves.
func (c Config) KindOf(name string) Kind {
	if Words(name) != nil {
		return Word
	}
	builtIn := Config{Main: maincf.Parse(""), Defaults: c.Defaults, Version: c.Version}
	v := builtIn.Value(nil, name)
	switch text := strings.ToLower(v.Text); {
	case v.Err != nil, strings.Contains(name, "loglevel"): // a number, or words
		return Text
	case text == "yes", text == "no":
		return Boolean
	case wholeNumber.MatchString(text):
		return Number
	case timeValue.MatchString(text):
		return Time
	}
	return Text
}

// Wellformed reports whether a value has the form of its kind.
func Wellformed(name, value string, k Kind) bool {
	switch k {
	case Boolean:
		return strings.EqualFold(value, "yes") || strings.EqualFold(value, "no")
	case Number:
		return wholeNumber.MatchString(value)
	case Time:
		return timeValue.MatchString(value)
	case Word:
		return value == "" || slices.Contains(Words(name), strings.ToLower(value))
	}
	return true
}

// Programs are those that end at a value of the wrong form; nil if none reads
// the parameter when it starts.
func Programs(name string) []string {
	switch {
	case strings.HasSuffix(name, "_tls_session_cache_timeout"), strings.HasPrefix(name, "tls_random_"):
		return []string{"tlsmgr"}
	case strings.HasPrefix(name, "smtpd_"):
		return []string{"smtpd"}
	case strings.HasPrefix(name, "smtp_"):
		return []string{"smtp"}
	case strings.HasPrefix(name, "lmtp_"):
		return []string{"lmtp"}
	case strings.HasPrefix(name, "postscreen_"):
		return []string{"postscreen"}
	case strings.HasPrefix(name, "tlsproxy_"):
		return []string{"tlsproxy"}
	case strings.HasPrefix(name, "tls_"):
		return []string{"smtpd", "smtp", "lmtp", "tlsproxy"} // once they use TLS
	}
	return nil
}
