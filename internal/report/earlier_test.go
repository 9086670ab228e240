package report_test

import (
	"encoding/json"
	"testing"

	"postseal/internal/domain"
	"postseal/internal/report"
)

// TestEarlier: a card as JSON tells a later one what the domains published.
func TestEarlier(t *testing.T) {
	sts := domain.STS{ID: "1", Policy: &domain.Policy{Mode: domain.Enforce, MaxAge: 86400, MX: []string{"a.test"}}}
	old, err := json.Marshal(map[string]any{"version": 1, "domains": []*domain.Domain{{Name: "example.org", STS: sts}}})
	if err != nil {
		t.Fatal(err)
	}
	got := report.Earlier(old)
	now := domain.STS{ID: "1", Policy: &domain.Policy{Mode: domain.Testing, MaxAge: 86400, MX: []string{"a.test"}}}
	if len(got) != 1 || got[0].Name != "example.org" || sts.Unannounced(got[0].STS) || !now.Unannounced(got[0].STS) {
		t.Errorf("%+v", got)
	}
	if report.Earlier(nil) != nil || report.Earlier([]byte("x")) != nil {
		t.Error("without a card there are some")
	}
}
