package rehearse

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"postseal/internal/postfix"
	"postseal/internal/postfix/mastercf"
)

// finding is a line of Postfix's log that explains why TLS does not work, or not as
// configured (tls_misc.c, tls_certkey.c, tls_server.c and tls_client.c in the source;
// each was seen in a real log).
type finding struct {
	// line is compiled when it is first needed: hardly any run needs them.
	line func() *regexp.Regexp
	// text says it in words; $1 is what the line says.
	text string
	// parameter is to blame; * stands for smtpd or smtp, $1 as in text.
	parameter string
}

func find(line, text, parameter string) finding {
	return finding{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(line) }), text, parameter}
}

const policyMaps = "smtp_tls_policy_maps"

// causes are faults that stop TLS or mail; the most certain first.
var causes = []finding{
	find(`^fatal: Invalid TLS level "(.*#.*)"`, `"$1" is not a TLS level, since a comment cannot follow a value: the daemon dies, and no mail passes`, "*_tls_security_level"),
	find(`^fatal: Invalid TLS level "(.*)"`, `"$1" is not a TLS level: the daemon dies, and no mail passes`, "*_tls_security_level"),
	find(`^warning: smtp_tls_policy_maps, .*: invalid security level "(.*)"`, `"$1" is not a TLS level: no mail passes to this destination`, policyMaps),
	find(`^warning: smtp_tls_policy_maps, .*?: ((?:malformed|invalid) attribute.*|attribute ".*)`, "the entry is invalid, and no mail passes to this destination: $1", policyMaps),
	find(`^fatal: bad \w+ configuration: (\S+) =.*`, "$1 is not a valid boolean, number or time: the daemon dies, and no mail passes", "$1"),
	find(`^(?:fatal|panic): (.*)`, "the daemon dies, and no mail passes: $1", ""),
	find(`loading (\S+): ignoring PEM type: ENCRYPTED PRIVATE KEY`, "the private key in $1 is encrypted, and Postfix cannot ask for its passphrase", "*_tls_chain_files"),
	find(`error opening chain file: (.+): [A-Z]`, "$1 cannot be opened: without a key, ordinary clients cannot use TLS", "*_tls_chain_files"),
	find(`error loading chain from (.+): key not first`, "$1 does not begin with its private key", "*_tls_chain_files"),
	find(`No certs for key at index \d+ in (.+)`, "$1 has a key that no certificate follows", "*_tls_chain_files"),
	find(`No PEM data in (.+)`, "$1 holds neither a key nor a certificate", "*_tls_chain_files"),
	find(`key at index \d+ in (.+) does not match next certificate`, "the key in $1 belongs to another certificate", "*_tls_chain_files"),
	find(`error loading private keys and certificates from: (.+): disabling TLS`, "key and certificate cannot be loaded from $1", "*_tls_chain_files"),
	find(`cannot get \S+ private key from file "(.*)"`, "the private key cannot be loaded from $1: it cannot be read, or belongs to another certificate", "*_tls_key_file"),
	find(`cannot get \S+ certificate from file "(.*)"`, "the certificate cannot be loaded from $1", "*_tls_cert_file"),
	find(`No server certs available`, "no certificate is set", "*_tls_chain_files"),
	find(`cannot load Certification Authority data, CAfile="(.*?)"`, "the CA certificates in $1 cannot be read", "*_tls_CAfile"),
	find(`cannot load Certification Authority data, CApath="(.*?)"`, "the CA certificates in $1 cannot be read", "*_tls_CApath"),
	find(`Invalid TLS protocol list "(.*)"`, `"$1" is not a list of TLS versions that this Postfix supports`, "*_tls_protocols"),
	find(`[Ii]nvalid (?:TLS )?cipher grade:? "(.*)"`, `"$1" is not a cipher grade: use high, medium, low, export or null`, "*_tls_ciphers"),
	find(`error loading the .* settings from the (.+) OpenSSL configuration file`, "the settings of the TLS library in $1 cannot be read", "tls_config_file"),
	find(`discarding EHLO keywords: (?:.* )?STARTTLS`, "the server is set not to offer STARTTLS", "smtpd_discard_ehlo_keywords"),
	find(`no shared cipher`, "no cipher suite is left: the exclusions leave none for this certificate and this client", "*_tls_exclude_ciphers"),
	find(`^warning: (smtp_tls_wrappermode) requires "smtp_tls_security_level = encrypt"`, "$1 requires level encrypt or a stronger one, and no mail passes at a weaker one", "*_tls_security_level"),
	find(`our TLS engine is unavailable`, "TLS cannot be started on this server", ""),
}

