package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/detect"
	"postseal/internal/postfix"
	"postseal/internal/posture"
)

// sendingPoliciesRules are the rules about policies for single destinations.
var sendingPoliciesRules = []Rule{
	passwordToUnverified, tlsRequiredHeader, obsoletePolicyTable, md5Fingerprints, cnameOverrides,
	noPolicyTable, badPolicy, noPolicyService, noPolicies, expiredException, policyReports,
}

var passwordToUnverified = Rule{
	ID: "PS-SND-015", Part: Sending, Severity: High, Since: "1.0",
	Title:  "A password is sent to a relay that is not authenticated",
	Why:    "A server that poses as the relay gets the password and all mail.",
	Level:  Must,
	Source: "RFC 4954 section 4; postconf(5), smtp_sasl_auth_enable",
	Cure:   outside("set level secure for the relay in smtp_tls_policy_maps"),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		if r.Hop == "" || r.Level.Is == "" || !e.Config.Bool(&r.Service, "smtp_sasl_auth_enable") || proves(r.Level.Is) {
			return ""
		}
		return "logs in at TLS level " + r.Level.Is
	}, detect.Default),
}

var tlsRequiredHeader = Rule{
	ID: "PS-SND-017", Part: Sending, Severity: Note, Since: "1.0",
	Title:  "A message header can disable a TLS policy",
	Why:    "A message with TLS-Required: no is delivered even where the policy table requires TLS.",
	Level:  May,
	Source: "RFC 8689; postconf(5), tls_required_enable",
	Cure:   set("tls_required_enable", "no", " where a policy is a must"),
	Check: parameter("tls_required_enable", func(e *Evidence, v postfix.Value) string {
		if e.Config.Version.AtLeast(postfix.V(3, 10, 0)) && strings.EqualFold(v.Text, "yes") && e.Config.Text(nil, "smtp_tls_policy_maps") != "" {
			return "is yes"
		}
		return ""
	}),
}

var obsoletePolicyTable = Rule{
	ID: "PS-SND-018", Part: Sending, Severity: Low, Since: "1.0",
	Title:  "TLS policies are in an obsolete lookup table",
	Why:    "It supports neither verify, secure nor dane.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_per_site: obsolete since 2.3",
	Cure:   suggested("move the entries to smtp_tls_policy_maps; then postseal apply, which removes smtp_tls_per_site"),
	Check: parameter("smtp_tls_per_site", func(e *Evidence, v postfix.Value) string {
		if v.Text != "" && e.Config.Text(nil, "smtp_tls_policy_maps") == "" {
			return "is set"
		}
		return ""
	}),
}

var md5Fingerprints = Rule{
	ID: "PS-SND-019", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "Certificate fingerprints use MD5",
	Why:    "An attacker can create a certificate with the same MD5 fingerprint.",
	Level:  Should,
	Source: "postconf(5), smtp_tls_fingerprint_digest",
	Cure:   set("smtp_tls_fingerprint_digest", "sha256", ", and new fingerprints in the tables"),
	Check: parameter("smtp_tls_fingerprint_digest", func(e *Evidence, v postfix.Value) string {
		if strings.EqualFold(v.Text, "md5") && e.comparesFingerprints(v.Set) {
			return "is md5"
		}
		return ""
	}),
}

// comparesFingerprints reports whether a level of sending compares fingerprints. What
// tables that cannot be read ask for is only presumed if set, by hand, is true.
func (e *Evidence) comparesFingerprints(set bool) bool {
	return set && (len(e.UnreadPolicies) > 0 || e.Config.Text(nil, "smtp_tls_fingerprint_cert_match") != "") ||
		slices.ContainsFunc(e.Transports, func(t detect.Transport) bool { return t.Level == "fingerprint" }) ||
		slices.ContainsFunc(e.Policies, func(p detect.Policy) bool { return p.Level == "fingerprint" })
}

var cnameOverrides = Rule{
	ID: "PS-SND-021", Part: Sending, Severity: Note, Since: "1.0",
	Title:  "A DNS alias can replace the name of a server",
	Why:    "An attacker who can forge DNS chooses the name that is verified.",
	Level:  May,
	Source: "postconf(5), smtp_cname_overrides_servername: deprecated since 3.11",
	Cure:   drop("smtp_cname_overrides_servername"),
	Check: parameter("smtp_cname_overrides_servername", func(e *Evidence, v postfix.Value) string {
		if strings.EqualFold(v.Text, "yes") {
			return "is yes"
		}
		return ""
	}),
}

