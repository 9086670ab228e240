package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/hint"
)

// Judged is a certificate with where it was found.
type Judged struct {
	// Where is a path or an address; Role what it is used for, in words.
	Where string `json:"where"`
	Role  string `json:"role,omitempty"`
	// Err is why it cannot be judged; Unseen, that it is only that this user may
	// not read it.
	Err    string `json:"error,omitempty"`
	Unseen bool   `json:"unseen,omitempty"`
	// Access is how other accounts can change its files, or read its key.
	Access []detect.Weakness `json:"access,omitempty"`
	*certs.Inspection
}

// MarshalJSON writes empty lists as [] and not as null.
func (j Judged) MarshalJSON() ([]byte, error) {
	type fields Judged // the same, without this method
	if j.Inspection != nil {
		i := *j.Inspection
		i.Names, i.Links, i.Findings = list(i.Names), list(i.Links), list(i.Findings)
		j.Inspection = &i
	}
	var b bytes.Buffer
	err := Printer{W: &b}.JSON(fields(j))
	return b.Bytes(), err
}

// Broken reports whether something about it is bad.
func (j Judged) Broken() bool {
	return j.Err != "" && !j.Unseen || j.Inspection != nil && j.Has(certs.Bad) || slices.ContainsFunc(j.Access, grave)
}

// grave reports whether a weakness gives a key, or the choice of it, to others.
func grave(w detect.Weakness) bool {
	return w.Kind != detect.GroupReads && w.Kind != detect.Sheltered
}

// Certificate prints one: with all its findings and its chain, or, brief,
// only what is not good.
func (p Printer) Certificate(j Judged, brief bool) {
	var shown []certs.Finding
	sign := p.good()
	if j.Inspection != nil {
		for _, f := range j.Findings {
			if !brief || f.Level == certs.Bad || f.Level == certs.Note && remarkable[f.Topic] {
				shown = append(shown, f)
			}
		}
	}
	switch {
	case j.Broken():
		sign = p.bad()
	case j.Inspection == nil || brief && len(shown)+len(j.Access) > 0:
		sign = p.note()
	}
	p.printf("%s %s", sign, p.paint(bold, j.Where))
	if j.Role != "" {
		p.printf("  %s", p.paint(quiet, j.Role))
	}
	p.printf("\n")
	if j.Err != "" || j.Inspection == nil {
		p.message("  ", 2, cmp.Or(j.Err, "it could not be judged"))
		p.access(j.Access)
		return
	}
	if brief {
		p.indented("  ", 2, fmt.Sprintf("%s · %s %d · until %s · %s", strings.Join(j.Names, ", "), j.Algorithm, j.Bits, day(j.NotAfter), issuer(j.Facts)))
	} else {
		p.chain(j.Inspection)
	}
	for _, f := range shown {
		p.finding(f)
	}
	p.access(j.Access)
}

// access prints how other accounts can change the files or read the key, each with
// the command that ends it.
func (p Printer) access(all []detect.Weakness) {
	for _, w := range all {
		level := certs.Note
		if grave(w) {
			level = certs.Bad
		}
		p.finding(certs.Finding{Topic: "access", Level: level, Text: w.Text})
		if len(w.Remedy) > 0 {
			fmt.Fprint(p.W, p.paint(quiet, strings.Repeat(" ", column+2)+"→ "))
			p.command(0, hint.ShellLine(w.Remedy))
		}
	}
}

// remarkable are the topics whose notes a list shows; the others can wait
// until someone inspects the certificate.
var remarkable = map[string]bool{"life": true, "chain": true, "order": true, "TLSA": true, "file": true}

// chain draws it, leaf first, each under the one that it is signed by.
func (p Printer) chain(i *certs.Inspection) {
	for depth, l := range i.Links {
		lead := "  "
		if depth > 0 {
			lead = "  " + strings.Repeat("  ", depth-1) + "└ "
		}
		p.printf("%s%s\n", lead, l.Subject)
		p.printf("%s%s\n", strings.Repeat(" ", 2+2*depth), p.paint(quiet, fmt.Sprintf("%s, signed with %s, until %s", l.Key, l.Signature, day(l.NotAfter))))
	}
	lead := "  " + strings.Repeat("  ", len(i.Links)-1) + "└ "
	top := i.Links[len(i.Links)-1]
	switch {
	case top.SelfSigned:
	case i.Complete:
		p.printf("%s%s\n", lead, p.paint(quiet, top.Issuer+": a root; it need not be sent"))
	default:
		p.printf("%s%s %s\n", lead, p.bad(), p.paint(bold, top.Issuer+": missing"))
	}
	p.printf("\n")
}

// column is where the text of a finding begins, but for what all are indented by.
const column = 14

func (p Printer) finding(f certs.Finding) {
	sign := map[certs.Level]painted{certs.Good: p.good(), certs.Note: p.note(), certs.Bad: p.bad(), certs.Unknown: p.paint(quiet, "?")}[f.Level]
	lead := sign + " " + p.paint(bold, f.Topic) + painted(strings.Repeat(" ", max(1, column-2-len(f.Topic))))
	p.indented("  "+lead, column+2, f.Text)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func issuer(f certs.Facts) string {
	if f.SelfSigned {
		return "self-signed"
	}
	return f.Issuer
}
