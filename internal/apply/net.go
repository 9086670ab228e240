package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"postseal/internal/hint"
	"postseal/internal/host"
)

// Net takes a run back by itself unless it is confirmed in time. What does that
// is not this process: it may be killed, and its terminal may go.
type Net struct {
	// Within is how long there is to confirm.
	Within time.Duration
	// Command is the command line that calls Revert; the ID of the run is added
	// to it, and with no timer of the system's also "--after" and Within.
	Command []string
}

// Unconfirmed is a run that is taken back by itself unless it is confirmed.
type Unconfirmed struct {
	// Run is its ID, ConfigDir its instance.
	Run       string `json:"run"`
	ConfigDir string `json:"config_dir"`
	// By is when it is taken back.
	By time.Time `json:"by"`
	// How says what does it.
	How string `json:"how"`
	// Timer is the unit of systemd, or empty.
	Timer string `json:"timer,omitempty"`
	// Trouble is what was wrong before the run: going back leads there.
	Trouble string `json:"trouble,omitempty"`
	// Failure is why it could not be taken back when the time was up, and Again
	// when that is tried again; zero for not any more.
	Failure string    `json:"failure,omitempty"`
	Again   time.Time `json:"again,omitzero"`
	// Written is what the run wrote into the files that people edit, by path: so
	// that it can be taken out again of what they have become.
	Written map[string][]byte `json:"written,omitempty"`
}

// Stands says in words how the run stands.
func (u Unconfirmed) Stands(now time.Time) string {
	switch {
	case u.Failure != "" && u.Again.After(now):
		return fmt.Sprintf("could not be put back: %s; that is tried again at %s", u.Failure, u.Again.Local().Format(time.TimeOnly))
	case u.Failure != "":
		return "could not be put back: " + u.Failure
	case now.After(u.By.Add(time.Minute)):
		return fmt.Sprintf("should have gone back by itself at %s, and has not (was the machine restarted?)", u.By.Local().Format(time.DateTime))
	}
	return fmt.Sprintf("goes back by itself at %s", u.By.Local().Format(time.TimeOnly))
}

// ErrUnconfirmed: a run has to be confirmed, or taken back, first.
var ErrUnconfirmed = errors.New("not confirmed yet")

func (s store) net() string { return filepath.Join(s.dir, "unconfirmed.json") }

// Waiting is the run that waits to be confirmed, or nil.
func Waiting(m host.Reader, stateDir string) (*Unconfirmed, error) {
	path := store{dir: stateDir}.net()
	data, err := m.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var u Unconfirmed
	if err := json.Unmarshal(data, &u); err != nil {
		return nil, hint.Wrap(fmt.Errorf("reading %s: %w", path, err), "move the file away: the run stays then")
	}
	return &u, nil
}

// waits is an error if a run waits to be confirmed. The caller has the lock, and
// knows that no run is under way: one that was killed before it wrote anything
// waits for nothing.
func waits(m host.Machine, stateDir string) error {
	u, err := Waiting(m, stateDir)
	if err != nil || u == nil {
		return err
	}
	s := store{m, stateDir}
	if _, err := m.Stat(s.receipt(u.Run)); errors.Is(err, fs.ErrNotExist) {
		return m.Remove(s.net())
	}
	return unconfirmed(m, u)
}

func unconfirmed(m host.Reader, u *Unconfirmed) error {
	return hint.Wrap(fmt.Errorf("run %s is %w, and %s", u.Run, ErrUnconfirmed, u.Stands(m.Now())), "postseal confirm keeps it, postseal undo puts it back")
}

// Busy is an error while a run may still go back by itself: what is written on
// top of it would bar the way. After its time nothing is held up by it.
func Busy(m host.Reader, stateDir string) error {
	u, err := Waiting(m, stateDir)
	if err != nil || u == nil || m.Now().After(u.By) {
		return err
	}
	return unconfirmed(m, u)
}

// arm spreads the net under a run, before anything is written.
func (t *transaction) arm(ctx context.Context) error {
	if t.o.Net == nil || t.FilesOnly {
		return nil
	}
	done := t.step("arm the way back")
	u := Unconfirmed{Run: t.ID, ConfigDir: t.ConfigDir, By: t.m.Now().Add(t.o.Net.Within).UTC(), Trouble: t.trouble(), Written: map[string][]byte{}}
	for i, e := range t.Entries {
		if editable(e.Kind) {
			u.Written[e.Path] = t.new[i]
		}
	}
	command := append(append([]string{}, t.o.Net.Command...), "--run", t.ID)
	after := strconv.Itoa(int(t.o.Net.Within.Seconds())) + "s"
	u.Timer = "postseal-revert-" + t.ID
	u.How = "systemd timer " + u.Timer
	if !t.armTimer(ctx, u.Timer, after, command) {
		u.How, u.Timer = "a process of its own", ""
	}
	// Whoever fires finds the run in this file; so it stands there first, but
	// for a timer, which has time.
	if err := t.store.put(t.store.net(), u); err != nil {
		return done(t.stopTimer(ctx, u, err))
	}
	if u.Timer == "" {
		if err := t.m.Detach(command[0], append(command[1:], "--after", after)...); err != nil {
			return done(errors.Join(err, t.m.Remove(t.store.net())))
		}
	}
	t.ConfirmBy = u.By
	if u.Trouble != "" {
		t.event(Event{Step: "arm the way back", State: Noted, Text: "it leads to where not all was well: " + u.Trouble})
		return nil
	}
	return done(nil)
}

