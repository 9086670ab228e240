package lineage

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"

	"postseal/internal/dane"
)

// ledgerFile holds the TLSA records that caches of senders may still have.
func (s Store) ledgerFile() string { return filepath.Join(s.StateDir, "dane.json") }

// Seen returns what is remembered of published records, with what is published now;
// only Remember stores it. A ledger that cannot be read counts as empty: then all waits
// begin anew.
func (s Store) Seen(hosts []dane.Host) dane.Ledger {
	l := dane.Ledger{}
	if data, err := s.M.ReadFile(s.ledgerFile()); err == nil && json.Unmarshal(data, &l) != nil {
		l = dane.Ledger{}
	}
	maps.DeleteFunc(l, func(_ string, p *dane.Page) bool { return p == nil })
	for _, h := range hosts {
		l.Note(h, s.M.Now())
	}
	return l
}

// Remember stores what is published, so that the next run knows what caches of senders may
// still have. Without any records there is nothing to store.
func (s Store) Remember(hosts []dane.Host) error {
	l := s.Seen(hosts)
	if len(l) == 0 {
		return nil
	}
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("remembering TLSA records: %w", err)
	}
	if _, err := s.M.MkdirAll(s.StateDir, 0o700); err != nil {
		return fmt.Errorf("remembering TLSA records: %w", err)
	}
	if err := s.M.Replace(s.ledgerFile(), data, 0o600); err != nil {
		return fmt.Errorf("remembering TLSA records: %w", err)
	}
	return nil
}
