package plan

import (
	"postseal/certs"
	"postseal/internal/detect"
)

// DANERisks are what senders with DANE would do with a chain that is served again, or
// for the first time, on a server as it is now.
func DANERisks(f *detect.Facts, c certs.Chain) []Risk {
	b := &builder{f: f, p: &Plan{}}
	b.daneRisk(served{c.Facts(nil), true, c.Certs})
	return b.p.Risks
}
