package interview

import (
	"fmt"
	"slices"

	"postseal/internal/census"
)

// Loss says whom a stricter setting would affect, by this server's own log: senders that
// would lose TLS, or destinations whose mail would be deferred. It is empty where no mail
// of others is in the log.
func Loss(f Facts, p census.Proposal) string {
	if f.Census == nil {
		return ""
	}
	if p.OutboundLevel != "" {
		return deferred(f.Census, p)
	}
	senders := remote(f.Census.Inbound.Peers)
	if len(senders) == 0 {
		return ""
	}
	if !f.Census.Inbound.Logged {
		return "the log does not show what senders use, since smtpd_tls_loglevel was 0"
	}
	lost := remoteOf(f.Census.Affected(p), census.Inbound)
	text := fmt.Sprintf("in %s of the log, %s would lose TLS", period(f.Census), share(lost, senders, "sender", "senders"))
	if slices.ContainsFunc(lost, func(a census.Affected) bool { return a.Certainty == census.UpperBound }) {
		text += ", or fewer: the log does not show what else they support"
	}
	gone := slices.DeleteFunc(slices.Clone(lost), func(a census.Affected) bool { return a.After != census.NeverReturned })
	if len(gone) > 0 {
		text += fmt.Sprintf("; %d of them never delivered again after a failed handshake", len(gone))
	}
	return text
}

// deferred says to which destinations mail would be deferred at a level.
func deferred(c *census.Census, p census.Proposal) string {
	to := remote(c.Outbound.Peers)
	if len(to) == 0 {
		return ""
	}
	all := remoteOf(c.Affected(p), census.Outbound)
	told := slices.DeleteFunc(slices.Clone(all), func(a census.Affected) bool { return a.Certainty == census.Unknown })
	if len(told) == 0 && len(all) > 0 {
		return "the log does not show which destinations get cleartext, since smtp_tls_loglevel was 0"
	}
	unknown := len(all) - len(told)
	all = told
	text := fmt.Sprintf("in %s of the log, mail to %s would be deferred", period(c), share(all, to, "destination", "destinations"))
	if slices.ContainsFunc(all, func(a census.Affected) bool { return a.Certainty == census.UpperBound }) {
		text += ", or fewer: the log does not show whether their certificates are valid"
	}
	if unknown > 0 {
		text += fmt.Sprintf("; for %d more the log does not show it", unknown)
	}
	return text
}

// refused says from whom mail would be refused if TLS were required.
func refused(f Facts) string {
	if f.Census == nil {
		return ""
	}
	senders := remote(f.Census.Inbound.Peers)
	var cleartext []census.Affected
	unknown := 0
	for _, s := range senders {
		if !s.CleartextMessages.Known || s.Unknown.Messages > 0 {
			unknown++
		}
		if s.CleartextMessages.N > 0 {
			cleartext = append(cleartext, census.Affected{Name: s.Name, Address: s.Address, Messages: s.CleartextMessages.N})
		}
	}
	if len(senders) == 0 {
		return ""
	}
	if unknown == len(senders) {
		return "the log does not show which senders use cleartext"
	}
	text := fmt.Sprintf("in %s of the log, mail from %s came in cleartext and would be refused", period(f.Census), share(cleartext, senders, "sender", "senders"))
	if unknown > 0 {
		text += fmt.Sprintf("; for %d more the log does not show it", unknown)
	}
	return text
}

// remote are the peers on other machines that have exchanged mail with this server, without
// its own users.
func remote(all []census.Peer) []census.Peer {
	return slices.DeleteFunc(slices.Clone(all), func(p census.Peer) bool { return p.Local || p.Messages == 0 || p.Authenticated > 0 })
}

// remoteOf are those that a proposal affects.
func remoteOf(all []census.Affected, d census.Direction) []census.Affected {
	return slices.DeleteFunc(all, func(a census.Affected) bool { return a.Local || a.Messages == 0 || a.Direction != d })
}

// share is "4 of 812 senders (11 of 18240 messages)". Peers with one name count once.
func share(some []census.Affected, all []census.Peer, one, many string) string {
	names, of, messages, total := map[string]bool{}, map[string]bool{}, 0, 0
	for _, a := range some {
		names[a.Name+who(a.Name, a.Address)] = true
		messages += a.Messages
	}
	for _, p := range all {
		of[p.Name+who(p.Name, p.Address)] = true
		total += p.Messages
	}
	what := many
	if len(of) == 1 {
		what = one
	}
	if len(names) == 0 {
		return fmt.Sprintf("none of %d %s", len(of), what)
	}
	return fmt.Sprintf("%d of %d %s (%d of %d messages)", len(names), len(of), what, messages, total)
}

// who tells peers without a name apart.
func who(name, address string) string {
	if name == "unknown" {
		return " " + address
	}
	return ""
}

// period is how much time the log covers.
func period(c *census.Census) string {
	if days := c.Days(); days >= 2 {
		return fmt.Sprintf("%.0f days", days)
	} else if hours := days * 24; hours >= 2 {
		return fmt.Sprintf("%.0f hours", hours)
	}
	return "the last hours"
}
