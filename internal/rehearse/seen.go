package rehearse

import (
	"context"
	"fmt"

	"postseal/internal/hello"
	"postseal/internal/plan"
	"postseal/internal/probe"
)

// Seen is a hello that arrived at this server. A rehearsal sends it again.
type Seen struct {
	// Name is short, and Text says who sent it.
	Name, Text string
	Hello      *hello.Hello
}

// seen are the clients that send the hellos which were seen here: at the listeners at which
// TLS may be left out, since those are for other servers.
func (l *listener) seen() (out []client) {
	if l.check.Mode != plan.STARTTLS || l.mandatory() {
		return nil
	}
	for _, s := range l.hellos {
		out = append(out, client{name: s.Name, text: s.Text, run: func(ctx context.Context) (string, string) {
			got, taken := l.replay(ctx, s.Hello)
			if !taken {
				return got, seenLost
			}
			return got, ""
		}})
	}
	return out
}

// seenLost marks what came of a hello that is refused. That is for the administrator to
// judge, and not a failure of the settings.
const seenLost = "this sender would lose TLS"

// replay sends a hello and reports whether the listener agrees on something.
func (l *listener) replay(ctx context.Context, h *hello.Hello) (got string, taken bool) {
	a, err := probe.Replay(ctx, l.target(), probe.Options{}, h.Replay())
	switch {
	case err != nil:
		return failure(err), false
	case a.Refused != "":
		return fmt.Sprintf("refused (%s): %s", a.Refused, seenLost), false
	}
	got = a.Version + " " + a.Suite.OpenSSL
	if a.Group != "" {
		got += " " + a.Group
	}
	return got, true
}
