package report_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/apply"
	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/report"
)

var (
	proof = apply.Proof{
		Service: "smtp/inet", Addr: "127.0.0.1:25", Mode: plan.STARTTLS, OK: true, Version: "TLS 1.3", Group: "X25519", Names: []string{"mx.example.org"},
		Until: time.Date(2027, 2, 21, 0, 0, 0, 0, time.UTC), Serves: map[string]string{"RSA": "0123456789abcdef"}, Refused: "TLS 1.1",
	}
	mute  = apply.Proof{Service: "submission/inet", Addr: "127.0.0.1:587", Stage: "greeting", Problem: "no answer"}
	plain = apply.Proof{Service: "submission/inet", Addr: "127.0.0.1:587", OK: true, Mode: plan.GreetOnly}

	mainCF  = []apply.Entry{{Path: "/etc/postfix/main.cf", Kind: plan.MainCF}}
	answers = []apply.Entry{{Path: "/etc/postseal/postseal.toml", Kind: plan.Answers}}
)

// TestReceipt: what a run did, and what to type next where there is something
// to type.
func TestReceipt(t *testing.T) {
	for name, c := range map[string]struct {
		r    *apply.Receipt
		want string
	}{
		"proved": {
			&apply.Receipt{ID: "0001", Kind: "apply", Phase: apply.Kept, ConfigDir: "/etc/postfix", Entries: mainCF, Proofs: []apply.Proof{proof, plain}, Warnings: []string{"odd"}},
			`✓ smtp/inet 127.0.0.1:25 TLS 1.3 X25519 · mx.example.org until 2027-02-21 · RSA 0123456789ab · TLS 1.1 refused
✓ submission/inet 127.0.0.1:587 answers, without TLS as intended
! log: odd
✓ Applied and verified, run 0001.
Undo: postseal undo
`,
		},
		"rolled back": {
			&apply.Receipt{ID: "0002", Kind: "apply", Phase: apply.RolledBack, ConfigDir: "/etc/postfix", Entries: mainCF, Proofs: []apply.Proof{mute}},
			`✗ submission/inet 127.0.0.1:587 greeting: no answer
✗ Rolled back: every file is as it was before run 0002.
`,
		},
		"rollback failed": {
			&apply.Receipt{ID: "0003", Kind: "apply", Phase: apply.Reverting, ConfigDir: "/etc/postfix", Entries: mainCF},
			`✗ Not rolled back: run 0003 may have left any file old or new; the backups are kept.
Try again: postseal undo
`,
		},
		"reload failed": {
			&apply.Receipt{ID: "0003", Kind: "apply", Phase: apply.Reverting, ConfigDir: "/etc/postfix", Entries: mainCF, Restored: true},
			`✗ Every file is as it was before run 0003, but Postfix may still use the settings of that run.
Try again: postseal undo
`,
		},
		"taken back on request": {
			&apply.Receipt{ID: "0003", Kind: "apply", Phase: apply.RolledBack, ConfigDir: "/etc/postfix", Entries: mainCF, Failure: "interrupted, and undone on request"},
			"✓ Undone: every file is as it was before run 0003.\n",
		},
		"files only": {
			&apply.Receipt{ID: "0004", Kind: "apply", Phase: apply.Kept, ConfigDir: "/etc/postfix", FilesOnly: true, Entries: mainCF},
			`! Written, files only: Postfix was not reloaded, and nothing was verified.
Where Postfix runs: postfix reload
Undo: postseal undo
`,
		},
		"not all proved, and it waits": {
			&apply.Receipt{ID: "0004", Kind: "apply", Phase: apply.Kept, ConfigDir: "/etc/postfix", Entries: mainCF, Proofs: []apply.Proof{mute}, ConfirmBy: time.Date(2026, 11, 23, 12, 10, 0, 0, time.Local)},
			`✗ submission/inet 127.0.0.1:587 greeting: no answer
! Applied, run 0004. Not verified: submission/inet on 127.0.0.1:587, which did not answer before either. It reverts automatically at 12:10:00, unless:
  postseal confirm --run 0004
Undo: postseal undo --run 0004
`,
		},
		"files only, of another instance": {
			&apply.Receipt{ID: "0005", Kind: "apply", Phase: apply.Kept, ConfigDir: "/etc/postfix out", FilesOnly: true, Entries: mainCF},
			`! Written, files only: Postfix was not reloaded, and nothing was verified.
Where Postfix runs: postfix -c '/etc/postfix out' reload
Undo: postseal undo
`,
		},
		"answers only": {
			&apply.Receipt{ID: "0006", Kind: "apply", Phase: apply.Kept, ConfigDir: "/etc/postfix", FilesOnly: true, Entries: answers},
			`! Written, files only: Postfix was not reloaded, and nothing was verified.
Undo: postseal undo
`,
		},
		"undone": {
			&apply.Receipt{ID: "0007", Kind: "undo", Undoes: "0001", Phase: apply.Kept, ConfigDir: "/etc/postfix", Entries: mainCF},
			"✓ Run 0001 was undone.\n",
		},
		"undone, files only": {
			&apply.Receipt{ID: "0008", Kind: "undo", Undoes: "0001", Phase: apply.Kept, ConfigDir: "/etc/postfix", FilesOnly: true, Entries: mainCF},
			`! Run 0001 was undone, files only: Postfix was not reloaded, and nothing was verified.
Where Postfix runs: postfix reload
`,
		},
		"undone, files only, and not to be reloaded yet": {
			&apply.Receipt{ID: "0008", Kind: "undo", Undoes: "0001", Phase: apply.Kept, ConfigDir: "/etc/postfix", FilesOnly: true, Entries: mainCF, Unloadable: "it would hang"},
			`! Run 0001 was undone, files only: Postfix was not reloaded, and nothing was verified.
After correcting that: postfix reload
`,
		},
		"not undone": {
			&apply.Receipt{ID: "0009", Kind: "undo", Undoes: "0001", Phase: apply.RolledBack, ConfigDir: "/etc/postfix", Entries: mainCF},
			"✗ Run 0001 could not be undone: it is in effect, and every file is as the run wrote it.\n",
		},
		"not undone, and Postfix not reloaded": {
			&apply.Receipt{ID: "0009", Kind: "undo", Undoes: "0001", Phase: apply.Reverting, Restored: true, ConfigDir: "/etc/postfix", Entries: mainCF},
			"✗ Run 0001 could not be undone: every file is as the run wrote it, but Postfix may still use the earlier settings.\nTry again: postseal undo\n",
		},
		"undo taken back": {
			&apply.Receipt{ID: "0009", Kind: "undo", Undoes: "0001", Phase: apply.RolledBack, ConfigDir: "/etc/postfix", Entries: mainCF, Failure: "interrupted, and undone on request"},
			"✓ The undo was reverted: run 0001 is in effect.\n",
		},
		"nothing": {nil, ""},
	} {
		if d := cmp.Diff(c.want, text(t, report.Printer{}, func(p report.Printer) error { p.Receipt(c.r, "postseal undo"); return nil })); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
		for _, p := range []report.Printer{{Width: 40}, {Width: 80}, {Live: true}} {
			fits(t, p, text(t, p, func(p report.Printer) error { p.Receipt(c.r, "postseal undo"); return nil }))
		}
	}
}

