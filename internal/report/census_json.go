package report

import (
	_ "embed" // the schema
	"time"

	"postseal/internal/census"
)

// CensusSchema describes what postseal census --json prints (JSON Schema, draft 2020-12).
//
//go:embed census.schema.json
var CensusSchema []byte

// censusVersion is that of the schema: it changes when something is removed or changes its
// meaning.
const censusVersion = 1

// Taken is a census with a proposal, if there is one.
type Taken struct {
	*census.Census
	Proposal *census.Proposal
	// Words are the flags of the proposal, such as "--floor TLSv1.2".
	Words string
	// Observe is the command that makes Postfix log its handshakes.
	Observe string
}

type censusJSON struct {
	Version    int                `json:"version"`
	Days       float64            `json:"days"`
	First      *time.Time         `json:"first"`
	Last       *time.Time         `json:"last"`
	Lines      int                `json:"lines"`
	Unreadable int                `json:"unreadable_lines"`
	TooLong    int                `json:"too_long_lines"`
	LeftOut    int                `json:"own_sessions_left_out"`
	Sources    []string           `json:"sources"`
	Troubles   []string           `json:"troubles"`
	Inbound    trafficJSON        `json:"inbound"`
	Outbound   trafficJSON        `json:"outbound"`
	Affected   *[]census.Affected `json:"affected,omitempty"`
}

type trafficJSON struct {
	Logged            bool                     `json:"handshakes_logged"`
	Since             *time.Time               `json:"handshakes_logged_since"`
	Sessions          int                      `json:"sessions"`
	Messages          int                      `json:"messages"`
	LocalMessages     int                      `json:"local_messages"`
	CleartextSessions census.Count             `json:"cleartext_sessions"`
	CleartextMessages census.Count             `json:"cleartext_messages"`
	Unknown           census.Volume            `json:"unknown"`
	Protocols         map[string]census.Volume `json:"protocols"`
	Peers             []census.Peer            `json:"peers"`
	Unnamed           census.Volume            `json:"unnamed"`
}

// CensusJSON gives a census as data, as CensusSchema describes it.
func CensusJSON(t Taken) any {
	c := t.Census
	out := censusJSON{
		Version: censusVersion, Days: c.Days(), First: moment(c.First), Last: moment(c.Last), Lines: c.Lines, Unreadable: c.Unreadable, TooLong: c.TooLong,
		LeftOut: c.LeftOut, Sources: append([]string{}, c.Sources...), Troubles: append([]string{}, c.Troubles...),
		Inbound: trafficData(c.Inbound), Outbound: trafficData(c.Outbound),
	}
	if t.Proposal != nil {
		affected := append([]census.Affected{}, c.Affected(*t.Proposal)...)
		out.Affected = &affected
	}
	return out
}

func trafficData(f census.Traffic) trafficJSON {
	return trafficJSON{
		Logged: f.Logged, Since: moment(f.Since), Sessions: f.Sessions, Messages: f.Messages, LocalMessages: f.LocalMessages,
		CleartextSessions: f.CleartextSessions, CleartextMessages: f.CleartextMessages, Unknown: f.Unknown, Protocols: f.Protocols, Peers: f.Peers, Unnamed: f.Unnamed,
	}
}

// moment is a time, or null.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
