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
		Title:   "Certificate authority (CA)",
		Why:     "The CA signs the certificate, and every sender that trusts the CA trusts the certificate.",
		Help: `Verifying senders trust the CAs that web browsers trust; any of the public ones will do. A private CA is for
closed groups: give the https address of its ACME directory, and --acme-ca-file. The notes on each CA are as
of ` + o.cas.AsOf + `; your own list in /etc/postseal/cas.json replaces this one.`,
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
					return suggest(c.Name, ask.Default, "it needs no account created by hand, and has a staging environment")
				}
			}
			return ask.Suggestion[string]{Why: "no CA in the list has a staging environment without an account"}
		},
		Check: func(v string, _ Facts, _ *ask.Answers) error {
			_, err := o.cas.Find(v)
			return err
		},
	}
	o.caFile = optional(ask.Question[string, Facts]{
		Key:         "acme-ca-file",
		Title:       "Root certificate of your private CA",
		Why:         "A private CA presents a certificate that no public CA signed.",
		Help:        `The PEM file with the root certificate of a private CA.`,
		Placeholder: "/path/to/root.pem",
		Parse:       func(texts []string) (string, error) { return texts[0], absolute(texts[0]) },
		Needs:       "the address of a private CA: --server https://...",
		When:        o.ownCA,
	}, "the system's CA certificates may include it")
	o.email = optional(ask.Question[string, Facts]{
		Key:         "email",
		Title:       "Contact address for the CA",
		Why:         "Most CAs no longer send messages: Let's Encrypt stopped in 2025.",
		Help:        `An address to which the CA may write. It is stored with the account.`,
		Placeholder: "postmaster@example.org",
		Parse: func(texts []string) (string, error) {
			if at := strings.Index(texts[0], "@"); at < 1 || at == len(texts[0])-1 || strings.ContainsAny(texts[0], " ,<>") {
				return "", hint.New("not a mail address", "use an address such as postmaster@example.org, or none")
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
		Title:       "Key ID of the account at the CA (EAB)",
		Why:         "This CA signs only for accounts that were created on its website (external account binding).",
		Help:        `The key ID that the CA shows there (RFC 8555, section 7.3.4). It is not secret; the key that comes with it is.`,
		Placeholder: "key ID",
		Needs:       "a CA with external account binding (--server)",
		When:        wanted,
		Suggest: func(f Facts, a *ask.Answers) ask.Suggestion[string] {
			if bound(f, a) {
				return ask.Suggestion[string]{Why: "the CA's website shows it after you create an account there"}
			}
			return suggest("", ask.Default, "a private CA rarely requires it")
		},
		Sure: func(f Facts, a *ask.Answers) bool { return !bound(f, a) },
	}, "")
	o.eabHMACFile = optional(ask.Question[string, Facts]{
		Key:         "eab-hmac-file",
		Title:       "Key file of the account at the CA (EAB)",
		Why:         "Anyone with the key can bind accounts to yours, so it is read from a file and never passed on a command line.",
		Help:        `A file that only root can read, with the key in base64url as the CA's website shows it.`,
		Placeholder: "/path/to/eab.key",
		Parse:       func(texts []string) (string, error) { return texts[0], absolute(texts[0]) },
		Needs:       "--eab-kid, and a CA with external account binding (--server)",
		When:        func(f Facts, a *ask.Answers) bool { return wanted(f, a) && o.eabKID.Get(f, a) != "" },
		Suggest: func(Facts, *ask.Answers) ask.Suggestion[string] {
			return ask.Suggestion[string]{Why: "only you know where it is"}
		},
	}, "")
}

// ownCA reports whether the CA is given by an address that is not in the list.
func (o *Order) ownCA(f Facts, a *ask.Answers) bool {
	ca, err := o.cas.Find(o.server.Get(f, a))
	return err == nil && ca.Source == ""
}

// ca returns the chosen CA, or the zero CA.
func (o *Order) ca(f Facts, a *ask.Answers) authority.CA {
	ca, _ := o.cas.Find(o.server.Get(f, a))
	return ca
}
