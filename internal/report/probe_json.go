package report

import (
	_ "embed" // the schema
	"time"

	"postseal/internal/domain"
	"postseal/internal/probe"
)

// ProbeSchema describes what postseal probe --json prints (JSON Schema, draft
// 2020-12).
//
//go:embed probe.schema.json
var ProbeSchema []byte

// probeVersion is that of the schema: it changes when something is taken away or
// means something else.
const probeVersion = 1

// Endpoint is a server that was looked at from outside. Seen is nil if nothing
// could be seen; Err is why.
type Endpoint struct {
	probe.Target
	Seen *probe.Enumeration
	Err  error
}

type probeJSON struct {
	Version   int              `json:"version"`
	When      time.Time        `json:"when"`
	Endpoints []endpointJSON   `json:"endpoints"`
	Domains   []*domain.Domain `json:"domains"`
}

type endpointJSON struct {
	*probe.Enumeration
	Error string `json:"error,omitempty"`
}

// ProbeJSON gives what was seen from outside as data, as ProbeSchema describes
// it.
func ProbeJSON(seen []Endpoint, domains []*domain.Domain, now time.Time) any {
	out := probeJSON{Version: probeVersion, When: now.UTC(), Endpoints: []endpointJSON{}, Domains: append([]*domain.Domain{}, domains...)}
	for _, e := range seen {
		j := endpointJSON{Enumeration: e.Seen}
		if e.Seen == nil {
			j.Enumeration = probe.Nothing(e.Target)
		}
		if e.Err != nil {
			j.Error, j.Incomplete = e.Err.Error(), true
		}
		out.Endpoints = append(out.Endpoints, j)
	}
	return out
}

// Endpoint prints what a server takes, or why that could not be seen.
func (p Printer) Endpoint(e Endpoint) {
	if e.Seen != nil {
		p.Enumeration(e.Seen)
		return
	}
	p.signed(p.bad(), "%s", e.Err.Error())
}