// armTimer starts a transient timer where systemd runs (systemd-run(1)).
func (t *transaction) armTimer(ctx context.Context, unit, after string, command []string) bool {
	if _, err := t.m.Stat("/run/systemd/system"); err != nil {
		return false
	}
	words := slices.Clone(command)
	for i := range words[1:] { // systemd expands variables in arguments (systemd.service(5), "Command lines")
		words[i+1] = strings.ReplaceAll(words[i+1], "$", "$$")
	}
	args := append([]string{"--quiet", "--collect", "--unit=" + unit, "--description=postseal: put an unconfirmed run back",
		"--on-active=" + after, "--timer-property=AccuracySec=1s"}, words...)
	o, err := t.m.Act(ctx, "systemd-run", args...)
	return err == nil && o.Code == 0
}

func (t *transaction) stopTimer(ctx context.Context, u Unconfirmed, err error) error {
	return errors.Join(err, stopTimer(ctx, t.m, u))
}

func stopTimer(ctx context.Context, m host.Machine, u Unconfirmed) error {
	if u.Timer == "" {
		return nil
	}
	o, err := m.Act(ctx, "systemctl", "stop", u.Timer+".timer")
	if err == nil && o.Code != 0 {
		err = fmt.Errorf("systemctl stop %s.timer ended with %d: %.200s", u.Timer, o.Code, o.Stderr)
	}
	return err
}

// disarm takes the net away from under a run: it was taken back already.
func (t *transaction) disarm(ctx context.Context) {
	u, err := Waiting(t.m, t.o.StateDir)
	if err != nil || u == nil || u.Run != t.ID && (u.Run != t.Undoes || t.Phase != Kept) {
		return // what took back an undo leaves the run in force
	}
	_ = t.m.Remove(t.store.net()) // a timer that fires finds nothing to do then
	_ = stopTimer(ctx, t.m, *u)
}

// trouble says what was wrong with the listeners before the run, or nothing.
func (t *transaction) trouble() string {
	var out []string
	for i, p := range t.Before {
		if isNew := i < len(t.Checks) && t.Checks[i].New; !p.OK && !isNew {
			out = append(out, fmt.Sprintf("%s was %s", p.Service, outcome(p)))
		}
	}
	return strings.Join(out, "; ")
}

// Confirm keeps the run that waits. What was confirmed is returned.
func Confirm(ctx context.Context, m host.Machine, stateDir string) (*Unconfirmed, error) {
	s := store{m, stateDir}
	release, err := m.Lock(filepath.Join(stateDir, "lock"))
	if errors.Is(err, host.ErrLocked) {
		return nil, hint.New("another postseal is at work on this machine: it may be putting the run back", "postseal history shows what became of it")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noneWaits(m, stateDir)
	}
	if err != nil {
		return nil, Remedy(m, err)
	}
	defer func() { _ = release() }()
	u, err := Waiting(m, stateDir)
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, noneWaits(m, stateDir)
	}
	if err := m.Remove(s.net()); err != nil {
		return nil, Remedy(m, err)
	}
	_ = stopTimer(ctx, m, *u) // it finds nothing to do
	u.Written = nil
	return u, nil
}

// noneWaits is the answer to who comes to confirm, and may have come too late.
func noneWaits(m host.Reader, stateDir string) error {
	text := "no run waits to be confirmed"
	if all, err := History(m, stateDir, ""); err == nil && len(all) > 0 && all[0].Why != "" && all[0].Phase == Kept {
		text += fmt.Sprintf(": run %s was put back at %s: %s", all[0].Undoes, all[0].When.Local().Format(time.TimeOnly), all[0].Why)
	}
	return hint.New(text, "postseal history lists all runs")
}

// busyTime bounds how long is waited for another run to end.
const busyTime = 2 * time.Minute

// pauses are those between the attempts to take a run back: what stands in the
// way, such as a full disc or an editor's lock, may go.
var pauses = []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute}

