package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/rehearse"
	"postseal/internal/sink"
)

// Trial prints what one client, or one server, met with.
func (p Printer) Trial(t rehearse.Trial) {
	p.printf("  %s %-21s", p.verdict(t.Verdict), t.With)
	p.indented(" ", 26, t.Got)
	if t.Want != "" {
		p.indented(painted(strings.Repeat(" ", 26)+"should be: "), 37, t.Want)
	}
	if t.Cause != nil && t.Verdict != rehearse.Fine {
		p.indented(painted(strings.Repeat(" ", 26)), 26, Cause(*t.Cause))
	}
}

// Cause is one line about why a trial failed, with where the setting stands and
// which answer changes it.
func Cause(c rehearse.Cause) string {
	text := c.Text
	if c.Origin != "" {
		text += fmt.Sprintf(" (%s, %s)", c.Parameter, c.Origin)
	} else if c.Parameter != "" {
		text += fmt.Sprintf(" (%s)", c.Parameter)
	}
	switch {
	case c.Foreign && c.Origin != "":
		text += "; no question covers it: edit that line"
	case c.Question != "" && !c.Foreign:
		text += "; --" + c.Question + " changes it"
	}
	return text
}

func (p Printer) verdict(v rehearse.Verdict) painted {
	switch v {
	case rehearse.Failed:
		return p.bad()
	case rehearse.Noted:
		return p.note()
	}
	return p.good()
}

// Rehearsal prints what a rehearsal found, by listener and by level.
func (p Printer) Rehearsal(r *rehearse.Report) {
	group := ""
	for _, t := range r.Trials {
		g := "Receiving at " + t.Service
		if t.Level != "" {
			g = "Sending" + t.By() + " at level " + t.Level
		}
		if g != group {
			p.printf("%s\n", g)
			group = g
		}
		p.Trial(t)
	}
	for _, n := range r.Notes {
		p.signed(p.note(), "%s", n)
	}
	p.Rehearsed(r)
}

// Rehearsed is the last line of a rehearsal.
func (p Printer) Rehearsed(r *rehearse.Report) {
	took, who := r.Took.Round(100*time.Millisecond), r.Whom()
	if n := len(r.Failures()); n > 0 {
		p.signed(p.bad(), "%d of %d failed, in %s. Real mail was not touched.", n, len(r.Trials), took.String())
		return
	}
	if len(r.Missing) > 0 {
		p.signed(p.note(), "%d %s as expected, in %s; %s was not rehearsed. Real mail was not touched.", len(r.Trials), who, took.String(), strings.Join(r.Missing, " and "))
		return
	}
	noted := 0
	for _, t := range r.Trials {
		if t.Verdict == rehearse.Noted {
			noted++
		}
	}
	if noted > 0 {
		p.signed(p.good(), "%d %s, none failed, %d to review, in %s. Real mail was not touched.", len(r.Trials), who, noted, took.String())
		return
	}
	p.signed(p.good(), "%d %s, all as expected, in %s. Real mail was not touched.", len(r.Trials), who, took.String())
}

// cell is what a matrix says of one message, in a word.
func cell(t rehearse.Trial) string {
	switch {
	case t.Verdict == rehearse.Failed && (t.Outcome == rehearse.Held || t.Outcome == ""):
		return "failed"
	case t.Outcome == rehearse.Verified:
		return "proof"
	case t.Outcome == rehearse.Encrypted:
		return "TLS"
	case t.Outcome == rehearse.InClear:
		return "clear"
	case t.Unsettled:
		return "?"
	case t.Clear != "":
		return "later"
	case t.Outcome == rehearse.Held:
		return "held"
	}
	return "-"
}

// legend explains the words of a matrix.
var legend = [][2]string{
	{"proof", "delivered encrypted, server authenticated"},
	{"TLS", "delivered encrypted, server not authenticated"},
	{"clear", "delivered in cleartext: anyone on the network path can read it"},
	{"later", "deferred, then sent in cleartext some minutes later"},
	{"held", "deferred, then returned to the sender after some days"},
	{"failed", "not delivered, but should be; see the reason below"},
	{"?", "deferred, and not retried during the rehearsal: this machine is busy; run it again"},
}

