package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/census"
	"postseal/internal/postfix"
)

// longest is how many peers a list of the census has.
const longest = 20

// Census prints a census.
func (p Printer) Census(t Taken) {
	c := t.Census
	if c.First.IsZero() {
		p.signed(p.note(), "No session of Postfix is in the log: %s.", strings.Join(c.Sources, ", "))
		if c.Lines > 0 {
			p.signed(p.note(), "%s read. If Postfix logs under another name, add --syslog-name NAME.", counted(c.Lines, "line was", "lines were"))
		}
	} else {
		p.printf("%s from %s to %s, %s in %s\n", days(c.Days()), day(c.First), day(c.Last), counted(c.Lines, "line", "lines"), sources(c.Sources))
	}
	for _, trouble := range c.Troubles {
		p.signed(p.note(), "%s", trouble)
	}
	if c.TooLong > 0 {
		p.signed(p.note(), "%s longer than %d KiB were skipped.", counted(c.TooLong, "line", "lines"), census.MaxLine>>10)
	}
	if c.Unreadable > 0 {
		p.signed(p.note(), "%s of Postfix about sessions could not be read, and were not counted.", counted(c.Unreadable, "line", "lines"))
	}
	if c.First.IsZero() {
		return
	}
	p.receiving(t)
	p.sending(t)
	if t.Proposal != nil {
		p.affected(t)
	}
}

func (p Printer) receiving(t Taken) {
	f := t.Inbound
	p.printf("\n%s\n", p.paint(bold, "Receiving"))
	p.printf("  %s in %s from %s%s\n", counted(f.Messages, "message", "messages"), counted(f.Sessions, "session", "sessions"), counted(len(f.Peers), "client", "clients"), local(f, "from"))
	if f.Sessions == 0 {
		return
	}
	p.protocols(f)
	p.unnamed(f, "clients")
	if !f.Logged {
		p.unlogged(t, "smtpd_tls_loglevel", "How many sessions used STARTTLS is known, and which versions they used is not.")
	}
	failed := withMail(f.Peers, func(x census.Peer) bool { return len(x.Failures) > 0 })
	scanners := 0
	for _, x := range f.Peers {
		if x.Messages == 0 && len(x.Failures) > 0 {
			scanners++
		}
	}
	if len(failed) > 0 {
		p.signed(p.note(), "%s that delivered mail failed a handshake:", counted(len(failed), "client", "clients"))
		p.list(failed, func(x census.Peer) string {
			return fmt.Sprintf("%s: %s; then %s", who(x), causes(x.Failures), afterwards(x))
		})
	}
	if scanners > 0 {
		p.printf("  %s never delivered mail and failed the handshake, as scanners do.\n", counted(scanners, "client", "clients"))
	}
}

func (p Printer) sending(t Taken) {
	f := t.Outbound
	p.printf("\n%s\n", p.paint(bold, "Sending"))
	all := t.Destinations()
	p.printf("  %s in %s to %s%s\n", counted(f.Messages, "message", "messages"), counted(f.Sessions, "connection", "connections"), counted(len(all), "domain", "domains"), local(f, "to"))
	if f.Sessions == 0 && len(f.Peers) == 0 {
		return
	}
	p.protocols(f)
	p.unnamed(f, "destinations")
	if !f.Logged {
		p.unlogged(t, "smtp_tls_loglevel", "")
	} else if f.Unknown.Messages > 0 {
		p.signed(p.note(), "The first handshake in the log is of %s. Whether earlier mail went in TLS or in cleartext is not known.", day(f.Since))
	}
	cleartext := slices.DeleteFunc(all, func(d census.Destination) bool { return d.Local || d.CleartextMessages.N == 0 })
	if len(cleartext) > 0 {
		slices.SortStableFunc(cleartext, func(a, b census.Destination) int { return b.CleartextMessages.N - a.CleartextMessages.N })
		p.signed(p.note(), "%s received mail in cleartext:", counted(len(cleartext), "domain", "domains"))
		for _, d := range cleartext[:min(len(cleartext), longest)] {
			p.printf("    %s: %d of %s, last mail %s, through %s\n", d.Name, d.CleartextMessages.N, counted(d.Messages, "message", "messages"), day(d.Last), several(d.MX))
		}
		p.rest(len(cleartext))
	}
	off := slices.DeleteFunc(slices.Clone(f.Peers), func(x census.Peer) bool { return len(x.Deferred)+len(x.Failures) == 0 })
	if len(off) > 0 {
		p.signed(p.note(), "TLS failed or deferred mail for %s:", counted(len(off), "destination", "destinations"))
		p.list(off, func(x census.Peer) string {
			return fmt.Sprintf("%s: %s; then %s", who(x), causes(slices.Concat(x.Deferred, x.Failures)), afterwards(x))
		})
	}
}