// fits: no line is wider than the terminal, which would break it in the middle of a
// word, but a command that is there to be pasted.
func fits(t *testing.T, p report.Printer, out string) {
	t.Helper()
	width := p.Width
	if width == 0 {
		width = 80
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if utf8.RuneCountInString(line) > width && !strings.Contains(line, "postseal ") && !strings.Contains(line, "postfix ") {
			t.Errorf("at %d columns: %q", width, line)
		}
	}
}

// TestReceiptJSON: a program can tell how a run ended.
func TestReceiptJSON(t *testing.T) {
	for _, r := range []apply.Receipt{
		{ID: "0001", Kind: "apply", Phase: apply.Kept, Entries: mainCF, Proofs: []apply.Proof{proof}},
		{ID: "0002", Kind: "apply", Phase: apply.RolledBack, Entries: mainCF, Failure: "no answer"},
		{ID: "0003", Kind: "apply", Phase: apply.Reverting, Entries: mainCF, Failure: "no answer"},
		{ID: "0004", Kind: "apply", Phase: apply.Kept, Entries: mainCF, FilesOnly: true},
	} {
		var data struct {
			ID        string `json:"id"`
			Phase     string `json:"phase"`
			FilesOnly bool   `json:"files_only"`
			Failure   string `json:"failure"`
			Files     []struct {
				Path string `json:"path"`
			} `json:"files"`
			Proofs []struct {
				Addr string `json:"addr"`
				OK   bool   `json:"ok"`
			} `json:"proofs"`
		}
		if err := json.Unmarshal([]byte(asJSON(t, r)), &data); err != nil {
			t.Fatal(err)
		}
		if data.ID != r.ID || data.Phase != string(r.Phase) || data.FilesOnly != r.FilesOnly || data.Failure != r.Failure ||
			len(data.Files) != 1 || data.Files[0].Path != mainCF[0].Path || len(data.Proofs) != len(r.Proofs) {
			t.Errorf("%+v became %+v", r, data)
		}
	}
}

