package report

import (
	"fmt"
	"strings"
	"time"

	"postseal/internal/hello"
	"postseal/internal/listen"
)

// Heard is what is known of senders, with what was just seen and what is considered.
type Heard struct {
	Store *listen.Store
	// Run is the run that has just ended, or nil.
	Run *listen.Run
	// Proposal says in words what is considered, and Server is what would be accepted
	// then. Both are empty if nothing is.
	Proposal string
	Server   *hello.Server
}

// shown is how many senders and hellos the text lists.
const shown = 20

// Heard prints what is known of senders.
func (p Printer) Heard(h Heard) {
	s := h.Store
	var began, plain uint64
	for _, x := range s.Senders {
		began, plain = began+x.TLS, plain+x.Cleartext
	}
	if r := h.Run; r != nil {
		p.signed(p.good(), "This run took %s: %s began TLS, %d went on in cleartext.", span(r.Ended.Sub(r.Began)), count(r.TLS, "connection"), r.Cleartext)
		if r.Pushed > 0 {
			p.signed(p.note(), "%s were given up, because more were open than fit into memory.", count(r.Pushed, "connection"))
		}
	}
	p.signed(p.good(), "Listened for %s in all since %s: %s, %s with TLS, %d without, %s.", span(s.Listened), s.Since.UTC().Format(time.DateOnly),
		count(uint64(len(s.Senders)), "sender"), count(began, "connection"), plain, count(uint64(len(s.Hellos)), "distinct hello"))
	if s.Lost > 0 {
		p.signed(p.note(), "The kernel dropped %s that were not read in time: some hellos are missing.", count(s.Lost, "packet"))
	}
	if s.Unread > 0 {
		p.signed(p.note(), "%s ended without mail or a whole hello.", count(s.Unread, "connection"))
	}
	if s.Forgotten > 0 {
		p.signed(p.note(), "%s that had not been seen for long made room for others.", count(s.Forgotten, "sender"))
	}
	if h.Server != nil {
		p.heardAffected(h)
		return
	}
	p.hellos(s)
	p.senders(s)
}

func (p Printer) hellos(s *listen.Store) {
	from := map[string]int{}
	for _, x := range s.Senders {
		for id := range x.Hellos {
			from[id]++
		}
	}
	all := s.Fingerprints()
	if len(all) > 0 {
		p.printf("\nHellos\n")
	}
	for _, id := range all[:min(shown, len(all))] {
		x := s.Hellos[id]
		p.printf("  %s  %s from %s\n", id[:8], count(x.Count, "connection"), count(uint64(from[id]), "sender"))
		for _, row := range []struct {
			name  string
			words []string
		}{{"versions", versions(x.Hello)}, {"suites", x.Hello.SuiteNames()}, {"groups", x.Hello.GroupNames()}, {"signatures", x.Hello.SignatureNames()}} {
			if len(row.words) > 0 {
				p.indented(painted(fmt.Sprintf("    %-11s ", row.name)), 16, strings.Join(row.words, ", "))
			}
		}
	}
	p.more(len(all), "hellos")
}

// versions are the names of those that a hello lists, or the newest one.
func versions(h *hello.Hello) []string {
	out := h.VersionNames()
	if len(h.Versions) == 0 {
		out[0] = "up to " + out[0]
	}
	if h.Old {
		out = append(out, "in the format of SSL 2.0")
	}
	return out
}

func (p Printer) senders(s *listen.Store) {
	all := s.Addresses()
	if len(all) > 0 {
		p.printf("\nSenders\n")
	}
	for _, address := range all[:min(shown, len(all))] {
		x := s.Senders[address]
		text := fmt.Sprintf("%d with TLS, %d without, last %s", x.TLS, x.Cleartext, x.Last.UTC().Format(time.DateOnly))
		var ids []string
		for _, id := range s.Fingerprints() {
			if x.Hellos[id] > 0 {
				ids = append(ids, id[:8])
			}
		}
		if len(ids) > 0 {
			text += "; " + strings.Join(ids, ", ")
		}
		if len(x.Names) > 0 {
			text += "; asks for " + strings.Join(x.Names, ", ")
		}
		p.indented(painted(fmt.Sprintf("  %-20s ", address.WithZone(""))), 23, text)
	}
	p.more(len(all), "senders")
}

func (p Printer) more(n int, what string) {
	if n > shown {
		p.printf("  and %d more %s: --json lists them\n", n-shown, what)
	}
}

// heardAffected prints what a proposal would change.
func (p Printer) heardAffected(h Heard) {
	all := h.Store.Affected(*h.Server)
	known := 0
	for _, x := range h.Store.Senders {
		if len(x.Hellos) > 0 {
			known++
		}
	}
	p.printf("\n")
	if len(all) == 0 {
		p.signed(p.good(), "With %s, all %s whose hello is known would still agree on TLS.", h.Proposal, count(uint64(known), "sender"))
		return
	}
	p.signed(p.bad(), "With %s, %d of %s would lose TLS in some connections or all:", h.Proposal, len(all), count(uint64(known), "sender"))
	for _, a := range all[:min(shown, len(all))] {
		p.indented(painted(fmt.Sprintf("  %-20s ", a.Address.WithZone(""))), 23, fmt.Sprintf("no %s in common in %d of %s, last %s", a.Lacks, a.Failing, count(a.Known, "connection"), a.Last.UTC().Format(time.DateOnly)))
	}
	p.more(len(all), "senders")
}

func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// span is a time as people read it.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}