// Matrix prints what became of a message at every level, side by side. Where
// the width is not enough for all levels, they come one after the other.
func (p Printer) Matrix(r *rehearse.Report) {
	rows, levels, at := r.Table()
	name, word := 0, 5
	words := map[string]bool{}
	for _, t := range r.Trials {
		words[cell(t)] = true
		word = max(word, len(cell(t)))
	}
	for _, row := range rows {
		name = max(name, len(row))
	}
	for len(levels) > 0 {
		width, n := name, 0
		for n < len(levels) && (n == 0 || width+2+max(len(levels[n]), word) <= p.width()) {
			width += 2 + max(len(levels[n]), word)
			n++
		}
		p.printf("%s", fmt.Sprintf("%-*s", name, ""))
		for _, l := range levels[:n] {
			p.printf("  %s", fmt.Sprintf("%-*s", max(len(l), word), l))
		}
		fmt.Fprintln(p.W)
		for _, row := range rows {
			p.printf("%s", fmt.Sprintf("%-*s", name, row))
			for _, l := range levels[:n] {
				t := at[[2]string{row, l}]
				said := cell(t)
				p.printf("  %s%s", p.shade(said, t), strings.Repeat(" ", max(len(l), word)-len(said)))
			}
			fmt.Fprintln(p.W)
		}
		levels = levels[n:]
		fmt.Fprintln(p.W)
	}
	for _, l := range legend {
		if rare := l[0] == "?" || l[0] == "failed"; rare && !words[l[0]] {
			continue
		}
		p.printf("%s  %s\n", p.shade(l[0], rehearse.Trial{})+painted(strings.Repeat(" ", word-len(l[0]))), l[1])
	}
	seen := ""
	for _, t := range r.Trials {
		if t.Clear != "" && t.Clear != seen {
			seen = t.Clear
			p.indented("later: ", 7, t.Clear)
		}
	}
	fmt.Fprintln(p.W)
	for _, row := range rows {
		i := slices.IndexFunc(r.Trials, func(t rehearse.Trial) bool { return t.With == row })
		p.indented(painted(fmt.Sprintf("%-*s  ", name, row)), name+2, r.Trials[i].Text)
	}
	p.causes(r)
	for _, n := range r.Notes {
		p.signed(p.note(), "%s", n)
	}
}

// causes says once each why messages did not go as they should.
func (p Printer) causes(r *rehearse.Report) {
	told := map[string]bool{}
	for _, v := range []rehearse.Verdict{rehearse.Failed, rehearse.Noted} {
		for _, t := range r.Trials {
			if t.Verdict != v || t.Want == "" || t.Cause == nil || told[Cause(*t.Cause)] {
				continue
			}
			told[Cause(*t.Cause)] = true
			p.signed(p.verdict(v), "%s", Cause(*t.Cause))
		}
	}
}

// shade colours a word of a matrix; what failed is bold and bad.
func (p Printer) shade(word string, t rehearse.Trial) painted {
	switch {
	case t.Verdict == rehearse.Failed:
		return p.paint(red, word)
	case word == "proof":
		return p.paint(green, word)
	case word == "clear" || word == "later":
		return p.paint(yellow, word)
	}
	return painted(word)
}

// Session prints what a client did at a sink.
func (p Printer) Session(s sink.Session) {
	how := "in clear"
	switch {
	case s.Encrypted():
		how = "in " + s.Version + ", " + s.Suite
		if s.ServerName != "" {
			how += ", asking for " + s.ServerName
		}
		if s.Presented != "" {
			how += ", with the client certificate " + s.Subject + " (SHA-256 " + s.Presented[:16] + "…)"
		}
	case s.Tried:
		how = "after a failed STARTTLS"
	}
	what := "disconnected without sending mail"
	if len(s.Recipients) > 0 {
		what = "delivered to " + strings.Join(s.Recipients, ", ")
	}
	text := fmt.Sprintf("%s %s (%s) %s, %s", s.When.Local().Format(time.TimeOnly), s.Client, s.HELO, what, how)
	if s.Error != "" {
		text += ": " + s.Error
	}
	p.indented("", 4, text)
}