// TestFailure: a run that failed says what to type next, beside its error.
func TestFailure(t *testing.T) {
	lost := hint.Wrap(fmt.Errorf("%w: no answer; and putting it back: disc full", apply.ErrNotRolledBack), "the old files are in /b; postseal undo tries again")
	for _, c := range []struct {
		err  error
		want string
	}{
		{lost, "postseal: could not be rolled back: no answer; and putting it back: disc full\n  hint: the old files are in /b; postseal undo tries again\n"},
		{errors.Join(errors.New("one\ntwo\n"), hint.New("three", "four")), "postseal: one\n          two\npostseal: three\n  hint: four\n"},
	} {
		if d := cmp.Diff(c.want, text(t, report.Printer{}, func(p report.Printer) error { p.Errors(c.err); return nil })); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
}

// TestSteps: one line for a step that ended, and why it failed below it.
func TestSteps(t *testing.T) {
	for _, state := range []apply.State{apply.Done, apply.Noted, apply.Failed} {
		p := report.Printer{Width: 40}
		fits(t, p, text(t, p, func(p report.Printer) error {
			p.Step(apply.Event{Step: "check whether Postfix can be reloaded", State: state, Text: "it cannot, and what is to be done stands here"})
			return nil
		}))
	}
	out := text(t, report.Printer{}, func(p report.Printer) error {
		for _, s := range []apply.State{apply.Running, apply.Done, apply.Noted, apply.Failed} {
			p.Step(apply.Event{Step: "write", State: s, Text: "why"})
		}
		return nil
	})
	if want := "✓ write: why\n! write: why\n✗ write\n    why\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

// TestStepUnderWay: on a terminal the step under way stands below the others, and
// nothing of it is left when it has ended. A pipe sees no more than its end.
func TestStepUnderWay(t *testing.T) {
	write := func(p report.Printer) error {
		p.Step(apply.Event{Step: "check the listeners", State: apply.Running})
		p.Step(apply.Event{Step: "a note", State: apply.Noted, Text: "x"})
		p.Step(apply.Event{Step: "look", State: apply.Running})
		p.Step(apply.Event{Step: "look", State: apply.Done})
		p.Step(apply.Event{Step: strings.Repeat("too wide for it ", 3), State: apply.Running})
		return nil
	}
	if out, want := text(t, report.Printer{Width: 24, Live: true}, write), "\r- check the listeners\r\r"+strings.Repeat(" ", 23)+"\r! a note: x\n\r- look\r\r✓ look\n\r"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
	if out, want := text(t, report.Printer{Width: 24}, write), "! a note: x\n✓ look\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

func TestHistory(t *testing.T) {
	when := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	all := []*apply.Receipt{
		{ID: "0005", When: when, Kind: "undo", Undoes: "0003-20261123-120000", Phase: apply.Kept, ConfigDir: "/etc/postfix", Entries: mainCF, Unloadable: "it would hang", Notes: []string{"main.cf was edited since; the edit stays"}},
		{ID: "0004", When: when, Kind: "apply", Phase: apply.Waits, ConfigDir: "/etc/postfix", Entries: mainCF, Stands: "reverts automatically at 12:10:00", Answers: map[string][]string{"role": {"router"}, "profile": {"modern"}}},
		{ID: "0003", When: when, Kind: "undo", Undoes: "0001", Why: "it was not confirmed by 12:10:00", Phase: apply.Kept, ConfigDir: "/etc/postfix", Entries: mainCF},
		{ID: "0002", When: when, Kind: "apply", Phase: apply.RolledBack, ConfigDir: "/etc/postfix", Entries: append(answers, mainCF...), Failure: "no answer", Answers: map[string][]string{"role": {"router"}, "profile": {"intermediate"}}},
		{ID: "0001", When: when, Kind: "apply", Phase: apply.Undone, ConfigDir: "/etc/postfix", Entries: mainCF},
	}
	want := `0005  2026-11-23 12:00  undo of 0003  kept         /etc/postfix: main.cf
      it would hang
      main.cf was edited since; the edit stays
0004  2026-11-23 12:00  apply         waiting      /etc/postfix: main.cf
      reverts automatically at 12:10:00
      answers: profile modern
0003  2026-11-23 12:00  undo of 0001  kept         /etc/postfix: main.cf
      it was not confirmed by 12:10:00
0002  2026-11-23 12:00  apply         rolled back  /etc/postfix: postseal.toml, main.cf
      no answer
      answers: profile intermediate, role router
0001  2026-11-23 12:00  apply         undone       /etc/postfix: main.cf
`
	if d := cmp.Diff(want, text(t, report.Printer{}, func(p report.Printer) error { p.History(all); return nil })); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	for _, p := range []report.Printer{{Width: 40}, {Width: 60}, {Live: true}} {
		out := text(t, p, func(p report.Printer) error { p.History(all); return nil })
		if fits(t, p, out); strings.Contains(out, " \n") {
			t.Errorf("what ends with a blank can be too wide: %q", out)
		}
	}
	if out := text(t, report.Printer{}, func(p report.Printer) error { p.History(nil); return nil }); out != "No run is recorded.\n" {
		t.Errorf("%q", out)
	}
}
