package plan

import (
	"fmt"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/postfix"
)

// taken are the certificate and key files that the plan copies from, or that it makes
// Postfix read and Postfix does not read now.
func (b *builder) taken() (out []string) {
	add := func(paths ...string) {
		for _, p := range paths {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	var written []string
	for _, f := range b.p.Files {
		if f.Assemble != nil {
			written = append(written, f.Path)
			add(f.Assemble.From...)
		}
	}
	for _, prefix := range []string{"smtpd_tls_", "smtp_tls_"} {
		present := named(b.f, b.f.Config, prefix)
		for _, p := range named(b.f, b.after, prefix) {
			if !slices.Contains(present, p) && !slices.Contains(written, p) {
				add(p)
			}
		}
	}
	return out
}

// named are the certificate and key files that main.cf names.
func named(f *detect.Facts, c postfix.Config, prefix string) []string {
	g := *f
	g.Config = c
	groups, _ := g.CertificateFiles(nil, prefix)
	return slices.Concat(groups...)
}

// exposureRisk names the accounts that can change the files that a certificate and its
// key are taken from: with the next run, or without one, the server shows what they put
// there.
func (b *builder) exposureRisk() {
	var accounts, unjudged []string
	changes := map[string][]string{} // what each account can change
	alone := true
	for _, path := range b.taken() {
		p := b.f.PEM[path]
		for _, e := range p.Exposed {
			who := e.Who()
			if !slices.Contains(accounts, who) {
				accounts = append(accounts, who)
				alone = len(accounts) == 1 && e.Kind == host.OwnedByOther
			}
			if !slices.Contains(changes[who], e.Path) { // one folder can lead to several files
				changes[who] = append(changes[who], e.Path)
			}
		}
		if p.Unjudged != nil && b.f.Root { // of another user's plan, it is judged when root applies it
			unjudged = append(unjudged, fmt.Sprintf("the permissions of %s could not be checked: %v", path, p.Unjudged))
		}
	}
	var texts []string
	for _, who := range accounts {
		texts = append(texts, who+" can change "+strings.Join(changes[who], " and "))
	}
	if len(texts) > 0 {
		means := "they can replace"
		if alone {
			means = "that account can replace"
		}
		texts = []string{strings.Join(texts, ", ") + ": " + means + " the key and certificate that this server presents"}
	}
	if texts = append(texts, unjudged...); len(texts) > 0 {
		b.risk(RiskExposedCertificate, "%s. Use files that only root can change", strings.Join(texts, "; "))
	}
}

// keyNotes says which accounts can read a private key that the plan takes. A copy that
// only root can read does not make it secret again.
func (b *builder) keyNotes() {
	for _, path := range b.taken() {
		for _, w := range b.f.PEM[path].KeyReaders {
			remedy := "run " + hint.ShellLine(w.Remedy)
			switch w.Kind {
			case detect.EveryoneReads:
				b.p.Notes = append(b.p.Notes, w.Text+": create a new key, since the old one may have been copied, and "+remedy)
			case detect.GroupReads:
				b.p.Notes = append(b.p.Notes, w.Text+": if that is not intended, create a new key, since the old one may have been copied, and "+remedy)
			}
		}
	}
}
