package plan

import (
	"postseal/certs"
	"postseal/internal/detect"
)

// DANERisks returns the risks of presenting a chain on this server as it is now to
// senders with DANE.
func DANERisks(f *detect.Facts, c certs.Chain) []Risk {
	b := &builder{f: f, p: &Plan{}}
	b.daneRisk(served{c.Facts(nil), true, c.Certs})
	return b.p.Risks
}
