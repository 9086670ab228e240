package interview

import (
	"strings"

	"postseal/internal/ask"
	"postseal/internal/hint"
)

// The ways to have a name validated by a CA.
const (
	ProofHTTP     = "http-01"
	ProofWebroot  = "webroot"
	ProofTLS      = "tls-alpn-01"
	ProofProvider = "dns"
	ProofUpdate   = "dns-rfc2136"
	ProofProgram  = "dns-exec"
	ProofByHand   = "dns-manual"
)

func (o *Order) aboutProof() {
	busy := func(program string) string {
		if program == "" {
			return ""
		}
		return program + " listens there"
	}
	o.challenge = &ask.Question[string, Facts]{
		Key:     "challenge",
		Section: SectionOrder,
		Title:   "How should the CA validate the names?",
		Why:     "The CA checks that you control the names, now and at every renewal.",
		Help: `http-01 and tls-alpn-01 open a port of this server for a few seconds; the names must point here, and the CA must
reach the port. webroot places a file where a web server serves it. The dns methods create a record _acme-challenge in
the zone; they work for names that do not point here, and are the only ones for wildcards.`,
		Choices: []ask.Choice[string]{
			{Value: ProofHTTP, Name: ProofHTTP, Help: "answer on port 80 for a few seconds"},
			{Value: ProofWebroot, Name: ProofWebroot, Help: "place a file in the web server's root (port 80)"},
			{Value: ProofTLS, Name: ProofTLS, Help: "answer on port 443 for a few seconds"},
			{Value: ProofProvider, Name: ProofProvider, Help: "create the record through your DNS provider's API"},
			{Value: ProofUpdate, Name: ProofUpdate, Help: "create the record by a signed update to your name server"},
			{Value: ProofProgram, Name: ProofProgram, Help: "create the record with a program of your own"},
			{Value: ProofByHand, Name: ProofByHand, Help: "create the record by hand; unattended renewal is impossible"},
		},
		Hide: func(v string, f Facts, a *ask.Answers) string {
			switch {
			case wildcard(o.names.Get(f, a)) && !strings.HasPrefix(v, "dns"):
				return "wildcards can only be validated by DNS"
			case v == ProofHTTP && a.Source("http-listen") == ask.Unset:
				return busy(o.web.HTTP)
			case v == ProofTLS && a.Source("tls-listen") == ask.Unset:
				return busy(o.web.HTTPS)
			case v == ProofWebroot && o.web.HTTP == "":
				return "nothing listens on port 80"
			}
			return ""
		},
		Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[string] {
			switch {
			case a.Source("dns-provider") != ask.Unset:
				return suggest(ProofProvider, ask.Detected, "a DNS provider was given")
			case wildcard(o.names.Get(f, a)):
				return ask.Suggestion[string]{Why: "wildcards can only be validated by DNS, and your DNS provider is unknown"}
			case o.web.HTTP == "" || a.Source("http-listen") != ask.Unset:
				return suggest(ProofHTTP, ask.Detected, "nothing else listens on port 80 here")
			case len(o.web.Roots) > 0:
				return suggest(ProofWebroot, ask.Detected, "%s listens on port 80", o.web.HTTP)
			case o.web.HTTPS == "":
				return suggest(ProofTLS, ask.Detected, "%s listens on port 80, and nothing on 443", o.web.HTTP)
			}
			return ask.Suggestion[string]{Why: o.web.HTTP + " listens on port 80 and " + o.web.HTTPS + " on 443"}
		},
		Check: func(v string, f Facts, a *ask.Answers) error {
			if wildcard(o.names.Get(f, a)) && !strings.HasPrefix(v, "dns") {
				return hint.New("wildcards can only be validated by DNS", "choose one of the dns methods, or use names without a *")
			}
			return nil
		},
	}
	by := func(kind string) func(Facts, *ask.Answers) bool {
		return func(f Facts, a *ask.Answers) bool { return o.challenge.Get(f, a) == kind }
	}
	listen := func(key, kind, address string) *ask.Question[string, Facts] {
		return &ask.Question[string, Facts]{
			Key:         key,
			Section:     SectionOrder,
			Title:       "Listen address for " + kind,
			Why:         "The CA connects to port " + strings.TrimPrefix(address, ":") + " of the names; if you listen elsewhere, that port must be forwarded there.",
			Help:        `An address and a port, or only a port for all addresses.`,
			Placeholder: address,
			Parse: func(texts []string) (string, error) {
				if !strings.Contains(texts[0], ":") {
					return "", hint.New("not an address with a port", "use an address such as "+address+" or 192.0.2.1"+address)
				}
				return texts[0], nil
			},
			Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
				return suggest(address, ask.Default, "CAs connect to this port")
			},
			Sure:  func(Facts, *ask.Answers) bool { return true },
			When:  by(kind),
			Needs: "--challenge " + kind,
		}
	}
	o.httpListen = listen("http-listen", ProofHTTP, ":80")
	o.tlsListen = listen("tls-listen", ProofTLS, ":443")
	o.webroot = &ask.Question[string, Facts]{
		Key:         "webroot",
		Section:     SectionOrder,
		Title:       "Root directory of the web server",
		Why:         "A file is placed under .well-known/acme-challenge there for a few seconds, and the CA fetches it over HTTP.",
		Help:        `The directory that the web server on port 80 serves as /, for each of the names ("root", "DocumentRoot").`,
		Placeholder: "/var/www/html",
		Parse:       func(texts []string) (string, error) { return texts[0], absolute(texts[0]) },
		Offer: func(Facts, *ask.Answers) []ask.Choice[string] {
			var out []ask.Choice[string]
			for _, dir := range o.web.Roots {
				out = append(out, ask.Choice[string]{Value: dir, Name: dir, Help: "it exists here"})
			}
			return out
		},
		Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
			if len(o.web.Roots) > 0 {
				return suggest(o.web.Roots[0], ask.Detected, "it is the usual web server root on this system")
			}
			return ask.Suggestion[string]{Why: "no web server root was found"}
		},
		Needs: "--challenge " + ProofWebroot,
		When:  by(ProofWebroot),
	}
	o.dnsProgram = &ask.Question[string, Facts]{
		Key:         "dns-program",
		Section:     SectionOrder,
		Title:       "Program that creates the record",
		Why:         "It runs as root, now and at every renewal.",
		Help:        `It is run as PROGRAM present NAME VALUE, and later as PROGRAM cleanup NAME VALUE.`,
		Placeholder: "/path/to/program",
		Parse:       func(texts []string) (string, error) { return texts[0], absolute(texts[0]) },
		Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
			return ask.Suggestion[string]{Why: "only you know it"}
		},
		Needs: "--challenge " + ProofProgram,
		When:  by(ProofProgram),
	}
}

