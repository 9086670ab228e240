//go:build linux && amd64

package faults

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"testing"
)

// sweep strikes at every change of a run, one after the other.
type sweep struct {
	group string
	how   blow
	bed   func(*testing.T) *bed
	// set brings the machine to where the run starts.
	set func(*testing.T, *bed)
	// argv is the run; nil is the bed's.
	argv []string
	// hook, if set, runs before the reload and makes failedFile: no change before
	// that is struck.
	hook string
	// code is how the run ends without a fault.
	code int
	// settles: the run decides on one that waits to be confirmed.
	settles bool
	// cert is set if what the run changes is a certificate, and no setting.
	cert *cert
	// from and to are what the run starts from and what it makes: false for
	// before the change, true for after it.
	from, to bool
	// step is how many changes lie between two strikes with -all; 0 is each.
	step int
	// size is about how many changes there are; 0 is 140.
	size int
	// slow are only among all.
	slow bool
}

var (
	applied = func(t *testing.T, b *bed) { t.Helper(); b.must(t, b.apply...) }
	// cut is an apply that was killed between writing and proving.
	cut = func(t *testing.T, b *bed) {
		t.Helper()
		b.on(t, "reload", killed)
		if code, out := b.do(b.apply...); code != 137 || !b.exists(journal) {
			t.Fatalf("%d: %s", code, out)
		}
	}
	// due is an apply that waits to be confirmed. What is struck is the program that
	// takes it back, and finds its time to be up.
	due = func(t *testing.T, b *bed) {
		t.Helper()
		applied(t, b)
		run := strings.TrimSuffix(strings.TrimSpace(b.must(t, "ls", stateDir+"/receipts")), ".json")
		b.argv = []string{program, "revert-unconfirmed", "--config-dir", "/etc/postfix", "--state-dir", stateDir, "--run", run}
	}
	undo    = []string{program, "undo", "--yes"}
	finish  = []string{program, "apply", "--finish"}
	confirm = []string{program, "confirm"}
)

func sweeps() []sweep {
	out := []sweep{
		{group: "apply of main.cf", how: kill, bed: router, to: true, slow: true},
		{group: "apply of main.cf and master.cf", how: kill, bed: mailserver, to: true},
		{group: "apply with a net under it", how: kill, bed: netted, to: true},
		{group: "apply after a rehearsal", how: kill, bed: rehearsed, to: true, step: 7, slow: true},
		{group: "undo", how: kill, bed: mailserver, set: applied, argv: undo, from: true},
		{group: "recovery by undo", how: kill, bed: mailserver, set: cut, argv: undo, from: true},
		{group: "recovery by --finish", how: kill, bed: mailserver, set: cut, argv: finish, from: true, to: true},
	}
	// Each blow is in the slice once: an apply and an undo write in the same way.
	for i, how := range []blow{term, eio, full, ro} {
		out = append(out, sweep{group: "apply of main.cf and master.cf", how: how, bed: mailserver, to: true, slow: i%2 == 1},
			sweep{group: "undo", how: how, bed: mailserver, set: applied, argv: undo, from: true, slow: i%2 == 0})
	}
	few := func(how blow, step int) int { // of what is killed at each change
		if how == kill {
			return 1
		}
		return step
	}
	for _, how := range []blow{kill, term, eio, full, ro} {
		out = append(out,
			sweep{group: "confirm", how: how, bed: netted, set: applied, argv: confirm, from: true, to: true, settles: true, size: 15, slow: how != kill},
			sweep{group: "rollback of an apply", how: how, bed: mailserver, hook: failed, code: 5, step: few(how, 3), size: 40, slow: how != kill},
			sweep{group: "rollback of an undo", how: how, bed: mailserver, set: applied, argv: undo, hook: failed, code: 5, from: true, to: true, step: few(how, 5), size: 40, slow: how != kill})
	}
	// What fails for ever keeps the reverter at work for most of an hour.
	out = append(out,
		sweep{group: "reverter", how: kill, bed: netted, set: due, from: true, settles: true, size: 80},
		sweep{group: "reverter", how: term, bed: netted, set: due, from: true, settles: true, step: 3, slow: true},
		sweep{group: "reverter", how: eio, bed: netted, set: due, from: true, settles: true, step: 3, slow: true},
		sweep{group: "reverter", how: lull, bed: netted, set: due, from: true, settles: true, step: 3, slow: true})
	for _, how := range []blow{kill, term, eio, full} {
		out = append(out,
			sweep{group: "cert client new --switch", how: how, bed: partner, cert: &nextClient, argv: nextClient.argv, size: 20, slow: how != kill},
			sweep{group: "cert self-signed", how: how, bed: router, cert: &firstSelf, argv: firstSelf.argv, size: 20, slow: how != kill},
			sweep{group: "cert self-signed, made again", how: how, bed: selfSigned, cert: &nextSelf, argv: nextSelf.argv, step: 3 * few(how, 2), slow: how != kill})
	}
	// Orders take their time.
	for _, how := range []blow{kill, eio, full} {
		out = append(out,
			sweep{group: "cert renew", how: how, bed: renewer, cert: &renewed, argv: renewed.argv, step: 4, slow: true},
			sweep{group: "cert rollover", how: how, bed: renewer, cert: &rolledOver, argv: rolledOver.argv, step: 4, slow: true})
	}
	return out
}

