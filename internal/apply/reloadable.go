package apply

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"postseal/internal/hint"
)

// errUnloadable is why Postfix is not told to read its files.
var errUnloadable = errors.New("Postfix must not be reloaded now") //nolint:staticcheck // a name

// reloadable is an error if it is certain that postfix(1) would refuse a reload, or
// master(8) die of it, by a value in main.cf that somebody has set since; or if Postfix
// may hang of it for good. Nothing of that shows in the listeners, and no rollback mends
// it. Of master.cf it says nothing.
func (t *transaction) reloadable(ctx context.Context) error {
	warnings, fatal := t.said(ctx)
	why := slices.DeleteFunc([]string{fatal, t.throttled(ctx)}, func(s string) bool { return s == "" })
	if len(why) > 0 {
		return hint.Wrap(fmt.Errorf("%w: that would fail, or stop it: %s", errUnloadable, strings.Join(why, "; ")),
			"main.cf was edited after Postfix read it, or an address in it no longer exists: correct that first")
	}
	if why := t.jams(ctx, warnings); why != "" {
		return hint.Wrap(fmt.Errorf("%w: it could hang indefinitely: %s", errUnloadable, why),
			"correct main.cf until this prints only \"value\" and no warnings: "+t.warned()+" (if a parameter is set twice, remove the first line); or run sysctl -w net.unix.max_dgram_qlen=512, then postfix stop and start")
	}
	return nil
}

// wayBack says of an undo that cannot be loaded how to get there. Mended, the main.cf
// of the run would bar it, and the one from before goes again when it fails.
func (t *transaction) wayBack(err error) error {
	if t.Undoes == "" || !errors.Is(err, errUnloadable) {
		return err
	}
	return hint.Wrap(err, "restore only the files ("+undoing(t.o.StateDir, t.ConfigDir, t.Undoes)+" --files-only); then "+hint.Of(err)+"; then "+hint.ShellLine([]string{"postfix", "-c", t.ConfigDir, "reload"}))
}

// noteUnloadable tells who has put the files back alone that he cannot go on by a
// reload yet.
func (t *transaction) noteUnloadable(ctx context.Context) {
	if _, lives, _ := t.master(ctx); !lives {
		return
	}
	if err := t.reloadable(ctx); err != nil {
		t.Unloadable = err.Error() + ": " + hint.Of(err)
		t.event(Event{Step: "check whether Postfix can be reloaded", State: Noted, Text: t.Unloadable})
	}
}

// asking has a program of Postfix do nothing.
func (t *transaction) asking() []string {
	return []string{"-c", t.ConfigDir, "-q", "key", "static:value"}
}

// warned is the command that shows of what all programs of Postfix warn.
func (t *transaction) warned() string {
	return hint.ShellLine(append([]string{"postmap"}, t.asking()...))
}

// said is what every program of Postfix says of main.cf when it starts: of what it
// warns, and with what none of them starts (mail_params_init in the source).
func (t *transaction) said(ctx context.Context) (warnings []string, fatal string) {
	o, err := t.m.Run(ctx, "postmap", t.asking()...)
	if err != nil {
		return nil, ""
	}
	for line := range strings.Lines(o.Stderr) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), ": ")
		if why, ok := strings.CutPrefix(line, "fatal: "); ok && o.Code != 0 {
			fatal = why
		}
		// A main.cf of the last two seconds is read, and warned of, more than once.
		if w, ok := strings.CutPrefix(line, "warning: "); ok && !slices.Contains(warnings, w) {
			warnings = append(warnings, w)
		}
	}
	return warnings, fatal
}

// jams is why postlogd(8) could wait for itself; empty if nothing says so. Until it
// reads its socket (maillog_file), it logs to it like all others: with that full, it
// never comes to read it, and everything stands that logs. The queue is short where
// systemd has not made it longer (512), as in a container; a socket has the length that
// was set when the master made it, which nothing tells later. That a tenth of it is too
// much was seen on servers that 5 to 50 clients kept busy, at 20 reloads each.
func (t *transaction) jams(ctx context.Context, warnings []string) string {
	text, err := t.m.ReadFile("/proc/sys/net/unix/max_dgram_qlen")
	queue, err2 := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || err2 != nil || 10*len(warnings) < max(queue, 1) {
		return ""
	}
	if o, err := t.m.Run(ctx, "postconf", "-c", t.ConfigDir, "-xh", "maillog_file"); err != nil || strings.TrimSpace(o.Stdout) == "" {
		return ""
	}
	return fmt.Sprintf("each of its programs logs a warning when it starts (%.200s), and the queue of its log (maillog_file) holds only %d messages", warnings[0], queue)
}

// throttleTimes are the values of service_throttle_time that master(8) takes, which
// alone reads it: a time of at least 1s, and after its unit anything (conv_time.c).
var throttleTimes = regexp.MustCompile(`^\+?0*[1-9][0-9]*([smhdw]|$)`)

// throttled is what master(8) would die of in service_throttle_time; empty if it is
// nothing.
func (t *transaction) throttled(ctx context.Context) string {
	o, err := t.m.Run(ctx, "postconf", "-c", t.ConfigDir, "-xh", "service_throttle_time")
	if value := strings.TrimSpace(o.Stdout); err == nil && o.Code == 0 && !throttleTimes.MatchString(value) {
		return "service_throttle_time is " + strconv.Quote(value) + ", but must be at least 1s"
	}
	return ""
}