// remarkable are settings that have no effect, while TLS works.
var remarkable = []finding{
	find(`unsupported TLS level "(.*)", using "encrypt"`, `"$1" is a level for sending; for receiving it acts as encrypt, and clients without TLS are refused`, "*_tls_security_level"),
	find(`ignoring unknown ECDHE curve "(.*)"`, `the curve "$1" is unknown and ignored`, "tls_eecdh_auto_curves"),
	find(`error opening DH parameter file "(.*?)"`, "$1 cannot be opened; built-in groups are used", "smtpd_tls_dh1024_param_file"),
	find(`Both (\w+_tls_chain_files) and one or more of the legacy`, "$1 is set, so the older parameters for certificate and key are ignored", "$1"),
	find(`(\w+):\S+_session_cache_database is unavailable\. unsupported dictionary type`, `there is no session cache: this Postfix does not support the map type "$1"`, "*_tls_session_cache_database"),
}

// blame finds the parameter that has the value in question, should another one
// of that side have it than the usual, and where it stands. Legacy names and
// those for demanded TLS are told apart like that.
func (c *Cause) blame(on side, value string) {
	config, s := on.candidate.Config, on.service
	has := func(name string) bool {
		return value != "" && strings.Contains(config.Text(&s, name), value)
	}
	if side, _, ok := strings.Cut(c.Parameter, "_"); ok && !has(c.Parameter) {
		for _, p := range postfix.Parameters() {
			if strings.HasPrefix(p.Name, side+"_") && config.Value(&s, p.Name).Set && has(p.Name) {
				c.Parameter = p.Name
				break
			}
		}
	}
	if c.Question = questionOf[c.Parameter]; c.Question == "" {
		c.Question, c.Foreign = on.question(), c.Parameter != ""
	}
	if on.entry != "" && c.Question == on.question() {
		c.Question, c.Foreign = "", false // the entry decides, whatever the answer
	}
	if at, ok := on.candidate.origin(s, c.Parameter); ok {
		c.Origin = at.String()
	}
}

// questionOf is the question that sets a parameter; several may, the nearest
// is named.
var questionOf = map[string]string{
	"smtpd_tls_security_level": "inbound-level", "smtpd_tls_protocols": "min-protocol", "smtpd_tls_mandatory_protocols": "submission-min-protocol",
	"smtpd_tls_chain_files": "cert", "smtpd_tls_cert_file": "cert", "smtpd_tls_key_file": "key",
	"smtpd_tls_exclude_ciphers": "profile", "smtpd_tls_ciphers": "profile", "tls_config_file": "profile", "tls_eecdh_auto_curves": "profile",
	"smtp_tls_security_level": "outbound-level", "smtp_tls_CAfile": "ca-file", "smtp_tls_CApath": "ca-file", "smtp_tls_exclude_ciphers": "profile",
	"smtp_tls_chain_files": "client-cert", "smtp_tls_cert_file": "client-cert", "smtp_tls_key_file": "client-key",
}

// side is one service of the candidate.
type side struct {
	program   string // smtpd or smtp
	candidate Candidate
	service   mastercf.Service
	// entry is that of the policy map for the destination; empty if there is none.
	entry string
}

// question is the one that a person looks at if none sets what is wrong.
func (s side) question() string {
	if s.program == "smtp" {
		return "outbound-level"
	}
	return "inbound-level"
}

// because is a cause of which no line of the log tells, since nothing is wrong
// with the parameter by itself.
func (s side) because(text, parameter string) *Cause {
	c := &Cause{Text: text, Parameter: parameter}
	c.blame(s, "")
	return c
}

// about returns the cause that a line describes, and reports whether it matches.
func (f finding) about(line string, side side) (Cause, bool) {
	m := f.line().FindStringSubmatch(line)
	if m == nil {
		return Cause{}, false
	}
	value := ""
	if len(m) > 1 {
		value = m[1]
	}
	c := Cause{Text: strings.ReplaceAll(f.text, "$1", value), Log: line}
	c.Parameter = strings.ReplaceAll(strings.ReplaceAll(f.parameter, "*", side.program), "$1", value)
	if side.entry != "" && (c.Parameter == policyMaps || value != "" && strings.Contains(side.entry, "="+value)) {
		c.Parameter, c.Origin, c.Question = policyMaps, `the destination's entry, "`+side.entry+`"`, ""
		return c, true
	}
	c.blame(side, value)
	return c, true
}

// explain returns the most certain cause in what a daemon logged, or nil.
func explain(lines []string, side side) *Cause {
	for _, f := range causes {
		for _, l := range lines {
			if fromPeer(l) {
				continue
			}
			if c, ok := f.about(l, side); ok {
				return &c
			}
		}
	}
	return nil
}

// remarks returns the settings that have no effect.
func remarks(lines []string, side side) []Cause {
	var out []Cause
	for _, f := range remarkable {
		for _, l := range lines {
			c, ok := f.about(l, side)
			if ok && !slices.ContainsFunc(out, func(o Cause) bool { return o.Text == c.Text }) {
				out = append(out, c)
			}
		}
	}
	return out
}

// fromPeer reports whether a line quotes the peer, which could send anything.
func fromPeer(line string) bool {
	return strings.Contains(line, " from unknown[") || strings.Contains(line, "]: 127.") || strings.Contains(line, "status=")
}

func isFatal(text string) bool {
	return strings.HasPrefix(text, "fatal: ") || strings.HasPrefix(text, "panic: ")
}
