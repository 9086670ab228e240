package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"postseal/internal/detect"
	"postseal/internal/hint"
)

// Remark is one line about the server, with a sign.
type Remark struct {
	// Sign is one of ✓ ! ✗.
	Sign string
	// Text is what was found, Detail where or why.
	Text, Detail string
}

// Remarks are what a person wants to know first, in the order of looking.
func Remarks(f *detect.Facts) []Remark {
	var out []Remark
	add := func(sign, detail, format string, args ...any) {
		out = append(out, Remark{sign, fmt.Sprintf(format, args...), detail})
	}
	if f.Config.Version.Known() {
		add(signGood, f.Config.Dir, "Postfix %s, %s", f.Config.Version, openSSL(f.OpenSSL))
	} else {
		add(signNote, f.Config.Dir, "Postfix of an unknown release")
	}
	for _, i := range f.Instances {
		if i.Dir != f.Config.Dir {
			add(signGood, "--config-dir", "another instance: %s", i.Dir)
		}
	}
	add(signGood, f.RoleWhy, "a %s", f.Role)
	tls := 0
	for _, e := range f.Config.Main.Entries() {
		if strings.Contains(e.Name, "tls") {
			tls++
		}
	}
	obsolete := 0
	for _, p := range f.Problems {
		if p.Kind == detect.Obsolete {
			obsolete++
		}
	}
	sign, detail := signGood, "none obsolete"
	if obsolete > 0 {
		sign, detail = signNote, fmt.Sprintf("%d of them obsolete", obsolete)
	}
	add(sign, detail, "main.cf sets %d parameters, %d about TLS", len(f.Config.Main.Entries()), tls)
	for _, l := range f.Listeners {
		sign := signGood
		if l.Level == "none" && l.Kind != detect.Internal || len(l.Service.Stray) > 0 {
			sign = signNote
		}
		add(sign, l.Addr, "%s: %s", l.Service.ID(), listener(l))
	}
	out = append(out, certificates(f)...)
	out = append(out, exposed(f)...)
	switch f.Resolver.Validates {
	case detect.Yes:
		add(signGood, f.Resolver.Path, "%s", f.Resolver.Why)
	default:
		add(signNote, "no DANE when sending", "%s", f.Resolver.Why)
	}
	if f.Bundle.Err == nil {
		add(signGood, f.Bundle.Path, "%d CA certificates of the distribution", len(f.Bundle.Certs))
	} else {
		add(signNote, "install ca-certificates", "%v", f.Bundle.Err)
	}
	switch {
	case f.Log.Path != "":
		add(signGood, f.Log.Why, "log in %s", f.Log.Path)
	case f.Log.Journal:
		add(signGood, f.Log.Why, "log in the journal")
	default:
		add(signNote, "", "%s", f.Log.Why)
	}
	for _, m := range f.Managers {
		sign := signGood
		if m.Overwrites {
			sign = signNote
		}
		add(sign, m.Evidence, "%s manages this too", m.Name)
	}
	for _, u := range f.Unseen {
		add(signNote, u.Why, "not seen: %s", u.What)
	}
	return out
}

// openSSL cuts the date off.
func openSSL(s string) string {
	w := strings.Fields(s)
	return strings.Join(w[:min(2, len(w))], " ")
}

func listener(l detect.Listener) string {
	if len(l.Service.Stray) > 0 {
		return fmt.Sprintf("does not run: line %d of master.cf has the word %.40q, which is no option", l.Service.Stray[0].Line, l.Service.Stray[0].Text)
	}
	what := map[string]string{"none": "no TLS", "may": "TLS offered", "encrypt": "TLS demanded"}[l.Level]
	if l.Wrapper {
		what = "implicit TLS"
	}
	if l.Kind == detect.Internal {
		what += ", internal"
	}
	if l.Screened {
		what += ", behind postscreen"
	}
	return what
}

