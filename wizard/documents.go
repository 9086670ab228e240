package wizard

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"postseal/internal/apply"
	"postseal/internal/detect"
	"postseal/internal/diff"
	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/rehearse"
	"postseal/internal/report"
	"postseal/internal/session"
)

// certificatesDocument is what cert list prints.
func (m *Model) certificatesDocument() document {
	ses := m.session
	return document{
		title: "Certificates", waiting: "reading the certificates",
		load: func(context.Context) (content, error) {
			list := report.Certificates(ses.Machine, ses.Facts)
			due := ses.Due()
			act := []action{{"n", "new certificate", func() tea.Cmd { return m.openQuestion(certKey) }}}
			return content{func(p report.Printer) {
				for _, d := range due {
					p.Note("Due: " + d)
				}
				for _, j := range list {
					p.Certificate(j, true)
				}
				if len(list) == 0 {
					fmt.Fprintln(p.W, "No certificates were found.")
				}
				fmt.Fprintln(p.W)
				say(p, "Press n to choose another certificate, or to order a new one.")
				if slices.ContainsFunc(ses.Facts.Certificates, detect.Certificate.Ordered) {
					say(p, "To renew those that were obtained here and are due: "+hint.ShellLine(ses.Verb("cert", "renew")))
				}
			}, act}, nil
		},
	}
}

// say prints a paragraph.
func say(p report.Printer, text string) {
	for _, l := range report.Wrap(report.Clean(text), p.Width) {
		fmt.Fprintln(p.W, l)
	}
}

// destinationsDocument is what policy list prints.
func (m *Model) destinationsDocument() document {
	ses := m.session
	return document{
		title: "Destinations", waiting: "reading the evidence",
		load: func(ctx context.Context) (content, error) {
			views, rule, err := ses.Policies(ctx)
			now := ses.Machine.Now()
			return content{print: func(p report.Printer) {
				if len(views) == 0 {
					say(p, "Nothing is known of any destination yet. To look up those in the log and propose a TLS policy for each:")
					fmt.Fprintln(p.W, "  "+hint.ShellLine(ses.Verb("policy", "sync")))
					return
				}
				p.Policies(views, rule, now)
			}}, err
		},
	}
}

// publishDocument is what publish prints.
func (m *Model) publishDocument() document {
	ses := m.session
	return document{
		title: "Publish: TLSA records for DANE", waiting: "asking the name servers",
		load: func(ctx context.Context) (content, error) {
			list, err := ses.Published(ctx, false)
			return content{print: func(p report.Printer) {
				p.Published(list)
				fmt.Fprintln(p.W)
				say(p, "To start the waiting time of a next key once its record is published, and for input for nsupdate:")
				fmt.Fprintln(p.W, "  "+hint.ShellLine(ses.Verb("publish"))+"\n  "+hint.ShellLine(ses.Verb("publish", "--nsupdate")))
			}}, err
		},
	}
}

// rehearsalDocument is what rehearse --current prints.
func (m *Model) rehearsalDocument() document {
	ses, o := m.session, m.o
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

// historyDocument is what history prints.
func (m *Model) historyDocument() document {
	runs := m.home.past.runs
	return document{
		title: "History", waiting: "reading the records",
		load: func(context.Context) (content, error) {
			return content{print: func(p report.Printer) { p.History(runs) }}, nil
		},
	}
}

// undoDocument is what undo shows before it asks; u undoes.
func (m *Model) undoDocument() document {
	ses, machine, run := m.session, m.o.Machine, m.home.past.last
	d := document{title: "Undo run " + number(run.ID) + " of " + run.When.Local().Format("2006-01-02 15:04"), waiting: "comparing the files"}
	d.load = func(context.Context) (content, error) {
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
		undo := action{"u", "undo this run", func() tea.Cmd { return m.undoRun(run) }}
		if len(risks) > 0 { // which is accepted by another key than the one that led here
			undo.key, undo.what = "y", "accept the risk and undo"
		}
		return content{func(p report.Printer) { printUndo(p, run, risks, diffs) }, []action{undo}}, nil
	}
	return d
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

// undoRun undoes a run, and shows its steps.
func (m *Model) undoRun(run *apply.Receipt) tea.Cmd {
	machine := m.o.Machine
	m.result.Undo = m.session.UndoCommand()
	return m.startRun("Undoing run "+number(run.ID)+".", func(ctx context.Context, o apply.Options) (*apply.Receipt, error) {
		return apply.Undo(ctx, machine, run.ConfigDir, run.ID, o)
	})
}
