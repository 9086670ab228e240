package plan

import (
	"fmt"

	"postseal/internal/posture"
)

// lower reports whether a level protects mail less than the one before.
func lower(from, to string) bool {
	switch {
	case from == "" || to == "":
		return false
	case posture.Demands(from) && !posture.Demands(to), posture.Authenticates(from) && !posture.Authenticates(to):
		return true
	}
	return from != "none" && to == "none"
}

func lowered(from, to string) string {
	return fmt.Sprintf("%%s sends at TLS level %s now and will send at %s: mail that is deferred now can leave unprotected", from, to)
}

// levelOf is the level at which a route serves its mail: that of servers without TLSA
// records is may, where dane is set.
func levelOf(r posture.Route) string {
	if r.Level.Is == "dane" && !r.Records {
		return "may"
	}
	return r.Level.Is
}
