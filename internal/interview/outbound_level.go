package interview

import (
	"slices"
	"strings"

	"postseal/internal/ask"
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
	Title:   "How should mail to other servers be protected?",
	Why:     "may protects against listening only. dane also proves the server, wherever it publishes how; other mail goes out as before.",
	Help: `dane looks up TLSA records (RFC 7672) and holds mail back if a server does not match them. It needs a
resolver on this machine that validates DNSSEC: Postfix believes it, and without one dane silently acts as may.
encrypt and the levels after it, set for all destinations, hold back mail to every server that cannot do what is
demanded; that is right towards one relay host, or for single destinations in smtp_tls_policy_maps.`,
	Choices: []ask.Choice[string]{
		{Value: "dane", Name: "dane", Help: "prove servers that publish TLSA records, else as may"},
		{Value: "may", Name: "may", Help: "TLS where it is offered, else clear text"},
		{Value: "encrypt", Name: "encrypt", Help: "hold mail back rather than send it in clear text"},
		{Value: "dane-only", Name: "dane-only", Help: "only to servers with TLSA records"},
		{Value: "verify", Name: "verify", Help: "only to servers whose certificate a known CA signed"},
		{Value: "secure", Name: "secure", Help: "and names the destination"},
		{Value: "fingerprint", Name: "fingerprint", Help: "only to keys listed in main.cf"},
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
			return "not for all destinations"
		}
		return ""
	},
	Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[string] {
		present := presentOutboundLevel(f)
		if obstacle := wrapperObstacle(present, f); obstacle != "" {
			return suggest("encrypt", ask.Detected, "%s", obstacle)
		}
		if slices.Index(OutboundLevels, present) >= slices.Index(OutboundLevels, "dane") {
			return suggest(present, ask.Detected, "it is the level now, and nothing is loosened unasked")
		}
		if profile.Get(f, a) != Compatible && daneObstacle(f) == "" {
			return suggest("dane", ask.Detected, "%s", f.Resolver.Why)
		}
		if obstacle := daneObstacle(f); obstacle != "" {
			return suggest("may", ask.Default, "dane would need a resolver here that validates: %s", obstacle)
		}
		return suggest("may", ask.Default, "the profile keeps to what Postfix itself proposes")
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
				"run unbound on 127.0.0.1 and list it alone in "+f.Resolver.Path+", or take --outbound-level "+loosest)
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

// wrapperObstacle is why a level would stop mail of services with TLS from the
// first byte, or empty: Postfix requires encrypt or a stronger level for them. If
// other mail follows main.cf too, it is not raised for a service that stands
// still already: its own level is what is missing.
func wrapperObstacle(v string, f Facts) string {
	if slices.Index(OutboundLevels, v) >= slices.Index(OutboundLevels, "encrypt") {
		return ""
	}
	present := presentOutboundLevel(f)
	level := v
	if v == "dane" && present != "dane" {
		level = "may" // nobody knows whether the relay has TLSA records
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
	return "smtp_tls_wrappermode is on for " + strings.Join(names, ", ") + ", and Postfix defers all its mail below encrypt"
}

// daneObstacle says why DANE would not work here, or is empty.
func daneObstacle(f Facts) string {
	if !slices.Contains(postfix.List(f.Config.Text(nil, "smtp_host_lookup")), "dns") {
		return "smtp_host_lookup leaves out dns"
	}
	if f.Resolver.Validates != detect.Yes {
		if f.Resolver.Why == "" {
			return "the resolver was not looked at"
		}
		return f.Resolver.Why
	}
	return ""
}
