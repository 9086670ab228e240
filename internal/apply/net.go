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
	By time.Time `json:"by,omitzero"`
	// How says what does it.
	How string `json:"how,omitempty"`
	// Timer is the unit of systemd, or empty.
	Timer string `json:"timer,omitempty"`
	// Boot is the boot of the machine in which it was armed, and Orphan says that
	// this is another: timer and process have not lived on (random(4), boot_id).
	Boot   string `json:"boot,omitempty"`
	Orphan bool   `json:"-"`
	// Bare says that only the run itself tells that it waits.
	Bare bool `json:"-"`
	// loss is the error about a run of which nothing is recorded.
	loss error
	// Trouble is what was wrong before the run: going back leads there.
	Trouble string `json:"trouble,omitempty"`
	// Ended says that what was to take it back was ended before its time.
	Ended bool `json:"ended,omitempty"`
	// Failure is why it could not be taken back when the time was up, and Again
	// when that is tried again; zero for not any more.
	Failure string    `json:"failure,omitempty"`
	Again   time.Time `json:"again,omitzero"`
	// Written is what the run wrote into the files that people edit, by path: so
	// that it can be taken out again of what they have become.
	Written map[string][]byte `json:"written,omitempty"`
}

// Lost says that nothing is recorded of the run, so that nobody can take it back.
func (u Unconfirmed) Lost() bool { return u.loss != nil }

// Astray says that it does not, or did not, go back by itself at its time.
func (u Unconfirmed) Astray(now time.Time) bool {
	return u.Lost() || u.Failure != "" || u.Ended || u.Orphan || u.Bare || now.After(u.By.Add(time.Minute))
}

// Stands says in words how the run stands.
func (u Unconfirmed) Stands(now time.Time) string {
	switch {
	case u.Lost():
		return "cannot revert while its records are missing"
	case u.Orphan:
		return fmt.Sprintf("was to revert automatically at %s, but will not: the machine was restarted", u.By.Local().Format(time.DateTime))
	case u.Ended:
		return "no longer reverts automatically: the process that was to revert it was killed"
	case u.Failure != "" && u.Again.After(now):
		return fmt.Sprintf("could not be reverted: %s; the next attempt is at %s", u.Failure, u.Again.Local().Format(time.TimeOnly))
	case u.Failure != "":
		return "could not be reverted: " + u.Failure
	case u.Bare:
		return fmt.Sprintf("was to revert automatically at %s; whether it will is unknown", u.By.Local().Format(time.DateTime))
	case now.After(u.By) && !u.Astray(now):
		return "has not reverted yet: its time was up at " + u.By.Local().Format(time.TimeOnly)
	case now.After(u.By):
		return fmt.Sprintf("should have reverted automatically at %s, but has not", u.By.Local().Format(time.DateTime))
	}
	return GoesBack(u.By)
}

// GoesBack says in words what a run does unless it is confirmed by then.
func GoesBack(by time.Time) string {
	return "reverts automatically at " + by.Local().Format(time.TimeOnly)
}

// ErrUnconfirmed: a run has to be confirmed, or taken back, first.
var ErrUnconfirmed = errors.New("not confirmed yet")

func (s store) net() string { return filepath.Join(s.dir, "unconfirmed.json") }

// Waiting is the run that waits to be confirmed, or nil.
func Waiting(m host.Reader, stateDir string) (*Unconfirmed, error) {
	s := store{host.ReadOnly{Reader: m}, stateDir}
	run, err := s.unsettled()
	if err != nil {
		return nil, err
	}
	u, err := readNet(m, stateDir)
	switch {
	case run == nil && (err != nil || u == nil):
		return nil, err
	case run == nil:
		if r, err := s.get(s.receipt(u.Run)); err == nil && r.settled() {
			return nil, nil // who settled it was killed before it was taken away
		}
		u.loss = lost(m, stateDir, u.ConfigDir, u.Run)
	case err != nil || u == nil || u.Run != run.ID: // torn, or not there
		u = &Unconfirmed{Run: run.ID, ConfigDir: run.ConfigDir, By: run.ConfirmBy, Bare: true}
	}
	now := boot(m)
	u.Orphan = u.Boot != "" && now != "" && u.Boot != now
	return u, nil
}

