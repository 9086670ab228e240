//go:build linux && amd64

package faults

import (
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
	// argv is the run; nil is the bed's apply.
	argv []string
	// from and to are what the run starts from and what it makes: false for
	// before the change, true for after it.
	from, to bool
	// step is how many changes lie between two strikes with -all; 0 is each.
	step int
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
	undo   = []string{program, "undo", "--yes"}
	finish = []string{program, "apply", "--finish"}
)

func sweeps() []sweep {
	out := []sweep{
		{group: "apply of main.cf", how: kill, bed: router, to: true},
		{group: "apply of main.cf and master.cf", how: kill, bed: mailserver, to: true},
		{group: "apply with a net under it", how: kill, bed: netted, to: true},
		{group: "apply after a rehearsal", how: kill, bed: rehearsed, to: true, step: 7},
		{group: "undo", how: kill, bed: mailserver, set: applied, argv: undo, from: true},
		{group: "recovery by undo", how: kill, bed: mailserver, set: cut, argv: undo, from: true},
		{group: "recovery by --finish", how: kill, bed: mailserver, set: cut, argv: finish, from: true, to: true},
	}
	for _, how := range []blow{term, eio, full, ro} {
		out = append(out, sweep{group: "apply of main.cf and master.cf", how: how, bed: mailserver, to: true},
			sweep{group: "undo", how: how, bed: mailserver, set: applied, argv: undo, from: true})
	}
	return out
}

// slice is how many changes lie between two strikes without -all, by blow.
const slice = 199

func TestSweep(t *testing.T) {
	for i, s := range sweeps() {
		name := fmt.Sprintf("%s at each change of: %s", s.how, s.group)
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			b := s.bed(t)
			b.changed(t)
			if s.set != nil {
				s.set(t, b)
			}
			b.keep(t, "start")
			argv := s.argv
			if argv == nil {
				argv = b.apply
			}
			// A slice starts elsewhere in each sweep.
			n, step := 1, max(1, s.step)
			if !*all {
				n, step = 1+(20+i*37)%140, slice
			}
			for ; ; n += step {
				if n > 2000 {
					t.Fatal("the run never ends")
				}
				b.back(t, "start")
				r := b.strike(s.how, n, argv...)
				if r.hit == "" {
					if r.code != 0 {
						t.Errorf("without a fault it ended with %d: %s", r.code, r.out)
					}
					break
				}
				err := s.judge(b, t, r, argv, n)
				tally.add(name, err == nil)
				if err != nil {
					t.Errorf("%s %d (%s), exit code %d: %v\n%s", s.how, n, r.hit, r.code, err, indent(r.out))
				}
			}
		})
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
		if code != 1 || !strings.Contains(out, "postseal undo") || s.how == kill && !strings.Contains(out, "is not at its end") {
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
		code, out := b.do(again...)
		if code == 1 && is == [2]bool{true, true} && strings.Contains(out, "is not confirmed yet") { // it was done, and waits
			if code, out = b.do(program, "confirm"); code == 0 {
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
	if !want && b.exists(ownDir) && s.how != eio { // an empty folder that once could not be removed does no harm
		return fmt.Errorf("left behind after the next run: %s", ownDir)
	}
	return nil
}

// exit looks whether the exit code says what has happened.
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
	case r.code == 0 && (!as(s.to) || b.exists(journal)):
		return wrong
	case (r.code == 1 || r.code == 5 || r.code == 130) && (!as(s.from) || b.exists(journal) && s.how != ro && s.how != full):
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