// affected prints what a proposal would do.
func (p Printer) affected(t Taken) {
	all := t.Affected(*t.Proposal)
	p.printf("\n%s\n", p.paint(bold, "With "+t.Words))
	if len(all) == 0 && t.unknown() {
		p.signed(p.note(), "The log does not show which peers would be affected: see above.")
		return
	}
	if len(all) == 0 {
		p.signed(p.good(), "No peer that is in the log would be affected.")
		return
	}
	for _, part := range []struct {
		direction census.Direction
		certainty []census.Certainty
		sign      painted
		what      string
		of        int
	}{
		{census.Inbound, []census.Certainty{census.Evidence}, p.bad(), "%s would lose TLS, with %s of %s:", t.Inbound.Messages},
		{census.Inbound, []census.Certainty{census.UpperBound}, p.note(), "%s may lose TLS, with %s of %s, unless they support another suite:", t.Inbound.Messages},
		{census.Inbound, []census.Certainty{census.Sometimes}, p.note(), "%s would lose TLS in some sessions, with %s of %s, and used better in others:", t.Inbound.Messages},
		{census.Inbound, []census.Certainty{census.Unknown}, p.note(), "%s may have used TLS of a version that is not in the log, with %s of %s:", t.Inbound.Messages},
		{census.Outbound, []census.Certainty{census.Evidence, census.Sometimes}, p.bad(), "Mail to %s would be deferred, %s of %s:", t.Outbound.Messages},
		{census.Outbound, []census.Certainty{census.UpperBound}, p.note(), "Mail to %s may be deferred, %s of %s, unless their certificates can be verified:", t.Outbound.Messages},
		{census.Outbound, []census.Certainty{census.Unknown}, p.note(), "The log does not show what would happen to mail to %s, %s of %s:", t.Outbound.Messages},
	} {
		list := slices.DeleteFunc(slices.Clone(all), func(a census.Affected) bool {
			return a.Direction != part.direction || !slices.Contains(part.certainty, a.Certainty)
		})
		if len(list) == 0 {
			continue
		}
		messages, one, many := 0, "client", "clients"
		if part.direction == census.Outbound {
			one, many = "destination", "destinations"
		}
		for _, a := range list {
			messages += a.Messages
		}
		p.signed(part.sign, part.what, counted(len(list), one, many), grouped(messages), counted(part.of, "message", "messages"))
		for _, a := range list[:min(len(list), longest)] {
			p.indented("    ", 6, loss(a))
		}
		p.rest(len(list))
	}
}

// loss says what a peer would lose.
func loss(a census.Affected) string {
	text := who(census.Peer{Direction: a.Direction, Service: a.Service, Name: a.Name, MX: a.MX, Address: a.Address, Local: a.Local}) +
		": " + counted(a.Messages, "message", "messages")
	if a.Certainty != census.Unknown {
		text += ", " + a.Why
	}
	text += ", last seen " + day(a.Last)
	if a.After != "" {
		text += "; after a failed handshake, "
		if a.Direction == census.Inbound {
			text += "it "
		}
		text += afterwards(census.Peer{Direction: a.Direction, After: a.After})
	}
	return text
}

// unknown reports whether the log lacks what the proposal is about.
func (t Taken) unknown() bool {
	if t.Proposal.OutboundLevel != "" && !t.Outbound.Logged {
		return true
	}
	return (t.Proposal.Floor != "" || t.Proposal.Suites != nil) && !t.Inbound.Logged
}

// protocols prints how much went in which version.
func (p Printer) protocols(f census.Traffic) {
	names := make([]string, 0, len(f.Protocols))
	for n := range f.Protocols {
		names = append(names, n)
	}
	rank := func(n string) int { return slices.Index(postfix.Protocols, postfix.Protocol(n)) }
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(rank(b)-rank(a), strings.Compare(a, b)) })
	line := func(name string, v census.Volume) {
		p.printf("    %-16s %10s %-8s %10s %s\n", name, grouped(v.Messages), plural(v.Messages, "message", "messages"), grouped(v.Sessions), plural(v.Sessions, "session", "sessions"))
	}
	for _, n := range names {
		name := n
		if n == census.Unlogged {
			name = "TLS, not logged"
		}
		line(name, f.Protocols[n])
	}
	if f.Unknown != (census.Volume{}) {
		line("not known", f.Unknown)
	}
	if f.CleartextMessages.Known {
		line("cleartext", census.Volume{Sessions: f.CleartextSessions.N, Messages: f.CleartextMessages.N})
	}
}

// unnamed says what was counted of peers that were too many to be kept.
func (p Printer) unnamed(f census.Traffic, what string) {
	if f.Unnamed != (census.Volume{}) {
		p.signed(p.note(), "More than %s clients and destinations are in the log. Of further %s, %s in %s are in the sums and in no list.", grouped(census.MaxPeers), what,
			counted(f.Unnamed.Messages, "message", "messages"), counted(f.Unnamed.Sessions, "session", "sessions"))
	}
}

// unlogged says what a log level of 0 hides.
func (p Printer) unlogged(t Taken, parameter, left string) {
	p.signed(p.note(), "%s", strings.TrimSpace("No handshake is in the log: "+parameter+" was 0. "+left))
	if left == "" {
		p.signed(p.note(), "Whether this mail went in TLS or in cleartext is not known.")
	}
	if t.Observe != "" {
		p.indented("  ", 2, "To have Postfix log handshakes from now on:")
		p.command(4, t.Observe)
	}
}

func withMail(peers []census.Peer, is func(census.Peer) bool) []census.Peer {
	return slices.DeleteFunc(slices.Clone(peers), func(x census.Peer) bool { return x.Messages == 0 || !is(x) })
}

// list prints the first peers of a list.
func (p Printer) list(peers []census.Peer, text func(census.Peer) string) {
	for _, x := range peers[:min(len(peers), longest)] {
		p.indented("    ", 6, text(x))
	}
	p.rest(len(peers))
}

func (p Printer) rest(n int) {
	if n > longest {
		p.printf("    and %s more: --json lists all\n", grouped(n-longest))
	}
}
