package session

import (
	"fmt"
	"time"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/lineage"
)

// Renewal is when a certificate should be replaced, and who does that.
type Renewal struct {
	At time.Time
	// By is the program that renews it, or empty: then a person must.
	By string
}

// Renewal is by the CA's word, where it gave one for a certificate that was got
// here, and else by the certificate's life.
func (s *Session) Renewal(c detect.Certificate) Renewal {
	if i := s.issued[c.Chain]; i != nil && i.Fingerprint == c.Fingerprint {
		return Renewal{i.Moment(), c.Owner}
	}
	if c.Source != "" { // a copy, which its owner does not know of
		return Renewal{certs.DueByLifetime(c.NotBefore, c.NotAfter), ""}
	}
	return Renewal{certs.DueByLifetime(c.NotBefore, c.NotAfter), c.Owner}
}

// lapseWarning is how long before the end of an acceptance Due tells of it.
const lapseWarning = 14 * 24 * time.Hour

// Due says, in words, what should be done now about the certificates in use: a
// renewal, a copy that stayed behind. A next key need not be taken, and whether
// it may be, DNS says: see publish.Allowed.
func (s *Session) Due() (out []string) {
	f := s.Facts
	for _, o := range f.Outdated() {
		out = append(out, fmt.Sprintf("%s is outdated: %s is newer", o.Shown.Chain, o.Renewed.Chain))
	}
	for _, c := range f.Certificates {
		if c.Err != nil || !c.InUse() || !s.Renewal(c).At.Before(f.Now) {
			continue
		}
		out = append(out, fmt.Sprintf("%s should be renewed: it expires on %s", c.Chain, c.NotAfter.UTC().Format(time.DateOnly)))
	}
	for _, l := range s.lineages {
		for risk, until := range l.Accepted {
			if until.Before(f.Now.Add(lapseWarning)) {
				out = append(out, fmt.Sprintf("the risk %s is accepted for %s until %s: renewals then stop until it is accepted again", risk, l.Name, until.UTC().Format(time.DateOnly)))
			}
		}
	}
	return out
}

// ownLineages says of the certificates that were got here who renews them. What
// this user may not read stays without an owner, and so does that of a torn record.
func (s *Session) ownLineages() {
	k := s.Keeper()
	known, _ := k.All()
	s.lineages = known
	s.issued = map[string]*lineage.Issued{}
	for _, l := range known {
		for algorithm, i := range l.Issued {
			path := k.Path(l, algorithm)
			s.issued[path] = i
			for j := range s.Facts.Certificates {
				if c := &s.Facts.Certificates[j]; c.Chain == path {
					c.Owner, c.Source = detect.OwnOrder, ""
				}
			}
		}
	}
}
