package apply

import (
	"context"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"postseal/internal/hint"
	"postseal/internal/postfix/mastercf"
)

// reloadable is an error if postfix(1) would refuse the next reload, or master(8) die
// of it, by what somebody has written and not loaded yet. Nothing of it shows in the
// listeners, and putting the change back would not mend it.
func (t *transaction) reloadable(ctx context.Context) error {
	why := slices.DeleteFunc(append(t.unlistenable(ctx), t.refused(ctx), t.throttled(ctx)), func(s string) bool { return s == "" })
	if len(why) == 0 {
		return nil
	}
	return hint.New("Postfix runs, but a reload would fail, or stop it: "+strings.Join(why, "; "),
		"that was edited, or an address has gone, since Postfix last read its files: mend that first. Nothing was changed")
}

// refused is what the programs of Postfix say of a value in main.cf without which
// none of them starts (mail_params_init in the source); empty if it is nothing.
func (t *transaction) refused(ctx context.Context) string {
	o, err := t.m.Run(ctx, "postmap", "-c", t.ConfigDir, "-q", "key", "static:value")
	if _, why, fatal := strings.Cut(o.Stderr, "fatal: "); err == nil && fatal {
		return strings.TrimSpace(why)
	}
	return ""
}

// throttleTimes are the values of service_throttle_time that master(8) takes; no other
// program reads it.
var throttleTimes = regexp.MustCompile(`^0*[1-9][0-9]*[smhdw]?$`)

func (t *transaction) throttled(ctx context.Context) string {
	o, err := t.m.Run(ctx, "postconf", "-c", t.ConfigDir, "-xh", "service_throttle_time")
	if value := strings.TrimSpace(o.Stdout); err == nil && o.Code == 0 && !throttleTimes.MatchString(value) {
		return "service_throttle_time is " + strconv.Quote(value) + ", and has to be a time of at least 1s"
	}
	return ""
}

// unlistenable are the services of master.cf, as it will be, on which no program can
// listen, each with the reason. One that is switched off master(8) does not look at.
func (t *transaction) unlistenable(ctx context.Context) (out []string) {
	o, err := t.m.Run(ctx, "postconf", "-c", t.ConfigDir, "-h", "master_service_disable")
	if err != nil || strings.TrimSpace(o.Stdout) != "" {
		return nil
	}
	path := filepath.Join(t.ConfigDir, "master.cf")
	text, err := t.m.ReadFile(path)
	if i := slices.IndexFunc(t.Entries, func(e Entry) bool { return e.Path == path }); i >= 0 {
		text, err = t.new[i], nil
	}
	if err != nil {
		return nil // Postfix runs, and says itself what is wrong
	}
	for _, s := range mastercf.Parse(string(text)).Services() {
		if s.Type != "inet" {
			continue
		}
		host, port, err := net.SplitHostPort(s.Name)
		if err != nil { // the port alone
			host, port = "", s.Name
		}
		if err := t.m.Listenable(ctx, host, port); err != nil {
			out = append(out, "service "+s.ID()+" of "+path+": "+err.Error())
		}
	}
	return out
}