// Revert takes a run back if it still waits to be confirmed, after the time is
// up; a run that was killed half way is taken back too. It returns nil and no
// receipt if there is nothing to do. Nobody may be there to read what it returns:
// a failure is recorded, logged where the mail is, and the attempt repeated. So
// it is while the state folder is gone, which may come back.
func Revert(ctx context.Context, m host.Machine, configDir, run string, after time.Duration, o Options) (*Receipt, error) {
	begun, missed := time.Now(), false
	log := func(priority, text string) { tellLog(ctx, m, configDir, run, priority, text) }
	for tries := 0; ; {
		u, err := Waiting(m, o.StateDir)
		if err == nil && u == nil {
			err = stateGone(m, o.StateDir)
		}
		if err == nil && (u == nil || u.Run != run) {
			return nil, nil
		}
		if err != nil && !missed {
			missed = true
			log("warn", "waits to be confirmed, and cannot be put back as long as this holds: "+err.Error())
		}
		if time.Since(begun) >= after {
			var r *Receipt
			if err == nil {
				r, err = takeBack(ctx, m, *u, o)
			}
			if err == nil {
				if r != nil {
					log("warn", "was not confirmed in time, and is put back")
				}
				return r, nil
			}
			var again time.Time
			if tries < len(pauses) && ctx.Err() == nil {
				begun, after = time.Now(), pauses[tries]
				again = m.Now().Add(after).UTC()
			}
			log("error", "was not confirmed in time, and cannot be put back: "+err.Error()+"; its settings are in force. Type: postseal undo")
			fail(m, run, err, again, o)
			if again.IsZero() {
				return r, err
			}
			tries++
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(500*time.Millisecond, after-time.Since(begun)+time.Millisecond)):
		}
	}
}

// stateGone is an error if the folder is not there in which it would stand what
// became of a run.
func stateGone(m host.Reader, stateDir string) error {
	if _, err := m.Stat(filepath.Join(stateDir, "lock")); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is gone", stateDir)
	}
	return nil
}

// fail records why a run could not be taken back.
func fail(m host.Machine, run string, err error, again time.Time, o Options) {
	s := store{m, o.StateDir}
	release, locked := m.Lock(filepath.Join(o.StateDir, "lock"))
	if locked != nil {
		return // whoever holds it deals with the run
	}
	defer func() { _ = release() }()
	if u, _ := Waiting(m, o.StateDir); u != nil && u.Run == run {
		u.Failure, u.Again = strings.Join(strings.Fields(err.Error()), " "), again
		_ = s.put(s.net(), u) // the log has it too
	}
}

// tellLog writes a line about a run where Postfix logs (postlog(1)).
func tellLog(ctx context.Context, m host.Machine, configDir, run, priority, text string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	text = fmt.Sprintf("run %s %s", run, strings.Join(strings.Fields(text), " "))
	_, _ = m.Act(ctx, "postlog", "-c", configDir, "-t", "postseal", "-p", priority, fmt.Sprintf("%.900s", text))
}

// takeBack undoes the run, as soon as nobody else is at work, unless it was
// confirmed meanwhile.
func takeBack(ctx context.Context, m host.Machine, u Unconfirmed, o Options) (*Receipt, error) {
	begun := time.Now()
	o.why = "nobody confirmed it by " + u.By.Local().Format(time.TimeOnly)
	o.locked = func() error {
		now, err := Waiting(m, o.StateDir)
		if err == nil && (now == nil || now.Run != u.Run) {
			err = errSettled
		}
		return err
	}
	for {
		r, err := undoOnly(ctx, m, u, o)
		if errors.Is(err, errSettled) {
			return nil, nil
		}
		if err == nil || !errors.Is(err, host.ErrLocked) || time.Since(begun) > busyTime {
			return r, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// errSettled: the run was confirmed or taken back before we had the lock.
var errSettled = errors.New("it waits no more")

// undoOnly undoes the run if it is the one that undo would take. An undo of it
// that was interrupted is brought to its end.
func undoOnly(ctx context.Context, m host.Machine, u Unconfirmed, o Options) (*Receipt, error) {
	what, err := Pending(m, o.StateDir)
	switch {
	case err != nil:
		return nil, err
	case what != nil && what.Undoes == u.Run && what.Phase != Reverting:
		r, err := Finish(ctx, m, o)
		if err == nil {
			err = forget(m, o)
		}
		return r, err
	case what != nil && what.Undoes == u.Run:
		if _, err := Undo(ctx, m, u.ConfigDir, o); err != nil { // the run is in force again
			return nil, err
		}
		what = nil
	}
	if what == nil {
		what, err = Last(m, o.StateDir, u.ConfigDir)
	}
	if err != nil {
		return nil, err
	}
	if what == nil || what.ID != u.Run { // it was taken back, or never wrote anything
		return nil, forget(m, o)
	}
	return Undo(ctx, m, u.ConfigDir, o)
}

// forget removes what says that a run waits. With the lock: the run may just be
// about to write.
func forget(m host.Machine, o Options) error {
	s := store{m, o.StateDir}
	release, err := m.Lock(filepath.Join(o.StateDir, "lock"))
	if err != nil {
		return err
	}
	defer func() { _ = release() }()
	if err := o.locked(); err != nil {
		return err
	}
	return m.Remove(s.net())
}
