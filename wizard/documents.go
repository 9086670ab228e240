package wizard

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/diff"
	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/rehearse"
	"postseal/internal/report"
	"postseal/internal/session"
)

// documents are the pages that home leads to.
type documents struct {
	o    Options
	ses  *session.Session
	past *past
}

// certificates is what cert list prints.
func (d documents) certificates() document {
	ses := d.ses
	return document{
		title: "Certificates", waiting: "reading the certificates",
		load: func(context.Context) (content, error) {
			list := report.Certificates(ses.Machine, ses.Facts)
			due := ses.Due()
			return content{print: func(p report.Printer) {
				for _, text := range due {
					p.Note("Due: " + text)
				}
				for _, j := range list {
					p.Certificate(j, true)
				}
				if len(list) == 0 {
					fmt.Fprintln(p.W, "No certificates were found.")
				}
				if slices.ContainsFunc(ses.Facts.Certificates, detect.Certificate.Ordered) {
					fmt.Fprintln(p.W)
					say(p, "To renew those that were obtained here and are due: "+hint.ShellLine(ses.Verb("cert", "renew")))
				}
			}}, nil
		},
	}
}

// say prints a paragraph.
func say(p report.Printer, text string) {
	for _, l := range report.Wrap(report.Clean(text), p.Width) {
		fmt.Fprintln(p.W, l)
	}
}

// destinations is what policy list prints.
func (d documents) destinations() document {
	ses := d.ses
	return document{
		title: "Destinations", waiting: "reading the evidence",
		load: func(ctx context.Context) (content, error) {
			all, err := ses.Policies(ctx)
			now := ses.Machine.Now()
			return content{print: func(p report.Printer) {
				if len(all.Views) == 0 {
					say(p, "Nothing is known of any destination yet. To look up those in the log and propose a TLS policy for each:")
					fmt.Fprintln(p.W, "  "+hint.ShellLine(ses.Verb("policy", "sync")))
					return
				}
				p.Policies(all.Views, all.InUse, all.Rule, now)
			}}, err
		},
	}
}

// publish is what publish prints.
func (d documents) publish() document {
	ses := d.ses
	return document{
		title: "Publish: TLSA records for DANE", waiting: "asking the name servers",
		load: func(ctx context.Context) (content, error) {
			list, err := ses.Published(ctx, false)
			return content{print: func(p report.Printer) {
				p.Published(list, "No certificate is in use: there is no TLSA record to publish.")
				fmt.Fprintln(p.W)
				say(p, "To start the waiting time of a next key once its record is published, and for input for nsupdate:")
				fmt.Fprintln(p.W, "  "+hint.ShellLine(ses.Verb("publish"))+"\n  "+hint.ShellLine(ses.Verb("publish", "--nsupdate")))
				say(p, "For MTA-STS and TLS reports of your mail domains:")
				fmt.Fprintln(p.W, "  "+hint.ShellLine(ses.Verb("publish", "DOMAIN")))
			}}, err
		},
	}
}

// rehearsal is what rehearse --current prints.
func (d documents) rehearsal() document {
	ses, o := d.ses, d.o
	return document{
		title: "Rehearsal of the settings in effect", waiting: "testing clients and servers on a private Postfix; mail is not touched",
		load: func(ctx context.Context) (content, error) {
			if !ses.Facts.Root {
				return content{}, hint.New("a private Postfix can only be started by root", "run it as root: sudo postseal rehearse")
			}
			r, err := o.rehearseNow(ctx, ses)
			return content{print: func(p report.Printer) { p.Rehearsal(r) }}, err
		},
	}
}

// rehearseNow rehearses the settings in effect.
func (o Options) rehearseNow(ctx context.Context, s *session.Session) (*rehearse.Report, error) {
	if o.rehearse != nil {
		return o.rehearse(s, nil)(ctx, nil, nil)
	}
	return rehearse.Run(ctx, s.Candidate(nil, nil), rehearse.Options{Guard: s.Guard})
}

// history is what history prints.
func (d documents) history() document {
	runs := d.past.runs
	return document{
		title: "History", waiting: "reading the records",
		load: func(context.Context) (content, error) {
			return content{print: func(p report.Printer) { p.History(runs) }}, nil
		},
	}
}

// undo is what undo shows before it asks; u undoes.
func (d documents) undo() document {
	ses, machine, run := d.ses, d.o.Machine, d.past.last
	out := document{title: "Undo run " + number(run.ID) + " of " + run.When.Local().Format("2006-01-02 15:04"), waiting: "comparing the files"}
	out.load = func(context.Context) (content, error) {
		risks := ses.UndoRisks(run)
		var diffs []diff.File
		earlier := run.Earlier(machine, ses.StateDir)
		for _, path := range slices.Sorted(maps.Keys(earlier)) {
			now, err := machine.ReadFile(path)
			if err != nil {
				continue // undo says it
			}
			f, err := diff.Compare(path, string(now), earlier[path], nil)
			if err != nil {
				return content{}, err
			}
			diffs = append(diffs, f)
		}
		return content{func(p report.Printer) { printUndo(p, run, risks, diffs) }, len(risks) > 0}, nil
	}
	return out
}

func printUndo(p report.Printer, run *apply.Receipt, risks []plan.Risk, diffs []diff.File) {
	for _, r := range risks {
		p.Note("Risk " + r.Name + ": " + r.Text)
	}
	if len(risks) > 0 {
		fmt.Fprintln(p.W)
	}
	var others []string
	for _, e := range run.Entries {
		if !slices.ContainsFunc(diffs, func(d diff.File) bool { return d.Path == e.Path }) {
			others = append(others, e.Path)
		}
	}
	for _, d := range diffs {
		p.Diff(d)
	}
	if len(others) > 0 {
		say(p, "Also: "+strings.Join(others, ", ")+".")
	}
	say(p, "Undo restores the files, reloads Postfix, and verifies every listener. Certificates obtained since then stay.")
}
