package interview

import (
	"strings"

	"postseal/certs/authority"
	"postseal/internal/ask"
	"postseal/internal/hint"
)

func (o *Order) aboutCA() {
	o.server = &ask.Question[string, Facts]{
		Key:     "server",
		Section: SectionOrder,
		Title:   "From which CA?",
		Why:     "The CA signs the certificate, and everybody who trusts the CA trusts it.",
		Help: `Senders that check trust what the CAs of web browsers sign; any of the public ones will do. A CA of your own
is for closed groups: give the https address of its ACME directory, and --acme-ca-file. What is said of each CA is as
of ` + o.cas.AsOf + `; a list of your own in /etc/postseal/cas.json takes its place.`,
		Placeholder: "https://ca.example.org/acme/directory",
		Parse:       one,
		Offer: func(Facts, *ask.Answers) []ask.Choice[string] {
			var out []ask.Choice[string]
			for _, c := range o.cas.CAs {
				if c.Directory != "" && c.Gone == "" {
					out = append(out, ask.Choice[string]{Value: c.Name, Name: c.Name, Help: c.Title + ": " + c.Note})
				}
			}
			return out
		},
		Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
			for _, c := range o.cas.CAs { // the first that costs nothing to try
				if c.Staging != "" && !c.EAB && c.Gone == "" {
					return suggest(c.Name, ask.Default, "it wants no account made by hand, and has a place for trying things out first")
				}
			}
			return ask.Suggestion[string]{Why: "no CA of the list can be tried without an account"}
		},
		Check: func(v string, _ Facts, _ *ask.Answers) error {
			_, err := o.cas.Find(v)
			return err
		},
	}
	o.caFile = optional(ask.Question[string, Facts]{
		Key:         "acme-ca-file",
		Title:       "Which root is the connection to your CA checked against?",
		Why:         "A CA of your own shows a certificate that nobody else signed.",
		Help:        `The file with the root of a CA of your own, in PEM.`,
		Placeholder: "/path/to/root.pem",
		Parse:       func(texts []string) (string, error) { return texts[0], absolute(texts[0]) },
		Needs:       "the address of a CA of your own: --server https://...",
		When:        o.ownCA,
	}, "the system's roots may know it")
	o.email = optional(ask.Question[string, Facts]{
		Key:         "email",
		Title:       "Should the CA have an address for messages?",
		Why:         "Most CAs send none any more: Let's Encrypt stopped in 2025.",
		Help:        `An address that the CA may write to. It is stored with the account.`,
		Placeholder: "postmaster@example.org",
		Parse: func(texts []string) (string, error) {
			if at := strings.Index(texts[0], "@"); at < 1 || at == len(texts[0])-1 || strings.ContainsAny(texts[0], " ,<>") {
				return "", hint.New("this is no mail address", "give one such as postmaster@example.org, or none")
			}
			return texts[0], nil
		},
	}, "none is needed")
	bound := func(f Facts, a *ask.Answers) bool {
		ca, err := o.cas.Find(o.server.Get(f, a))
		return err == nil && ca.EAB
	}
	wanted := func(f Facts, a *ask.Answers) bool { return bound(f, a) || o.ownCA(f, a) }
	o.eabKID = optional(ask.Question[string, Facts]{
		Key:         "eab-kid",
		Title:       "Which account at the CA's web page is this server's?",
		Why:         "This CA signs only for accounts that were made at its web page (external account binding).",
		Help:        `The key ID that the CA shows there (RFC 8555, section 7.3.4). It is no secret; the key that comes with it is.`,
		Placeholder: "key ID",
		Needs:       "a CA that binds accounts (--server)",
		When:        wanted,
		Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[string] {
			if bound(f, a) {
				return ask.Suggestion[string]{Why: "the CA's web page shows it, after you made an account there"}
			}
			return suggest("", ask.Default, "a private CA rarely requires it")
		},
		Sure: func(f Facts, a *ask.Answers) bool { return !bound(f, a) },
	}, "")
	o.eabHMACFile = optional(ask.Question[string, Facts]{
		Key:         "eab-hmac-file",
		Title:       "In which file is the key of that account?",
		Why:         "Whoever has the key can bind accounts to yours; so it is read from a file and never given on a command line.",
		Help:        `A file that only root can read, with the key in base64url as the CA's web page shows it.`,
		Placeholder: "/path/to/eab.key",
		Parse:       func(texts []string) (string, error) { return texts[0], absolute(texts[0]) },
		Needs:       "--eab-kid, and a CA that binds accounts (--server)",
		When:        func(f Facts, a *ask.Answers) bool { return wanted(f, a) && o.eabKID.Get(f, a) != "" },
		Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
			return ask.Suggestion[string]{Why: "only you know where you put it"}
		},
	}, "")
}

// ownCA reports whether the CA is given by an address that the list does not have.
func (o *Order) ownCA(f Facts, a *ask.Answers) bool {
	ca, err := o.cas.Find(o.server.Get(f, a))
	return err == nil && ca.Source == ""
}

// ca is the CA that was chosen, or nothing.
func (o *Order) ca(f Facts, a *ask.Answers) authority.CA {
	ca, _ := o.cas.Find(o.server.Get(f, a))
	return ca
}
