package interview

import (
	"strings"

	"postseal/internal/ask"
	"postseal/internal/hint"
)

// The ways to prove a name to a CA.
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
		Title:   "How should the names be proved to the CA?",
		Why:     "The CA looks whether you hold the names, now and at every renewal.",
		Help: `http-01 and tls-alpn-01 open a port of this server for some seconds; the names must point here, and the CA must
reach the port. webroot leaves a file where a web server shows it. The dns ways make a record _acme-challenge in the
zone; they work for names that do not point here, and are the only ones for wildcards.`,
		Choices: []ask.Choice[string]{
			{Value: ProofHTTP, Name: ProofHTTP, Help: "answer on port 80, for some seconds"},
			{Value: ProofWebroot, Name: ProofWebroot, Help: "leave a file with the web server on port 80"},
			{Value: ProofTLS, Name: ProofTLS, Help: "answer on port 443, for some seconds"},
			{Value: ProofProvider, Name: ProofProvider, Help: "make the record by the API of whoever keeps your zone"},
			{Value: ProofUpdate, Name: ProofUpdate, Help: "make the record by a signed update of your name server"},
			{Value: ProofProgram, Name: ProofProgram, Help: "make the record by a program of yours"},
			{Value: ProofByHand, Name: ProofByHand, Help: "make the record yourself; it cannot be renewed unattended"},
		},
		Hide: func(v string, f Facts, a *ask.Answers) string {
			switch {
			case wildcard(o.names.Get(f, a)) && !strings.HasPrefix(v, "dns"):
				return "a wildcard is proved by DNS only"
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
				return suggest(ProofProvider, ask.Detected, "a provider is named")
			case wildcard(o.names.Get(f, a)):
				return ask.Suggestion[string]{Why: "a wildcard is proved by DNS, and who keeps your zone is not known"}
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
				return hint.New("a wildcard is proved by DNS only", "choose one of the dns ways, or give names without a *")
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
			Title:       "On which address should " + kind + " be answered?",
			Why:         "The CA connects to the port " + strings.TrimPrefix(address, ":") + " of the names; another one here must be reached from there.",
			Help:        `An address and a port, or a port alone for all addresses.`,
			Placeholder: address,
			Parse: func(texts []string) (string, error) {
				if !strings.Contains(texts[0], ":") {
					return "", hint.New("this is no address with a port", "give one such as "+address+" or 192.0.2.1"+address)
				}
				return texts[0], nil
			},
			Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
				return suggest(address, ask.Default, "this is where CAs connect to")
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
		Title:       "Which folder does the web server show as /?",
		Why:         "A file is put under .well-known/acme-challenge there, for some seconds, and the CA fetches it by http.",
		Help:        `The folder that the web server on port 80 begins at, for each of the names ("root", "DocumentRoot").`,
		Placeholder: "/var/www/html",
		Parse:       func(texts []string) (string, error) { return texts[0], absolute(texts[0]) },
		Offer: func(Facts, *ask.Answers) []ask.Choice[string] {
			var out []ask.Choice[string]
			for _, dir := range o.web.Roots {
				out = append(out, ask.Choice[string]{Value: dir, Name: dir, Help: "it is here"})
			}
			return out
		},
		Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
			if len(o.web.Roots) > 0 {
				return suggest(o.web.Roots[0], ask.Detected, "it is where web servers begin on this system")
			}
			return ask.Suggestion[string]{Why: "no folder of a web server was found"}
		},
		Needs: "--challenge " + ProofWebroot,
		When:  by(ProofWebroot),
	}
	o.dnsProgram = &ask.Question[string, Facts]{
		Key:         "dns-program",
		Section:     SectionOrder,
		Title:       "Which program makes the record?",
		Why:         "It is called as root, now and at every renewal.",
		Help:        `It is called as PROGRAM present NAME VALUE, and later as PROGRAM cleanup NAME VALUE.`,
		Placeholder: "/path/to/program",
		Parse:       func(texts []string) (string, error) { return texts[0], absolute(texts[0]) },
		Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
			return ask.Suggestion[string]{Why: "only you know it"}
		},
		Needs: "--challenge " + ProofProgram,
		When:  by(ProofProgram),
	}
}