// chunk is how many strikes of a sweep a machine gets with -all; the last one gets
// what is left.
const chunk = 25

// strikes is about how many there are with -all.
func (s sweep) strikes() int { return (cmp.Or(s.size, 140) + max(1, s.step) - 1) / max(1, s.step) }

func (s sweep) chunks() int { return max(1, s.strikes()/chunk) }

// never is more changes than any run makes.
const never = 2000

func (s sweep) name() string {
	if s.step > 1 {
		return fmt.Sprintf("%s at one change in %d of: %s", s.how, s.step, s.group)
	}
	return fmt.Sprintf("%s at each change of: %s", s.how, s.group)
}

func (s sweep) unit(c int) string { return fmt.Sprintf("%s, %d of %d", s.name(), c+1, s.chunks()) }

// TestSweep strikes at all changes with -all, and else at one of each sweep.
func TestSweep(t *testing.T) {
	for i, s := range sweeps() {
		if !*all {
			t.Run(strings.ReplaceAll(s.name(), " ", "_"), func(t *testing.T) {
				if s.slow {
					t.Skip("make faults")
				}
				t.Parallel()
				n := 1 + (20+i*37)%cmp.Or(s.size, 140) // elsewhere in each sweep
				s.run(t, n, n+1, 1)
			})
			continue
		}
		step := max(1, s.step)
		for c := range s.chunks() {
			t.Run(strings.ReplaceAll(s.unit(c), " ", "_"), func(t *testing.T) {
				skipOthers(t, s.unit(c))
				t.Parallel()
				first, end := 1+i%step, never
				if c < s.chunks()-1 {
					end = first + (c+1)*chunk*step
				}
				s.run(t, first+c*chunk*step, end, step)
			})
		}
	}
}

// run strikes at each change from n to before end that a step leads to.
func (s sweep) run(t *testing.T, n, end, step int) {
	t.Helper()
	b := s.bed(t)
	if s.cert == nil {
		b.changed(t)
	}
	if s.set != nil {
		s.set(t, b)
	}
	b.keep(t, "start")
	argv := s.argv
	switch {
	case argv != nil:
	case b.argv != nil:
		argv = b.argv
	default:
		argv = b.apply
	}
	for ; n < end; n += step {
		b.back(t, "start")
		old := s.cert.read(b)
		from := ""
		if s.hook != "" {
			b.on(t, "reload", s.hook)
			from = failedFile
		}
		r := b.strikeFrom(from, s.how, n, argv...)
		if r.hit == "" {
			if r.code != s.code || s.cert != nil && bytes.Equal(s.cert.read(b).text, old.text) {
				t.Errorf("without a fault it ended with %d: %s", r.code, r.out)
			}
			return
		}
		err := b.exposed()
		switch {
		case err != nil:
		case s.cert != nil:
			err = s.cert.judge(b, t, r, old, n)
		default:
			err = s.judge(b, t, r, argv, n)
		}
		tally.add(s.name(), err == nil)
		if err != nil {
			t.Errorf("%s %d (%s), exit code %d: %v\n%s", s.how, n, r.hit, r.code, err, indent(r.out))
		}
	}
	if end == never {
		t.Fatal("the run never ends")
	}
}

func indent(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return "    " + strings.Join(lines[max(0, len(lines)-12):], "\n    ")
}

// state says which of the two states the files are in; an error if neither.
func (b *bed) state(t *testing.T) (isNew [2]bool, err error) {
	t.Helper()
	now := b.files(t)
	for i, name := range []string{"main.cf", "master.cf"} {
		switch now[i] {
		case b.before[i]:
		case b.after[i]:
			isNew[i] = true
		default:
			err = fmt.Errorf("%s is neither the old nor the new one", name)
		}
		if b.before[i] == b.after[i] {
			isNew[i] = isNew[0]
		}
	}
	return isNew, err
}

