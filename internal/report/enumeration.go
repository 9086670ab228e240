package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/probe"
)

// Enumeration prints what a server takes.
func (p Printer) Enumeration(e *probe.Enumeration) {
	p.indented(p.paint(bold, e.Addr)+"  ", 4, e.Greeting)
	p.fact("EHLO", strings.Join(e.Before, ", "))
	p.fact("EHLO in TLS", strings.Join(e.After, ", "))
	for _, l := range e.Certificates {
		p.fact("certificate", fmt.Sprintf("%s %d for %s until %s, SHA-256 %.16s…", l.Algorithm, l.Bits, strings.Join(l.Names, ", "), l.NotAfter.UTC().Format(time.DateOnly), l.Fingerprint))
		p.fact("", fmt.Sprintf("of %s, signed with %s, %d in the chain", l.Issuer, l.Signature, l.Length))
	}
	p.fact("groups", strings.Join(e.Groups, ", "))
	p.fact("curves of TLS 1.2", strings.Join(e.Curves, ", "))
	var yes []string
	for text, has := range map[string]bool{"extended master secret": e.Extended, "encrypt then MAC": e.MACLater, "tickets": e.Tickets, "secure renegotiation": e.Secure} {
		if has {
			yes = append(yes, text)
		}
	}
	slices.Sort(yes)
	p.fact("TLS 1.2 has", strings.Join(yes, ", "))
	p.fact("sessions", strings.Join(e.Resumes, ", "))
	for _, n := range e.Names {
		p.fact("server name", named(n))
	}
	if e.Anew != nil && *e.Anew {
		p.signed(p.note(), "clients may renegotiate: that costs the server much more than the client")
	}
	if e.AsksCertificate {
		p.fact("asks for", fmt.Sprintf("a client certificate, of %d CAs", e.Authorities))
	}
	if e.Compressed {
		p.signed(p.bad(), "TLS compression is on: an attacker can guess encrypted content (CRIME)")
	}
	if e.Injected != nil && *e.Injected {
		p.signed(p.bad(), "a command sent in cleartext was executed inside TLS (CVE-2011-0411)")
	}
	if e.Refused != "" {
		p.signed(p.bad(), "a full handshake with current cipher suites failed: %s", e.Refused)
	}
	for _, v := range e.Versions {
		order := ""
		if v.Chooses != "" {
			order = ", the " + v.Chooses + " chooses"
		}
		p.printf("%s\n", p.paint(bold, fmt.Sprintf("%s  %d suites%s", v.Name, len(v.Suites), order)))
		for _, s := range v.Suites {
			detail := s.Group
			if s.DHBits > 0 {
				detail = fmt.Sprintf("%d bits", s.DHBits)
			}
			if s.Signature != "" {
				detail += ", " + s.Signature
			}
			p.printf("%s\n", strings.TrimRight(fmt.Sprintf("  %-32s  %s", s.OpenSSL, detail), " "))
		}
		if len(v.Signatures) > 0 {
			label := "  signs with  "
			if e.Quick {
				label = "  signs with (among others)  "
			}
			p.indented(p.paint(quiet, label), 14, strings.Join(v.Signatures, ", "))
		}
	}
	if no := e.NotTaken(); len(no) > 0 && len(e.Versions) > 0 {
		p.indented(p.paint(bold, "refused  "), 9, strings.Join(no, ", "))
	}
	if len(e.Versions) == 0 {
		p.signed(p.bad(), "no TLS could be negotiated")
	}
	if e.Incomplete {
		p.signed(p.note(), "not everything could be tested: %s", e.Problem)
	}
	p.printf("%d handshakes in %s; no mail was sent.\n", e.Handshakes, e.Took.Round(time.Millisecond).String())
}

// named says what a client gets that asks for a name.
func named(n probe.Named) string {
	text := n.Name
	if text == "" {
		text = "(none)"
	}
	if n.Refused != "" {
		return text + ": " + n.Refused
	}
	return fmt.Sprintf("%s: certificate %.16s…", text, n.Certificate)
}

// fact prints a name and a text, if there is one.
func (p Printer) fact(name, text string) {
	if text != "" {
		p.indented(p.paint(quiet, fmt.Sprintf("%-18s", name)), 18, text)
	}
}
