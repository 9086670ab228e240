package report

import (
	_ "embed" // the schema
	"encoding/base64"
	"time"

	"postseal/internal/listen"
	"postseal/internal/probe"
)

// ListenSchema describes what postseal listen --json prints (JSON Schema, draft 2020-12).
//
//go:embed listen.schema.json
var ListenSchema []byte

// listenVersion is that of the schema: it changes when something is taken away or means
// something else.
const listenVersion = 1

type listenJSON struct {
	Version   int            `json:"version"`
	When      time.Time      `json:"when"`
	Since     time.Time      `json:"since"`
	Listened  float64        `json:"listened_seconds"`
	Run       *runJSON       `json:"run,omitempty"`
	Senders   []senderJSON   `json:"senders"`
	Hellos    []helloJSON    `json:"hellos"`
	Forgotten uint64         `json:"forgotten_senders"`
	Unread    uint64         `json:"unread_connections"`
	Lost      uint64         `json:"lost_packets"`
	Proposal  *proposalJSON  `json:"proposal,omitempty"`
	Affected  []affectedJSON `json:"affected,omitempty"`
}

type runJSON struct {
	Began     time.Time `json:"began"`
	Ended     time.Time `json:"ended"`
	Packets   uint64    `json:"packets"`
	Lost      uint64    `json:"lost_packets"`
	TLS       uint64    `json:"tls_connections"`
	Cleartext uint64    `json:"cleartext_connections"`
	Unread    uint64    `json:"unread_connections"`
	Pushed    uint64    `json:"abandoned_connections"`
}

type senderJSON struct {
	Address   string            `json:"address"`
	First     time.Time         `json:"first"`
	Last      time.Time         `json:"last"`
	TLS       uint64            `json:"tls_connections"`
	Cleartext uint64            `json:"cleartext_connections"`
	Hellos    map[string]uint64 `json:"hellos"`
	Others    uint64            `json:"other_hellos"`
	Names     []string          `json:"server_names"`
}

type helloJSON struct {
	Fingerprint string    `json:"fingerprint"`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
	Connections uint64    `json:"connections"`
	SSL2        bool      `json:"ssl2_format"`
	Newest      string    `json:"newest_version"`
	Versions    []string  `json:"versions"`
	Suites      []string  `json:"suites"`
	Groups      []string  `json:"groups"`
	Signatures  []string  `json:"signatures"`
	Shares      []string  `json:"key_shares"`
	Protocols   []string  `json:"alpn"`
	Shape       string    `json:"shape"`
}

type proposalJSON struct {
	Text     string   `json:"text"`
	Versions []string `json:"versions"`
	Suites   []string `json:"suites"`
	Groups   []string `json:"groups"`
	Keys     []string `json:"certificates"`
}

type affectedJSON struct {
	Address   string    `json:"address"`
	Lacks     string    `json:"lacks"`
	Failing   uint64    `json:"failing_connections"`
	Known     uint64    `json:"known_connections"`
	Last      time.Time `json:"last"`
	Certainty string    `json:"certainty"`
}

// ListenJSON gives what is known of senders as data, as ListenSchema describes it.
func ListenJSON(h Heard, now time.Time) any {
	s := h.Store
	out := listenJSON{Version: listenVersion, When: now.UTC(), Since: s.Since.UTC(), Listened: s.Listened.Seconds(), Senders: []senderJSON{}, Hellos: []helloJSON{},
		Forgotten: s.Forgotten, Unread: s.Unread, Lost: s.Lost}
	if r := h.Run; r != nil {
		out.Run = &runJSON{r.Began.UTC(), r.Ended.UTC(), r.Packets, r.Lost, r.TLS, r.Cleartext, r.Unread, r.Pushed}
	}
	for _, address := range s.Addresses() {
		x := s.Senders[address]
		j := senderJSON{address.String(), x.First.UTC(), x.Last.UTC(), x.TLS, x.Cleartext, x.Hellos, x.Others, list(x.Names)}
		if j.Hellos == nil {
			j.Hellos = map[string]uint64{}
		}
		out.Senders = append(out.Senders, j)
	}
	for _, id := range s.Fingerprints() {
		x := s.Hellos[id]
		out.Hellos = append(out.Hellos, helloJSON{id, x.First.UTC(), x.Last.UTC(), x.Count, x.Hello.Old, probe.VersionName(x.Hello.Newest), list(x.Hello.VersionNames()), list(x.Hello.SuiteNames()),
			list(x.Hello.GroupNames()), list(x.Hello.SignatureNames()), namesOf(x.Hello.Shares, probe.GroupName), list(x.Hello.Protocols), base64.StdEncoding.EncodeToString(x.Shape)})
	}
	if h.Server != nil {
		out.Proposal = &proposalJSON{h.Proposal, namesOf(h.Server.Versions, probe.VersionName), namesOf(h.Server.Suites, suiteName), namesOf(h.Server.Groups, probe.GroupName), list(h.Server.Keys)}
		for _, a := range s.Affected(*h.Server) {
			out.Affected = append(out.Affected, affectedJSON{a.Address.String(), a.Lacks, a.Failing, a.Known, a.Last.UTC(), certainty(a)})
		}
	}
	return out
}

func certainty(a listen.Affected) string {
	if a.Certain() {
		return "certain"
	}
	return "partly"
}

func suiteName(id uint16) string { return probe.SuiteOf(id).OpenSSL }

func namesOf(ids []uint16, name func(uint16) string) []string {
	out := []string{}
	for _, id := range ids {
		out = append(out, name(id))
	}
	return out
}