// judge looks at what a blow has left, and lets the next run put it right.
func (s sweep) judge(b *bed, t *testing.T, r struck, argv []string, n int) error {
	t.Helper()
	is, err := b.state(t)
	if err != nil {
		return err
	}
	if err := b.mail(); err != nil {
		return fmt.Errorf("mail is not taken: %w", err)
	}
	if err := s.exit(b, r, is); err != nil {
		return err
	}
	// Somebody reloads Postfix before he knows.
	if code, out := b.do("postfix", "reload"); code != 0 {
		return fmt.Errorf("Postfix does not reload: %s", out)
	}
	if err := b.mail(); err != nil {
		return fmt.Errorf("mail is not taken after a reload: %w", err)
	}
	want := s.to
	if b.exists(journal) {
		code, out := b.do(b.apply...)
		if code != 1 || !strings.Contains(out, "postseal undo") || s.how == kill && !strings.Contains(out, "was interrupted") {
			return fmt.Errorf("the next apply ends with %d and does not say what to type: %s", code, out)
		}
		way := undo
		if n%2 == 0 && strings.Contains(out, "--finish") {
			way = finish
		}
		code, out = b.do(way...)
		if code == 1 && strings.Contains(out, "hint: postseal undo") && s.how != kill {
			code, out = b.do(undo...) // the copies were given up to make room
		}
		if code != 0 {
			return fmt.Errorf("%v ends with %d: %s", way[1:], code, out)
		}
		now, err := b.state(t)
		if err != nil {
			return fmt.Errorf("after %v: %w", way[1:], err)
		}
		want = now[0]
	} else {
		again := argv
		if s.to || is == [2]bool{} {
			again, want = b.apply, true
		}
		if s.settles && n%2 == 0 && b.waits() {
			again, want = undo, false
		}
		code, out := b.do(again...)
		if code == 1 && is == [2]bool{true, true} && strings.Contains(out, "is not confirmed yet") { // it was done, and waits
			if code, out = b.do(confirm...); code == 0 {
				code, out = b.do(again...)
			}
		}
		if code != 0 {
			return fmt.Errorf("the same run again ends with %d: %s", code, out)
		}
	}
	if is, err = b.state(t); err != nil {
		return fmt.Errorf("after the next run: %w", err)
	}
	if is[0] != want || is[1] != want {
		return fmt.Errorf("after the next run the files are new: %v, want %v", is, want)
	}
	if err := b.mail(); err != nil {
		return fmt.Errorf("mail is not taken after the next run: %w", err)
	}
	if left := b.left(); len(left) > 0 {
		return fmt.Errorf("left behind after the next run: %s", strings.Join(left, ", "))
	}
	if err := b.exposed(); err != nil {
		return err
	}
	if !want && b.exists(ownDir) && s.how != eio { // an empty folder that once could not be removed does no harm
		return fmt.Errorf("left behind after the next run: %s", ownDir)
	}
	return nil
}

// exit looks whether the exit code says what has happened. The journal may stay
// after a rollback whose receipt cannot be written.
func (s sweep) exit(b *bed, r struck, is [2]bool) error {
	as := func(state bool) bool { return is[0] == state && is[1] == state }
	if s.how == kill {
		if r.code != 137 {
			return fmt.Errorf("it was not killed")
		}
		return nil
	}
	wrong := fmt.Errorf("the exit code does not say what happened: new files %v, journal %v", is, b.exists(journal))
	switch {
	case r.code == 0 && (!as(s.to) || b.exists(journal) || s.code != 0 || s.settles && b.waits()):
		return wrong
	case r.code == 1 && s.settles && !b.waits():
		return wrong
	case (r.code == 1 || r.code == 5 || r.code == 130) && (!as(s.from) || b.exists(journal) && s.how != ro && s.how != full && (s.how != eio || s.hook == "")):
		return wrong
	case r.code == 6 && !strings.Contains(r.out, "/var/lib/postseal/backups/"):
		return fmt.Errorf("it does not say where the backups are")
	case r.code == 130 && s.how != term, r.code == 2, r.code == 3, r.code == 4, r.code > 6 && r.code != 130, r.code < 0:
		return wrong
	case r.code != 0 && r.code != 130 && !strings.Contains(r.out, "hint: "):
		return fmt.Errorf("it does not say what to type")
	}
	return nil
}