var noPolicyTable = Rule{
	ID: "PS-SND-030", Part: Sending, Severity: Critical, Since: "1.0",
	Title:  "The TLS policy table cannot be opened",
	Why:    "All mail is deferred: 4.7.5, TLS policy lookup error.",
	Level:  Must,
	Source: "postconf(5), smtp_tls_policy_maps; seen: all deferred",
	Cure:   outside("run postmap on the table, or remove it from main.cf"),
	Check:  problems(postfix.Sending, nil, detect.NoTable),
}

var badPolicy = Rule{
	ID: "PS-SND-038", Part: Sending, Severity: High, Since: "1.0",
	Title:  "Postfix does not understand an entry of the policy table",
	Why:    "All mail to that destination is deferred: 4.7.5, client TLS configuration problem. Attributes contain no blanks: protocols=!SSLv2:!SSLv3.",
	Level:  Must,
	Source: "postconf(5), smtp_tls_policy_maps; seen on Postfix 3.7: deferred, 4.7.5",
	Cure:   outside("correct the entry, then run postmap on the table"),
	Check:  problems(postfix.Sending, nil, detect.BadPolicy),
}

var noPolicyService = Rule{
	ID: "PS-SND-039", Part: Sending, Severity: High, Since: "1.0",
	Title:  "The TLS policy service does not answer",
	Why:    "All mail is deferred until it does: 4.7.5, client TLS configuration problem.",
	Level:  Must,
	Source: "socketmap_table(5), tcp_table(5); seen on Postfix 3.7: all mail deferred",
	Cure:   outside("start the service and look at its log, or remove it from smtp_tls_policy_maps"),
	Check:  problems(postfix.Sending, nil, detect.NoAnswer),
}

var noPolicies = Rule{
	ID: "PS-SND-071", Part: Sending, Severity: Note, Since: "1.0",
	Title:  "No destination is protected against forced cleartext",
	Why:    "An attacker on the network path can remove STARTTLS even for destinations that always support TLS. There is neither DANE, nor a policy table, nor a policy service.",
	Level:  May,
	Source: "RFC 8461 section 1; RFC 7672 section 1.3",
	Cure:   outside("postseal policy sync with your destinations, then postseal apply --policy evidence"),
	Check: routes(ofLevel, func(e *Evidence, r posture.Route) string {
		// Where the resolver validates, DANE is there to be used: see PS-SND-005.
		if r.Hop == "" && r.Level.Is == "may" && r.Policy == nil && e.outside(r) && e.Resolver.Validates == detect.No && detect.PolicyTables(e.Config, &r.Service).Text == "" {
			return "has TLS level may for all destinations, and DANE cannot be used: " + e.Resolver.Why
		}
		return ""
	}, detect.Default),
}

var expiredException = Rule{
	ID: "PS-SND-072", Part: Sending, Severity: Medium, Since: "1.0",
	Title:  "An exception from a TLS policy has expired and is still in force",
	Why:    "Mail to that destination is not protected by its policy.",
	Level:  Should,
	Source: "postseal policy except",
	Cure:   outside("run postseal policy sync, and enable postseal-policy.timer"),
	Check: when(sends, func(e *Evidence) (hits []Hit) {
		for _, x := range e.Exceptions {
			if !e.Now.Before(x.Until) {
				hits = append(hits, Hit{Detail: fmt.Sprintf("%s: until %s", x.Domain, x.Until.UTC().Format(time.DateOnly)), At: e.Config.Value(nil, "smtp_tls_policy_maps").Origin})
			}
		}
		return hits
	}),
}

var policyReports = Rule{
	ID: "PS-SND-073", Part: Sending, Severity: High, Since: "1.0",
	Title:  "The TLS policy service sends attributes that this Postfix does not understand",
	Why:    "Mail to every destination with an MTA-STS policy is deferred: 4.7.5, client TLS configuration problem.",
	Level:  Must,
	Source: "postconf(5), smtp_tls_policy_maps: policy_type and others since 3.10; postfix-tlspol: QUERYwithTLSRPT",
	Cure:   outside("name QUERY instead of QUERYwithTLSRPT in smtp_tls_policy_maps"),
	Check: parameter("smtp_tls_policy_maps", func(e *Evidence, v postfix.Value) string {
		if strings.Contains(v.Text, ":QUERYwithTLSRPT") && !e.Config.Version.AtLeast(postfix.V(3, 10, 0)) {
			return "asks with QUERYwithTLSRPT, and this is Postfix " + e.Config.Version.String()
		}
		return ""
	}),
}
