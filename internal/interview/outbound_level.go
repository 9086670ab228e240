package interview

import (
	"slices"
	"strings"

	"postseal/internal/ask"
	"postseal/internal/census"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/postfix"
)

// OutboundLevels are the levels of smtp_tls_security_level from the loosest
// to the strictest, as far as they can be compared.
var OutboundLevels = []string{"none", "may", "dane", "encrypt", "dane-only", "fingerprint", "verify", "secure"}

// outboundLevel chooses smtp_tls_security_level.
var outboundLevel = &ask.Question[string, Facts]{
	Key:     "outbound-level",
	Section: SectionSending,
	Title:   "How should outgoing mail be protected?",
	Why:     "may only protects against eavesdropping. dane also authenticates servers that publish TLSA records; other mail is sent as before.",
	Help: `dane looks up TLSA records (RFC 7672) and defers mail if a server does not match them. It needs a resolver on
this machine that validates DNSSEC: Postfix trusts its answers, and without one dane silently acts as may.
encrypt and the levels after it, set for all destinations, defer mail to every server that does not meet them;
use them for a relay host, or for single destinations in smtp_tls_policy_maps.`,
	Choices: []ask.Choice[string]{
		{Value: "dane", Name: "dane", Help: "authenticate servers that publish TLSA records, else as may"},
		{Value: "may", Name: "may", Help: "TLS if the server offers it, otherwise cleartext"},
		{Value: "encrypt", Name: "encrypt", Help: "defer mail rather than send it in cleartext"},
		{Value: "dane-only", Name: "dane-only", Help: "only to servers with TLSA records"},
		{Value: "verify", Name: "verify", Help: "only to servers whose certificate a trusted CA signed"},
		{Value: "secure", Name: "secure", Help: "as verify, and it must name the destination"},
		{Value: "fingerprint", Name: "fingerprint", Help: "only to servers whose key is listed in main.cf"},
	},
	Hide: func(v string, f Facts, _ *ask.Answers) string {
		if obstacle := wrapperObstacle(v, f); obstacle != "" {
			return obstacle
		}
		switch v {
		case presentOutboundLevel(f):
			return ""
		case "dane":
			return daneObstacle(f)
		case "dane-only", "verify", "secure", "fingerprint":
			return "not suitable for all destinations"
		}
		return ""
	},
	Evidence: func(v string, f Facts) string {
		if v == "may" || v == "dane" { // nothing is deferred that is delivered now
			return ""
		}
		return Loss(f, census.Proposal{OutboundLevel: v})
	},
	Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[string] {
		present := presentOutboundLevel(f)
		if obstacle := wrapperObstacle(present, f); obstacle != "" {
			return suggest("encrypt", ask.Detected, "%s", obstacle)
		}
		if slices.Index(OutboundLevels, present) >= slices.Index(OutboundLevels, "dane") {
			return suggest(present, ask.Detected, "it is the current level, and postseal weakens nothing unless asked")
		}
		if profile.Get(f, a) != Compatible && daneObstacle(f) == "" {
			return suggest("dane", ask.Detected, "%s", f.Resolver.Why)
		}
		if obstacle := daneObstacle(f); obstacle != "" {
			return suggest("may", ask.Default, "dane needs a resolver on this machine that validates DNSSEC: %s", obstacle)
		}
		return suggest("may", ask.Default, "the profile keeps what Postfix itself recommends")
	},
	Check: func(v string, f Facts, _ *ask.Answers) error {
		if obstacle := wrapperObstacle(v, f); obstacle != "" {
			return hint.New(v+" would stop mail: "+obstacle, "use --outbound-level encrypt, or set smtp_tls_security_level = encrypt for those services in master.cf")
		}
		loosest := "may"
		if wrapperObstacle(loosest, f) != "" {
			loosest = "encrypt"
		}
		if obstacle := daneObstacle(f); strings.HasPrefix(v, "dane") && v != presentOutboundLevel(f) && obstacle != "" {
			return hint.New(v+" needs a resolver on this machine that validates DNSSEC: "+obstacle,
				detect.ValidatingResolver+"; or use --outbound-level "+loosest)
		}
		return nil
	},
	Now: func(f Facts) string {
		if v := f.Config.Value(nil, "smtp_tls_security_level"); v.Text != "" {
			return now(f, "smtp_tls_security_level")
		}
		return presentOutboundLevel(f)
	},
}

func presentOutboundLevel(f Facts) string {
	return detect.ClientLevel(func(name string) string { return f.Config.Text(nil, name) })
}

// wrapperObstacle returns why a level would stop mail of services with TLS from the
// first byte, or "": Postfix requires encrypt or a stronger level for them. If other
// mail follows main.cf too, the level is not raised for a service whose mail is
// deferred already: that service needs a level of its own.
func wrapperObstacle(v string, f Facts) string {
	if slices.Index(OutboundLevels, v) >= slices.Index(OutboundLevels, "encrypt") {
		return ""
	}
	present := presentOutboundLevel(f)
	level := v
	if v == "dane" && present != "dane" {
		level = "may" // whether the relay has TLSA records is unknown
	}
	refused, rest := f.WrapperAt(level)
	if slices.ContainsFunc(rest, func(t detect.Transport) bool { return t.Use == detect.Default }) {
		already, _ := f.WrapperAt(present)
		refused = slices.DeleteFunc(refused, func(t detect.Transport) bool {
			return slices.ContainsFunc(already, func(a detect.Transport) bool { return a.Service.ID() == t.Service.ID() })
		})
	}
	var names []string
	for _, t := range refused {
		names = append(names, t.Service.ID())
	}
	if names == nil {
		return ""
	}
	return "smtp_tls_wrappermode is on for " + strings.Join(names, ", ") + ", and Postfix defers all its mail at levels below encrypt"
}

// daneObstacle returns why DANE would not work here, or "".
func daneObstacle(f Facts) string {
	if !slices.Contains(postfix.List(f.Config.Text(nil, "smtp_host_lookup")), "dns") {
		return "smtp_host_lookup does not include dns"
	}
	if f.Resolver.Validates != detect.Yes {
		if f.Resolver.Why == "" {
			return "the resolver was not checked"
		}
		return f.Resolver.Why
	}
	return ""
}
