package apply

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"postseal/internal/hint"
)

// reloadable is an error if it is certain that postfix(1) would refuse a reload, or
// master(8) die of it, by a value in main.cf that somebody has set since. Nothing of
// that shows in the listeners, and no rollback mends it. Of master.cf it says nothing.
func (t *transaction) reloadable(ctx context.Context) error {
	why := slices.DeleteFunc([]string{t.refused(ctx), t.throttled(ctx)}, func(s string) bool { return s == "" })
	if len(why) == 0 {
		return nil
	}
	return hint.New("a reload of Postfix would fail, or stop it: "+strings.Join(why, "; "),
		"main.cf was edited since Postfix read it, or an address that it names has gone: mend that first")
}

// refused is what the programs of Postfix say of a value in main.cf with which none of
// them starts (mail_params_init in the source); empty if it is nothing.
func (t *transaction) refused(ctx context.Context) string {
	o, err := t.m.Run(ctx, "postmap", "-c", t.ConfigDir, "-q", "key", "static:value")
	if _, why, fatal := strings.Cut(o.Stderr, "fatal: "); err == nil && o.Code != 0 && fatal {
		return strings.TrimSpace(why)
	}
	return ""
}

// throttleTimes are the values of service_throttle_time that master(8) takes, which
// alone reads it: a time of at least 1s, and after its unit anything (conv_time.c).
var throttleTimes = regexp.MustCompile(`^\+?0*[1-9][0-9]*([smhdw]|$)`)

// throttled is what master(8) would die of in service_throttle_time; empty if it is
// nothing.
func (t *transaction) throttled(ctx context.Context) string {
	o, err := t.m.Run(ctx, "postconf", "-c", t.ConfigDir, "-xh", "service_throttle_time")
	if value := strings.TrimSpace(o.Stdout); err == nil && o.Code == 0 && !throttleTimes.MatchString(value) {
		return "service_throttle_time is " + strconv.Quote(value) + ", and has to be a time of at least 1s"
	}
	return ""
}
