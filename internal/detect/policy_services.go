package detect

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postseal/internal/host"
	"postseal/internal/postfix"
)

// answerTime is how long a service with policies may take for an answer. Postfix itself
// waits longer, and mail waits with it.
const answerTime = 4 * time.Second

// askPolicyServices asks each policy table that is a service for a name that nobody has,
// as Postfix would: where it fails, all mail is deferred.
func (f *Facts) askPolicyServices(ctx context.Context, m host.Reader) {
	const name = "smtp_tls_policy_maps"
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var asked []string
	for _, t := range f.Transports {
		v := f.Config.Value(&t.Service, name)
		for _, one := range postfix.List(v.Text) {
			table := strings.TrimPrefix(one, "proxy:")
			kind, _, _ := strings.Cut(table, ":")
			if kind != "socketmap" && kind != "tcp" || slices.Contains(asked, one) || strings.Contains(v.Text, "{") {
				continue
			}
			asked = append(asked, one)
			if why := f.noAnswer(ctx, m, f.seenBy(t, one, table)); why != "" {
				f.problem(NoAnswer, name, v.Origin, fmt.Sprintf("%.120s %s: all mail is deferred", table, why))
			}
		}
	}
}

// seenBy is a table whose socket is a file by the path that it has for this process: smtp
// runs in the queue directory, and may have that for its root.
func (f *Facts) seenBy(t Transport, one, table string) string {
	rest, unix := strings.CutPrefix(table, "socketmap:unix:")
	if !unix || filepath.IsAbs(rest) && (!t.Chroot || one != table) {
		return table
	}
	return "socketmap:unix:" + filepath.Join(f.Config.Text(nil, "queue_directory"), rest)
}

// noAnswer says how a table fails to answer, or is empty if it answers, or that cannot
// be found out.
func (f *Facts) noAnswer(ctx context.Context, m host.Reader, table string) string {
	o, err := m.Run(ctx, "postmap", "-c", f.Config.Dir, "-q", "postseal.invalid", table)
	_, why, failed := strings.Cut(lastLine(o.Stderr), "query error")
	_, refused, _ := strings.Cut(lastLine(o.Stderr), ": connect to ")
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		if refused != "" {
			return "does not answer: " + refused
		}
		return fmt.Sprintf("does not answer within %s", answerTime)
	case err != nil || !failed || !f.Root && strings.Contains(why, "ermission denied"):
		return ""
	case strings.Contains(o.Stderr, "connect to "):
		return "does not answer" + why
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(o.Stderr, "postmap: "), "\n")
	return fmt.Sprintf("answers with an error: %.120s", strings.TrimPrefix(first, "warning: "))
}