func certificates(f *detect.Facts) (out []Remark) {
	for _, c := range f.Certificates {
		if !c.InUse() {
			continue
		}
		use := "certificate"
		if c.Client && !c.Server {
			use = "client certificate"
		}
		if len(c.Services) > 0 {
			use = "certificate of " + strings.Join(c.Services, " and ")
		}
		if len(c.SNI) > 0 {
			use = "certificate for " + strings.Join(c.SNI, ", ")
		}
		if c.Err != nil {
			out = append(out, Remark{signBad, use + ": " + c.Fault(), c.Origin.String()})
			continue
		}
		left := int(c.NotAfter.Sub(f.Now).Hours() / 24)
		sign := signGood
		life := fmt.Sprintf("until %s", c.NotAfter.UTC().Format(time.DateOnly))
		switch {
		case left < 0:
			sign, life = signBad, fmt.Sprintf("expired %s", c.NotAfter.UTC().Format(time.DateOnly))
		case left < 15:
			sign, life = signNote, fmt.Sprintf("expires in %d days", left)
		}
		issuer := c.Issuer
		if c.SelfSigned {
			issuer = "self-signed"
		}
		names := strings.Join(c.Names, ", ")
		if needed := f.NamesFor(c); len(needed) > 0 && !slices.ContainsFunc(needed, c.Covers) {
			sign = signNote
			names += ", not this server's name"
		}
		out = append(out, Remark{sign, fmt.Sprintf("%s %s %d for %s", use, c.Algorithm, c.Bits, names), life + ", " + issuer})
		if !c.Complete {
			out = append(out, Remark{signNote, "its chain lacks the issuer's certificate", c.Chain})
		}
		if c.Refused != "" {
			out = append(out, Remark{signBad, "Postfix does not load it: " + c.Refused, c.Origin.String()})
		}
		if c.KeyMatch != detect.Yes {
			out = append(out, Remark{signNote, "its key was not compared: " + c.Key, "needs root"})
		}
	}
	for _, s := range f.StaleMaps {
		out = append(out, Remark{signBad, s.Table + " is older than its files", hint.ShellLine(s.Remedy())})
	}
	if len(f.ServerCertificates()) == 0 && f.Role != detect.Sender {
		out = append(out, Remark{signNote, "no certificate is set", "senders get no TLS"})
	}
	return out
}

// exposed are the files that other accounts can change and the keys that they can
// read, each folder or file once, with the command that ends it.
func exposed(f *detect.Facts) (out []Remark) {
	for _, a := range f.Access {
		for _, w := range a.Weaknesses {
			sign := signNote
			if grave(w) {
				sign = signBad
			}
			r := Remark{sign, w.Text, hint.ShellLine(w.Remedy)}
			if a.Held != detect.HoldsTable && !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out
}

// Remarks prints what was found, without judging it.
func (p Printer) Remarks(f *detect.Facts) {
	signs := map[string]painted{signGood: p.good(), signNote: p.note(), signBad: p.bad()}
	for _, r := range Remarks(f) {
		text := oneLine(r.Text)
		if r.Detail == "" {
			p.signed(signs[r.Sign], "%s", text)
			continue
		}
		const column = 46
		n := utf8.RuneCountInString(text)
		fits := p.piped() || 2+column+utf8.RuneCountInString(oneLine(r.Detail)) <= p.width()
		if n < column && fits {
			p.printf("%s %s%s%s\n", signs[r.Sign], text, strings.Repeat(" ", column-n), p.paint(quiet, r.Detail))
			continue
		}
		p.signed(signs[r.Sign], "%s", text)
		p.indented("  ", 2, r.Detail)
	}
}

// Facts prints what was found, and the settings that do not do what they seem
// to. It returns the number of those.
func (p Printer) Facts(f *detect.Facts) int {
	p.Remarks(f)
	if len(f.Problems) > 0 {
		p.printf("\n")
		p.indented("", 0, "Settings that have no effect, or a different one:")
	}
	for _, x := range f.Problems {
		sign := p.note()
		if x.Fatal {
			sign = p.bad()
		}
		where := x.Origin.String()
		if x.Parameter != "" {
			where = x.Parameter + "  " + where
		}
		p.printf("%s %s\n", sign, p.paint(bold, where))
		p.indented("  ", 2, x.Text)
	}
	return len(f.Problems)
}
