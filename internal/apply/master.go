package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postseal/internal/hint"
	"postseal/internal/host"
	"postseal/internal/postfix/maincf"
	"postseal/internal/probe"
)

// master reports whether the master daemon lives, by its pid file, which is what
// "postfix reload" goes by too. "postfix status" is asked only where nothing says
// where that lies: a value that master(8) refuses makes it say yes of a dead one, and
// one that postfix(1) refuses no of one that lives. pid is its process, as text.
func (t *transaction) master(ctx context.Context) (pid string, lives, known bool) {
	queue := t.queue(ctx)
	if !filepath.IsAbs(queue) {
		runs, _ := t.status(ctx)
		return "", runs, false
	}
	text, err := t.m.ReadFile(filepath.Join(queue, "pid", "master.pid"))
	if err != nil {
		return "", false, errors.Is(err, fs.ErrNotExist)
	}
	pid = strings.TrimSpace(string(text))
	name, err := t.m.ReadFile(filepath.Join("/proc", pid, "comm"))
	return pid, err == nil && strings.TrimSpace(string(name)) == "master", true
}

// queue is the queue_directory, also of a main.cf with a line that Postfix cannot
// read: to look at the listeners then would make smtpd(8) die of it at each look, and
// a master(8) that logs by postlogd(8) hangs for good once that dies of it too.
func (t *transaction) queue(ctx context.Context) string {
	o, err := t.m.Run(ctx, "postconf", "-c", t.ConfigDir, "-xh", "queue_directory")
	if err == nil && o.Code == 0 {
		return strings.TrimSpace(o.Stdout)
	}
	text, err := t.m.ReadFile(filepath.Join(t.ConfigDir, "main.cf"))
	if err != nil {
		return ""
	}
	if e, ok := maincf.Parse(string(text)).Get("queue_directory"); ok && strings.Contains(e.Value, "$") {
		return ""
	} else if ok {
		return e.Value
	}
	if o, err = t.m.Run(ctx, "postconf", "-dh", "queue_directory"); err != nil || o.Code != 0 {
		return ""
	}
	return strings.TrimSpace(o.Stdout)
}

// status reports whether postfix(1) says that it runs. That it says nothing is an error,
// and no sign that it does not run: it logs first, and waits if nobody reads the log.
func (t *transaction) status(ctx context.Context) (runs bool, err error) {
	o, err := t.m.Run(ctx, "postfix", "-c", t.ConfigDir, "status")
	return err == nil && o.Code == 0, err
}

// stopped reports whether Postfix does not run. Where nothing says so for certain, it
// runs if something answers where it listens.
func (t *transaction) stopped(ctx context.Context) bool {
	_, lives, known := t.master(ctx)
	if !lives && !known {
		lives = slices.ContainsFunc(t.lookAll(ctx, t.Checks), func(p Proof) bool { return p.Stage != probe.Connecting })
	}
	return !lives && ctx.Err() == nil
}

// noteStopped leaves it at the files: who has stopped Postfix will start it.
func (t *transaction) noteStopped() {
	t.FilesOnly, t.Notes = true, append(t.Notes, stoppedNote)
	t.event(Event{Step: "check the listeners", State: Noted, Text: stoppedNote})
}

const stoppedNote = "Postfix is not running: only the files are written, and nothing is verified"

// ErrStopped is why a change could not be proved.
var ErrStopped = errors.New("Postfix is not running") //nolint:staticcheck // a name

// Ready is an error if Postfix could not take a change now: it does not run
// (ErrStopped), it hangs, or a reload would fail, stop it or make it hang.
func Ready(ctx context.Context, m host.Machine, configDir string) error {
	t := &transaction{m: m, Receipt: &Receipt{ConfigDir: configDir}}
	if _, lives, known := t.master(ctx); known && !lives {
		return t.notRunning("")
	}
	if err := t.reloadable(ctx); err != nil {
		return err
	}
	if err := t.hung(ctx); err != nil {
		return err
	}
	return interrupted(ctx) // of which all that was asked has said nothing
}

// notRunning is ErrStopped, with what else can be done than to start it.
func (t *transaction) notRunning(or string) error {
	return hint.Wrap(fmt.Errorf("%w: a change could not be verified", ErrStopped),
		"start it ("+hint.ShellLine([]string{"postfix", "-c", t.ConfigDir, "start"})+")"+or)
}

// Reload makes Postfix read its files, unless that would stop it or make it hang. One
// that does not run reads them when it starts, and is left alone.
func Reload(ctx context.Context, m host.Machine, configDir string) error {
	t := &transaction{m: m, Receipt: &Receipt{ConfigDir: configDir}}
	if _, lives, known := t.master(ctx); known && !lives {
		return nil
	}
	if err := t.reload(ctx, "reload"); err != nil {
		return err
	}
	return t.hung(ctx) // the reload comes to its end even then
}