// aboutUpdates are the questions about DNS updates.
func (o *Order) aboutUpdates() {
	updates := func(f Facts, a *ask.Answers) bool { return o.challenge.Get(f, a) == ProofUpdate }
	signed := func(f Facts, a *ask.Answers) bool { return updates(f, a) && o.tsigKey.Get(f, a) != "" }
	unknown := func(why string) func(Facts, *ask.Answers) ask.Suggestion[string] {
		return func(Facts, *ask.Answers) ask.Suggestion[string] { return ask.Suggestion[string]{Why: why} }
	}
	o.dnsServer = &ask.Question[string, Facts]{
		Key:         "dns-server",
		Section:     SectionOrder,
		Title:       "Which name server takes the update?",
		Why:         "The record is made there, and taken away again after some seconds.",
		Help:        `The primary server of the zone, as address and port (RFC 2136).`,
		Placeholder: "ns1.example.org:53",
		Parse:       one,
		Needs:       "--challenge " + ProofUpdate,
		When:        updates,
		Suggest:     unknown("only you know it"),
	}
	o.dnsZone = optional(ask.Question[string, Facts]{
		Key:         "dns-zone",
		Title:       "Which zone is to be changed?",
		Why:         "An update names the zone; the server says which one a name is in.",
		Help:        `The name of the zone.`,
		Placeholder: "example.org",
		Needs:       "--challenge " + ProofUpdate,
		When:        updates,
	}, "the server is asked")
	o.tsigKey = optional(ask.Question[string, Facts]{
		Key:         "tsig-key",
		Title:       "By which key are updates signed?",
		Why:         "A name server takes updates from whoever has a key that it knows (TSIG, RFC 8945).",
		Help:        `The name of the key, as the name server has it; none if it goes by the address of this server.`,
		Placeholder: "acme-mx.example.org",
		Needs:       "--challenge " + ProofUpdate,
		When:        updates,
		Suggest:     unknown("only you know it; none is an answer too"),
	}, "")
	algorithms := []ask.Choice[string]{}
	for _, x := range [][2]string{{"hmac-sha256", "what every name server knows"}, {"hmac-sha512", "longer, and no safer"}, {"hmac-sha384", "longer, and no safer"}, {"hmac-sha224", "shorter"}, {"hmac-sha1", "old"}} {
		algorithms = append(algorithms, ask.Choice[string]{Value: x[0], Name: x[0], Help: x[1]})
	}
	o.tsigAlgorithm = &ask.Question[string, Facts]{
		Key:     "tsig-algorithm",
		Section: SectionOrder,
		Title:   "With which algorithm?",
		Why:     "It must be the one that the key was made for.",
		Help:    `The configuration of the name server has it beside the key.`,
		Choices: algorithms,
		Needs:   "--challenge " + ProofUpdate + ", and --tsig-key",
		When:    signed,
		Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
			return suggest("hmac-sha256", ask.Default, "keys are made for it unless asked otherwise")
		},
		Sure: func(Facts, *ask.Answers) bool { return true },
	}
	o.tsigSecretFile = &ask.Question[string, Facts]{
		Key:         "tsig-secret-file",
		Section:     SectionOrder,
		Title:       "In which file is its secret?",
		Why:         "Whoever has the secret can change the zone; so it is read from a file and never given on a command line.",
		Help:        `A file that only root can read, with the secret in base64 as the name server's configuration has it.`,
		Placeholder: "/path/to/tsig.secret",
		Parse:       func(texts []string) (string, error) { return texts[0], absolute(texts[0]) },
		Needs:       "--challenge " + ProofUpdate + ", and --tsig-key",
		When:        signed,
		Suggest:     unknown("only you know where you put it"),
	}
}
