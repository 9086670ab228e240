package rehearse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"postseal/internal/host"
	"postseal/internal/postfix"
)

// credentials reports whether the candidate logs in where the messages go: a sender
// with a password does not fall back to clear text (HAVE_SASL_CREDENTIALS in
// smtp.h of the source). The password itself stays where it is. note says what
// could not be looked up.
func (r *run) credentials(ctx context.Context) (has bool, note string) {
	c := r.candidate.Config
	if !c.Bool(&r.service, "smtp_sasl_auth_enable") {
		return false, ""
	}
	keys := []string{r.host, r.to.Domain, r.nexthop}
	if relay := c.Text(&r.service, "relayhost"); r.nexthop == "" && relay != "" {
		keys = append(keys, relay) // which is where its mail goes
	}
	for _, table := range postfix.Tables(c.Text(&r.service, "smtp_sasl_password_maps")) {
		kind, _, _ := strings.Cut(table, ":")
		if !slices.Contains(localTables, kind) || strings.ContainsAny(table, "{}") {
			note = fmt.Sprintf("smtp_sasl_password_maps: %s is not asked, so passwords in it do not count: with one, nothing falls back to clear text", table)
			continue
		}
		for _, key := range keys {
			if key == "" {
				continue
			}
			out, err := host.Local{}.Run(ctx, "postmap", "-c", c.Dir, "-q", key, table)
			if err == nil && out.Code == 0 && out.Stdout != "" {
				return true, ""
			}
		}
	}
	return false, note
}
