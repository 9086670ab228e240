package resolve

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// View is what all the authoritative name servers of a zone answer for one name and
// type, past every cache.
type View struct {
	// Zone is the zone that the name is in; empty if that is not known.
	Zone string
	// Servers are its name servers, as its NS records name them.
	Servers []Server
	// Refresh is how long a secondary server of the zone may be behind (RFC 1035,
	// section 3.3.13).
	Refresh time.Duration
	// Unknown is why the servers could not be found; nil if they were.
	Unknown *Unknown
}

// Server is one name server and its answer.
type Server struct {
	Name   string
	Answer Answer
}

// Reached reports whether any of the servers could be asked. Behind a firewall that
// lets DNS queries pass only to the resolver, none can.
func (v View) Reached() bool {
	return slices.ContainsFunc(v.Servers, func(s Server) bool {
		u, unknown := s.Answer.(Unknown)
		return !unknown || u.Reason != Unreached && u.Reason != Timeout
	})
}

// maxServers bounds how many name servers of a zone are asked.
const maxServers = 16

// Everywhere asks every authoritative server of the zone that a name is in. Servers
// that only receive the zone from others, and are in no NS record, are not known.
func (r Resolver) Everywhere(ctx context.Context, name string, kind uint16) View {
	var v View
	for at := strings.TrimSuffix(name, "."); at != ""; _, at, _ = strings.Cut(at, ".") {
		switch soa := r.Ask(ctx, at, SOA).(type) {
		case Unknown:
			v.Unknown = &soa
			return v
		case Absent:
			continue
		case Records:
			if soa.Owner != strings.ToLower(at) {
				continue // an alias leads to another zone; its parent is in this one
			}
			v.Zone, v.Refresh = at, refresh(soa)
		}
		break
	}
	if v.Zone == "" {
		v.Unknown = &Unknown{Reason: NoZone, Text: "the zone of " + name + " was not found"}
		return v
	}
	ns, ok := r.Ask(ctx, v.Zone, NS).(Records)
	if !ok {
		v.Unknown = &Unknown{Reason: NoServer, Text: "the name servers of " + v.Zone + " could not be looked up"}
		return v
	}
	v.Servers = make([]Server, min(len(ns.Values), maxServers))
	var wg sync.WaitGroup
	for i := range v.Servers {
		v.Servers[i].Name = strings.ToLower(strings.TrimSuffix(ns.Values[i], "."))
		wg.Go(func() { v.Servers[i].ask(ctx, r, v.Zone, name, kind) })
	}
	wg.Wait()
	return v
}

// ask asks a server at each of its addresses until one has a usable answer.
func (s *Server) ask(ctx context.Context, r Resolver, zone, name string, kind uint16) {
	s.Answer = Unknown{Reason: Unreached, Text: s.Name + " has no address"}
	for _, family := range []uint16{A, AAAA} {
		found, _ := r.Ask(ctx, s.Name, family).(Records)
		for _, addr := range found.Values {
			at := net.JoinHostPort(addr, "53")
			a, authoritative := r.one(ctx, at, name, kind)
			if _, unknown := a.(Unknown); !unknown && !authoritative {
				a = Unknown{Reason: Lame, Text: s.Name + " does not serve " + zone}
			}
			if u, unknown := a.(Unknown); unknown {
				if was, isUnknown := s.Answer.(Unknown); isUnknown && (was.Reason == Unreached || u.Reason != Unreached) {
					s.Answer = u
				}
				continue
			}
			s.Answer = a
			return
		}
	}
}

// refresh reads how long a secondary server may be behind from a start of authority:
// mname rname serial refresh retry expire minimum. It is 0 if that cannot be read.
func refresh(soa Records) time.Duration {
	w := strings.Fields(soa.Values[0])
	if len(w) != 7 {
		return 0
	}
	n, err := strconv.ParseUint(w[3], 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
