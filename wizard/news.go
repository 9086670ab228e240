package wizard

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"postseal/internal/apply"
	"postseal/internal/audit"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/policy"
	"postseal/internal/publish"
	"postseal/internal/session"
)

// news is a sentence about how the server stands, with the key that leads to it, if any.
type news struct{ sign, text, key string }

// around is what takes a moment to find out: mail that is held, and TLSA records.
type around struct {
	// ready reports whether it was found out already.
	ready     bool
	held      []policy.Held
	published []publish.Report
	// queue and records are why nothing is known of the queue or of the records, or nil.
	queue, noRecords error
}

func lookAround(ctx context.Context, s *session.Session) (out around) {
	out.ready = true
	out.held, out.queue = policy.Queue(ctx, s.Machine, s.Facts, func(string, string) bool { return true })
	out.held = slices.DeleteFunc(out.held, func(h policy.Held) bool { return !h.ByTLS })
	out.published, out.noRecords = s.Published(ctx, false) // the page of its own says why not
	return out
}

// records counts the records to add or to remove now.
func (a around) records() (n int) {
	for _, r := range a.published {
		for _, x := range r.Due() {
			if x.Action != publish.Order {
				n++
			}
		}
	}
	return n
}

// since names the last run.
func (p *past) since() string { return "Since run " + number(p.last.ID) + " of " + day(p.last.When) }

// news says what has changed since the last run. Without grades they are not known yet.
func (p *past) news(grades []audit.Grade) (out []news) {
	if p.reverted != "" {
		out = append(out, news{sign: signBad, text: p.reverted})
	}
	if p.last == nil {
		if p.reverted == "" {
			out = append(out, news{sign: signNote, text: "main.cf has a block of postseal, but the record of the run that wrote it is missing, or cannot be read by this user."})
		}
		return out
	}
	worse, better := p.changes(grades)
	if len(worse) > 0 {
		out = append(out, news{sign: signNote, text: "Worse than after that run: " + strings.Join(worse, ", ") + ".", key: "f"})
	}
	if len(better) > 0 {
		out = append(out, news{sign: signGood, text: "Better than after that run: " + strings.Join(better, ", ") + "."})
	}
	if len(worse)+len(better) == 0 && grades != nil && len(p.last.Grades) > 0 {
		out = append(out, news{sign: signGood, text: "Every grade is as it was."})
	}
	if len(p.edits) == 0 {
		out = append(out, news{sign: signGood, text: "No file that postseal wrote was edited."})
	}
	for _, e := range p.edits {
		out = append(out, news{sign: signNote, text: editText(e)})
	}
	return out
}

// editText says what became of a file.
func editText(e apply.Edit) string {
	switch {
	case e.Gone:
		return e.Path + " is missing."
	case e.Err != nil:
		return e.Err.Error() + "."
	}
	return e.Path + " was edited on " + e.When.Local().Format("2006-01-02 15:04") + "."
}

// changes are the parts with another grade than after the last run.
func (p *past) changes(grades []audit.Grade) (worse, better []string) {
	for _, g := range grades {
		was := p.grade(string(g.Part))
		switch {
		case was == "" || was == g.Letter || was == audit.Unjudged || g.Letter == audit.Unjudged:
		case g.Letter > was:
			worse = append(worse, fmt.Sprintf("%s was %s and is %s", g.Part, was, g.Letter))
		default:
			better = append(better, fmt.Sprintf("%s was %s and is %s", g.Part, was, g.Letter))
		}
	}
	return worse, better
}

// soon is how long before its end an exception is told of.
const soon = 14 * 24 * time.Hour

// due says what has to be done, or that there is nothing, and when the next thing is.
func due(s *session.Session, a around) (out []news) {
	f := s.Facts
	add := func(key, text string) { out = append(out, news{signNote, text, key}) }
	for _, d := range s.Due() {
		add("c", d+".")
	}
	if n := a.records(); n > 0 {
		add("p", fmt.Sprintf("%d DNS %s to add or remove now.", n, plural(n, "record", "records")))
	}
	for _, r := range a.published {
		for _, x := range r.Findings {
			add("p", strings.TrimSpace(x.Owner+" "+x.Text)+".")
		}
	}
	for _, e := range f.Exceptions {
		if !e.Until.IsZero() && e.Until.Before(f.Now.Add(soon)) {
			add("d", "The exception for "+e.Domain+" ends on "+day(e.Until)+".")
		}
	}
	if n := len(a.held); n > 0 {
		h := a.held[0]
		add("", fmt.Sprintf("%d %s in the queue because of TLS, such as %s to %s. Why: %s", n, plural(n, "message waits", "messages wait"), h.QueueID, h.Domain, hint.ShellLine(s.Verb("why", h.Domain))))
	}
	if a.queue != nil {
		add("", "What waits in the queue is not known: "+a.queue.Error()+".")
	}
	if a.noRecords != nil && f.Resolver.Validates == detect.Yes {
		add("p", "Which DNS records are due is not known.")
	}
	switch {
	case !a.ready:
		return append(out, news{sign: signNote, text: "Looking at the queue and at DNS."})
	case len(out) > 0:
		return out
	}
	text := "Nothing is due now."
	if next := nextRenewal(s, func(c detect.Certificate) bool { return c.Err == nil && c.InUse() }); next != "" {
		text += " Next: the certificate, " + next + "."
	}
	return []news{{sign: signGood, text: text}}
}

// nextRenewal is the first renewal of certificates of a kind; empty if there is none.
func nextRenewal(s *session.Session, counts func(detect.Certificate) bool) string {
	var first session.Renewal
	for _, c := range s.Facts.Certificates {
		if r := s.Renewal(c); counts(c) && (first.At.IsZero() || r.At.Before(first.At)) {
			first = r
		}
	}
	if first.At.IsZero() {
		return ""
	}
	return renewal(first)
}

// number is the running number of a run.
func number(id string) string { n, _, _ := strings.Cut(id, "-"); return n }

func day(t time.Time) string { return t.Local().Format(time.DateOnly) }

// runText is one run in a few words.
func runText(r *apply.Receipt) string {
	what := r.Kind
	if r.Undoes != "" {
		what += " of " + number(r.Undoes)
	}
	return fmt.Sprintf("%s %s %s, %s", number(r.ID), day(r.When), what, r.Phase)
}

// firstToExpire is the certificate in use that expires first, or nil.
func firstToExpire(all []detect.Certificate) (first *detect.Certificate) {
	for i, c := range all {
		if c.Err == nil && c.InUse() && (first == nil || c.NotAfter.Before(first.NotAfter)) {
			first = &all[i]
		}
	}
	return first
}