// unsettled is the run that waits to be confirmed, also while it is half done; nil
// if none does. It is the newest apply: none is begun while it waits.
func (s store) unsettled() (*Receipt, error) {
	p, err := Pending(s.m, s.dir)
	if err != nil || p != nil && !p.ConfirmBy.IsZero() {
		return p, err
	}
	paths, err := s.m.Glob(filepath.Join(literal(s.dir), "receipts", "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	for _, path := range slices.Backward(paths) {
		r, err := s.get(path)
		switch {
		case err != nil:
			return nil, err
		case r.Kind == "apply" && r.settled():
			return nil, nil
		case r.Kind == "apply":
			return r, nil
		}
	}
	return nil, nil
}

// boot identifies this boot of the machine; empty if nothing does.
func boot(m host.Reader) string {
	id, err := m.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// readNet is what stands about a run that waits, or waited; nil if nothing does.
func readNet(m host.Reader, stateDir string) (*Unconfirmed, error) {
	s := store{host.ReadOnly{Reader: m}, stateDir}
	path := s.net()
	data, err := s.read(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var u Unconfirmed
	err = json.Unmarshal(data, &u)
	if err == nil {
		err = u.check()
	}
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("reading %s: %w", path, err), "move the file away")
	}
	return &u, nil
}

// waits is an error if a run waits to be confirmed.
func waits(m host.Reader, stateDir string) error {
	u, err := Waiting(m, stateDir)
	if err != nil || u == nil {
		return err
	}
	return u.Err(stateDir, m.Now())
}

// Err refuses what comes before the run is kept or taken back.
func (u Unconfirmed) Err(stateDir string, now time.Time) error {
	if u.Lost() {
		return hint.Wrap(u.loss, hint.Of(u.loss)+", and: "+hint.ShellLine([]string{"rm", store{dir: stateDir}.net()}))
	}
	return hint.Wrap(fmt.Errorf("run %s is %w, and %s", u.Run, ErrUnconfirmed, u.Stands(now)), u.Ways(stateDir))
}

// Ways are what can be done about it.
func (u Unconfirmed) Ways(stateDir string) string {
	return typed(stateDir, u.ConfigDir, "confirm", "--run", u.Run) + " keeps it, " + undoing(stateDir, u.ConfigDir, u.Run) + " undoes it"
}

// Busy is an error while a run may still go back by itself: what is written on
// top of it would bar the way. After its time nothing is held up by it.
func Busy(m host.Reader, stateDir string) error {
	u, err := Waiting(m, stateDir)
	if err != nil || u == nil || m.Now().After(u.By) {
		return err
	}
	return u.Err(stateDir, m.Now())
}

// arm spreads the net under a run that wants one, before anything is written.
// trouble is what was wrong before the run.
func (t *transaction) arm(ctx context.Context, trouble string) error {
	if t.ConfirmBy.IsZero() {
		return nil
	}
	done := t.step("arm the automatic revert")
	u := Unconfirmed{Run: t.ID, ConfigDir: t.ConfigDir, By: t.ConfirmBy, Boot: boot(t.m), Trouble: trouble, Written: map[string][]byte{}}
	for i, e := range t.Entries {
		if editable(e.Kind) {
			u.Written[e.Path] = t.new[i]
		}
	}
	command := append(append([]string{}, t.o.Net.Command...), "--run", t.ID)
	after := strconv.Itoa(int(t.o.Net.Within.Seconds())) + "s"
	u.Timer = timerOf(t.ID)
	u.How = "systemd timer " + u.Timer
	if !t.armTimer(ctx, u.Timer, after, command) {
		u.How, u.Timer = "a process of its own", ""
	}
	// Whoever fires finds the run in this file; so it stands there first, but
	// for a timer, which has time.
	if err := t.store.put(t.store.net(), u); err != nil {
		_ = t.m.Remove(t.store.net()) // which may be in place although writing it failed
		return done(t.stopTimer(ctx, u, err))
	}
	if u.Timer == "" {
		if err := t.m.Detach(command[0], append(command[1:], "--after", after)...); err != nil {
			return done(errors.Join(err, t.m.Remove(t.store.net())))
		}
	}
	if u.Trouble != "" {
		t.event(Event{Step: "arm the automatic revert", State: Noted, Text: "reverting restores a state that already had problems: " + u.Trouble})
		return nil
	}
	return done(nil)
}

// timerOf is the unit of the timer that takes a run back.
func timerOf(run string) string { return "postseal-revert-" + run }

// armTimer starts a transient timer where systemd runs (systemd-run(1)).
func (t *transaction) armTimer(ctx context.Context, unit, after string, command []string) bool {
	if _, err := t.m.Stat("/run/systemd/system"); err != nil {
		return false
	}
	words := slices.Clone(command)
	for i := range words[1:] { // systemd expands variables in arguments (systemd.service(5), "Command lines")
		words[i+1] = strings.ReplaceAll(words[i+1], "$", "$$")
	}
	args := append([]string{"--quiet", "--collect", "--unit=" + unit, "--description=postseal: revert an unconfirmed run",
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
	u, err := readNet(t.m, t.o.StateDir)
	if err != nil || u == nil || u.Run != t.ID && (u.Run != t.Undoes || t.Phase != Kept) {
		return // what took back an undo leaves the run in force
	}
	_ = t.m.Remove(t.store.net()) // a timer that fires finds nothing to do then
	_ = stopTimer(ctx, t.m, *u)
}

// trouble says what was wrong before the run with the listeners, and by the last
// hour of the log with what was sent; or nothing.
func (t *transaction) trouble(ctx context.Context) string {
	var out []string
	for i, p := range t.Before {
		if isNew := i < len(t.Checks) && t.Checks[i].New; !p.OK && !isNew {
			out = append(out, fmt.Sprintf("%s was %s", p.Service, outcome(p)))
		}
	}
	if mark := t.o.Log.Mark(t.m); mark.Readable() {
		if text := t.tallyBefore(ctx, mark, t.m.Now().Add(-time.Hour)).Sending(); text != "" {
			out = append(out, fmt.Sprintf("in the last hour, %s (see %s)", text, t.o.Log))
		}
	}
	return strings.Join(out, "; ")
}

// Confirm keeps the run that waits. What was confirmed is returned. It must be
// that of configDir, and be run, unless these are empty. One that was interrupted
// half way is not kept by that: it is proved first, or goes back.
func Confirm(ctx context.Context, m host.Machine, stateDir, configDir, run string) (_ *Unconfirmed, err error) {
	defer func() { err = Remedy(m, err) }()
	s := store{m, stateDir}
	release, err := lockSoon(ctx, m, filepath.Join(stateDir, "lock"))
	if errors.Is(err, host.ErrLocked) {
		return nil, hint.New("another postseal is running on this machine: it may be reverting the run", typed(stateDir, "", "history")+" shows the outcome")
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
	p, err := Pending(m, stateDir)
	if err != nil {
		return nil, err
	}
	wanted := run
	if wanted == "" && u != nil {
		wanted = u.Run
	}
	switch {
	case p != nil && wanted != "" && (p.ID == wanted || p.Undoes == wanted) && (configDir == "" || p.ConfigDir == configDir):
		return nil, Interrupted(m, stateDir)
	case run != "" && (u == nil || u.Run != run):
		return &Unconfirmed{Run: run, ConfigDir: configDir}, decided(m, stateDir, configDir, run, u)
	case u == nil:
		return nil, noneWaits(m, stateDir)
	}
	if configDir != "" && configDir != u.ConfigDir {
		return nil, hint.New("no run on "+configDir+" waits to be confirmed, but run "+u.Run+" on "+u.ConfigDir, u.Ways(stateDir))
	}
	if u.Lost() {
		return nil, u.loss
	}
	r, err := s.get(s.receipt(u.Run))
	if err != nil {
		return nil, err
	}
	r.Confirmed = true // which is what counts
	if err := s.put(s.receipt(r.ID), r); err != nil {
		// The receipt may be in place although writing it failed: then the run is
		// kept, and nothing reverts it.
		if now, unread := s.get(s.receipt(r.ID)); unread != nil || !now.Confirmed {
			return nil, err
		}
	}
	_ = m.Remove(s.net())
	_ = stopTimer(ctx, m, *u) // it finds nothing to do
	if p == nil {
		s.sweep()
	}
	dropEditLocks(ctx, m, u.ConfigDir)
	u.Written = nil
	return u, nil
}

// confirmTime is how long who confirms waits for somebody else to end.
const confirmTime = 5 * time.Second

// lockSoon takes a lock that may be held for a moment.
func lockSoon(ctx context.Context, m host.Machine, path string) (func() error, error) {
	for begun := time.Now(); ; {
		release, err := m.Lock(path)
		if !errors.Is(err, host.ErrLocked) || time.Since(begun) > confirmTime {
			return release, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// noneWaits is the answer to who comes to confirm, and may have come too late.
func noneWaits(m host.Reader, stateDir string) error {
	text := "no run waits to be confirmed"
	if gone(m, stateDir) {
		text += ": " + stateDir + " is not there"
	}
	if all, err := History(m, stateDir, ""); err == nil && len(all) > 0 && all[0].Why != "" && all[0].Phase == Kept {
		text += fmt.Sprintf(": run %s was reverted at %s: %s", all[0].Undoes, all[0].When.Local().Format(time.TimeOnly), all[0].Why)
	}
	return hint.New(text, typed(stateDir, "", "history")+" lists all runs")
}
