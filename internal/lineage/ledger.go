package lineage

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"

	"postseal/internal/dane"
)

// ledgerFile is what is known of the TLSA records that senders may still have.
func (s Store) ledgerFile() string { return filepath.Join(s.StateDir, "dane.json") }

// Seen adds what is published to what is remembered of it; only Remember keeps it. A
// ledger that cannot be read counts as none: then everything is waited for anew.
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

// Remember keeps what is published, so that the next run knows what senders may still
// have. Without any records there is nothing to keep.
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