// reload makes Postfix read its files, if it can. Before 3.8 it says nothing without a
// terminal, so its log has the last word.
func (t *transaction) reload(ctx context.Context, step string) error {
	done := t.step(step)
	if err := t.reloadable(ctx); err != nil {
		return done(err)
	}
	o, err := t.m.Act(ctx, "postfix", "-c", t.ConfigDir, "reload")
	if err != nil {
		return done(t.hangs(ctx, err))
	}
	t.reloaded = time.Now()
	return done(t.failed("reload", o))
}

// hung is an error if Postfix does not answer.
func (t *transaction) hung(ctx context.Context) error {
	if _, err := t.status(ctx); errors.Is(err, context.DeadlineExceeded) {
		return t.hangs(ctx, err)
	}
	return nil
}

// errHangs is a postfix(1) that did not come to its end.
var errHangs = errors.New("Postfix does not answer") //nolint:staticcheck // a name

// hangs says of a postfix(1) that did not come to its end what to do if that is for
// ever. A master that is ended without its postlogd(8) leaves a full socket behind, and
// the next one hangs too; the rest ends by itself.
func (t *transaction) hangs(ctx context.Context, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	err = fmt.Errorf("%w: %w", errHangs, err)
	pid, lives, _ := t.master(ctx)
	start := hint.ShellLine([]string{"postfix", "-c", t.ConfigDir, "start"})
	if !lives || pid == "" {
		return hint.Wrap(err, "a postlogd left by a master that died keeps Postfix from starting: find it with pgrep -a postlogd, kill it with kill -9, then "+start)
	}
	end := []string{"kill", "-9", pid}
	children, _ := t.m.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	for _, child := range strings.Fields(string(children)) {
		if name, err := t.m.ReadFile(filepath.Join("/proc", child, "comm")); err == nil && strings.TrimSpace(string(name)) == "postlogd" {
			end = append(end, child)
		}
	}
	mend := ""
	if warnings, _ := t.said(ctx); len(warnings) > 0 {
		mend = "correct what the warnings name in main.cf (" + t.warned() + "), then "
	}
	return hint.Wrap(err, "if no mail moves, Postfix hangs (for example when nothing reads its log, maillog_file): "+mend+strings.Join(end, " ")+", then "+start)
}

// failed is the error about a command of postfix(1) that failed, or nil.
func (t *transaction) failed(command string, o host.Output) error {
	if o.Code == 0 {
		return nil
	}
	why := strings.TrimSpace(o.Stderr)
	if why == "" {
		why = "it gave no reason"
	}
	return hint.Wrap(fmt.Errorf("postfix %s ended with %d: %s", command, o.Code, why), hint.ShellLine([]string{"postfix", "-c", t.ConfigDir, "check"})+", and the end of Postfix's log, say more")
}

// dyingTime is more than the second that master(8) lives on after it has logged what
// it dies of (msg(3), msg_fatal).
const dyingTime = 1500 * time.Millisecond

// outlive waits until a master that the last reload has killed is dead.
func (t *transaction) outlive(ctx context.Context) {
	sleep(ctx, dyingTime-time.Since(t.reloaded))
}

// revive makes the files count, by a reload of that name. A master that others have
// killed is started; it ran before, else observe would not have let us go on. Of a run
// that was interrupted, and proved by nobody, the same is supposed.
func (t *transaction) revive(ctx context.Context, reload string) error {
	t.outlive(ctx)
	if _, lives, _ := t.master(ctx); lives {
		return t.reload(ctx, reload)
	}
	done := t.step("start Postfix again")
	o, err := t.startPostfix(ctx)
	if err != nil {
		return done(t.hangs(ctx, err))
	}
	return done(t.failed("start", o))
}

// startPostfix runs postfix start. Where systemd runs, Postfix becomes a unit of its
// own: as a child of ours it would live within the limits of the unit that renews
// certificates, and could not deliver to /home, or end with the session of the terminal.
func (t *transaction) startPostfix(ctx context.Context) (host.Output, error) {
	start := []string{"postfix", "-c", t.ConfigDir, "start"}
	if _, err := t.m.Stat("/run/systemd/system"); err == nil {
		args := []string{"--quiet", "--collect", "--description=Postfix, started again by postseal", "--property=Type=forking", "--property=KillMode=process"}
		if o, err := t.m.Act(ctx, "systemd-run", append(args, start...)...); err == nil && o.Code == 0 {
			return o, nil
		}
		// Whatever kept it from that, postfix start says it better.
	}
	return t.m.Act(ctx, start[0], start[1:]...)
}
