package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"postseal/internal/detect"
	"postseal/internal/hello"
	"postseal/internal/interview"
	"postseal/internal/postfix"
	"postseal/internal/posture"
	"postseal/internal/probe"
)

// Proposal is what could be set for servers that deliver here. What is empty stays as it
// is, except that a profile brings its own floor.
type Proposal struct {
	Floor   postfix.Protocol
	Profile interview.Profile
}

// wire are the versions by their number on the wire.
var wire = map[postfix.Protocol]uint16{postfix.SSLv3: hello.SSL30, postfix.TLSv1: hello.TLS10, postfix.TLSv11: hello.TLS11, postfix.TLSv12: hello.TLS12, postfix.TLSv13: hello.TLS13}

// Server returns what the listener for other servers would accept under the proposal, with
// the certificates that it has now. known is false if the suites are not known, because
// they are listed by hand in words that are not worked out here, or nothing receives.
func (p Proposal) Server(f *detect.Facts) (s hello.Server, known bool) {
	all := posture.Of(f, f.Config, nil).Listeners
	at := slices.IndexFunc(all, func(l posture.Listener) bool { return l.At.Kind == detect.Relay && !l.Screen && l.Works() })
	if at < 0 {
		return s, false
	}
	l := all[at]
	versions := l.Permitted
	floor := p.Floor
	if floor == "" && p.Profile != "" && p.Profile != interview.Compatible {
		floor = postfix.TLSv12
	}
	if floor != "" {
		versions, _ = postfix.ParseProtocols(">="+string(floor), postfix.V(3, 6, 0))
	}
	for _, v := range versions {
		s.Versions = append(s.Versions, wire[v])
	}
	if p.Profile != "" {
		l.Suites.Excluded = Excluded(p.Profile, cmp.Or(floor, l.Floor()))
	}
	algorithms := []string{"RSA", "ECDSA"}
	if l.Serves != nil {
		s.Keys = slices.Sorted(maps.Keys(l.Serves))
		algorithms = s.Keys
	}
	left, known := l.Suites.Left(algorithms...)
	for _, suite := range left {
		s.Suites = append(s.Suites, suite.ID)
	}
	s.Groups = groups(f.Config.Text(&l.Service, "tls_eecdh_auto_curves") + " " + f.Config.Text(&l.Service, "tls_ffdhe_auto_groups"))
	return s, known
}

// groups are those of a list; nil if it names one that is not known.
func groups(list string) (out []uint16) {
	for _, name := range postfix.TLSList(list) {
		id, ok := probe.GroupOf(strings.Trim(name, "?*"))
		if !ok {
			return nil
		}
		out = append(out, id)
	}
	return out
}
