package report

import (
	"fmt"
	"strconv"
	"strings"

	"postseal/internal/census"
)

// who names a peer.
func who(x census.Peer) string {
	out := x.Name
	switch {
	case x.Direction == census.Inbound:
		out += " [" + x.Address + "]"
	case x.MX != "":
		out += " (" + x.MX + " [" + x.Address + "])"
	}
	if x.Service != "" {
		out += ", " + x.Service
	}
	if x.Local {
		out += ", this machine"
	}
	return out
}

func causes(list []census.Cause) string {
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s (%s)", c.Reason, times(c.Count)))
	}
	return strings.Join(out, ", ")
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return grouped(n) + " times"
}

func afterwards(x census.Peer) string {
	if x.Direction == census.Outbound {
		return map[census.After]string{
			census.InCleartext: "mail was delivered in cleartext", census.InTLS: "mail was delivered with TLS",
			census.Returned: "mail was delivered, with TLS or not",
		}[x.After] + map[bool]string{true: "no mail was delivered"}[x.After == census.NeverReturned || x.After == census.NeverFailed]
	}
	switch x.After {
	case census.InCleartext:
		return "came back in cleartext"
	case census.InTLS:
		return "came back with TLS"
	case census.Returned:
		return "came back, in TLS or not"
	}
	return "never came back"
}

// local says how much of the mail did not leave this machine.
func local(f census.Traffic, preposition string) string {
	if f.LocalMessages == 0 {
		return ""
	}
	return fmt.Sprintf(", %s of them %s this machine itself", grouped(f.LocalMessages), preposition)
}

// several names a few servers.
func several(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

func sources(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	return fmt.Sprintf("%d files", len(list))
}

func days(n float64) string {
	switch {
	case n*24 < 1:
		return counted(int(n*24*60), "minute", "minutes")
	case n < 1:
		return fmt.Sprintf("%.1f hours", n*24)
	}
	return fmt.Sprintf("%.1f days", n)
}

func counted(n int, one, many string) string {
	return grouped(n) + " " + plural(n, one, many)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// grouped is a number with commas: 1,234,567.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