// aboutUpdates adds the questions about DNS updates.
func (o *Order) aboutUpdates() {
	updates := func(f Facts, a *ask.Answers) bool { return o.challenge.Get(f, a) == ProofUpdate }
	signed := func(f Facts, a *ask.Answers) bool { return updates(f, a) && o.tsigKey.Get(f, a) != "" }
	unknown := func(why string) func(Facts, *ask.Answers) ask.Suggestion[string] {
		return func(Facts, *ask.Answers) ask.Suggestion[string] { return ask.Suggestion[string]{Why: why} }
	}
	o.dnsServer = &ask.Question[string, Facts]{
		Key:         "dns-server",
		Section:     SectionOrder,
		Title:       "Name server that accepts the update",
		Why:         "The record is created there, and removed after a few seconds.",
		Help:        `The primary server of the zone, as address and port (RFC 2136).`,
		Placeholder: "ns1.example.org:53",
		Parse:       one,
		Needs:       "--challenge " + ProofUpdate,
		When:        updates,
		Suggest:     unknown("only you know it"),
	}
	o.dnsZone = optional(ask.Question[string, Facts]{
		Key:         "dns-zone",
		Title:       "DNS zone to update",
		Why:         "An update names its zone; the server knows which zone a name is in.",
		Help:        `The name of the zone.`,
		Placeholder: "example.org",
		Needs:       "--challenge " + ProofUpdate,
		When:        updates,
	}, "postseal asks the server")
	o.tsigKey = optional(ask.Question[string, Facts]{
		Key:         "tsig-key",
		Title:       "Name of the TSIG key",
		Why:         "A name server accepts updates that are signed with a key it knows (TSIG, RFC 8945).",
		Help:        `The name of the key in the name server's configuration; none if it authorizes this server by address.`,
		Placeholder: "acme-mx.example.org",
		Needs:       "--challenge " + ProofUpdate,
		When:        updates,
		Suggest:     unknown("only you know it; none is also allowed"),
	}, "")
	algorithms := []ask.Choice[string]{}
	for _, x := range [][2]string{{"hmac-sha256", "every name server supports it"}, {"hmac-sha512", "longer, but not safer"}, {"hmac-sha384", "longer, but not safer"}, {"hmac-sha224", "shorter"}, {"hmac-sha1", "old"}} {
		algorithms = append(algorithms, ask.Choice[string]{Value: x[0], Name: x[0], Help: x[1]})
	}
	o.tsigAlgorithm = &ask.Question[string, Facts]{
		Key:     "tsig-algorithm",
		Section: SectionOrder,
		Title:   "TSIG algorithm",
		Why:     "It must be the algorithm for which the key was created.",
		Help:    `The name server's configuration lists it next to the key.`,
		Choices: algorithms,
		Needs:   "--challenge " + ProofUpdate + ", and --tsig-key",
		When:    signed,
		Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
			return suggest("hmac-sha256", ask.Default, "it is the default for new keys")
		},
		Sure: func(Facts, *ask.Answers) bool { return true },
	}
	o.tsigSecretFile = &ask.Question[string, Facts]{
		Key:         "tsig-secret-file",
		Section:     SectionOrder,
		Title:       "TSIG secret file",
		Why:         "Anyone with the secret can change the zone, so it is read from a file and never passed on a command line.",
		Help:        `A file that only root can read, with the secret in base64, as in the name server's configuration.`,
		Placeholder: "/path/to/tsig.secret",
		Parse:       func(texts []string) (string, error) { return texts[0], absolute(texts[0]) },
		Needs:       "--challenge " + ProofUpdate + ", and --tsig-key",
		When:        signed,
		Suggest:     unknown("only you know where it is"),
	}
}
