package audit

import (
	"testing"
	"time"

	"postseal/internal/detect"
)

// TestExpiresSoon: how near its end a certificate should be renewed depends on how long it
// lives. One of 160 hours is always within a week of its end.
func TestExpiresSoon(t *testing.T) {
	const day = 24 * time.Hour
	for _, x := range []struct {
		life, left time.Duration
		soon       bool
	}{
		{160 * time.Hour, 159 * time.Hour, false},
		{160 * time.Hour, 50 * time.Hour, false},
		{160 * time.Hour, 20 * time.Hour, true},
		{45 * day, 8 * day, false},
		{45 * day, 7 * day, true},
		{90 * day, 16 * day, false},
		{90 * day, 14 * day, true},
		{3650 * day, 8 * day, false},
		{3650 * day, 6 * day, true},
	} {
		s := scene{main: good, master: router + sender, change: func(f *detect.Facts) {
			well(f)
			c := &f.Certificates[0]
			c.NotAfter = f.Now.Add(x.left)
			c.NotBefore = c.NotAfter.Add(-x.life)
		}}
		if hits := expiresSoon.Find(s.evidence(t)); (len(hits) > 0) != x.soon {
			t.Errorf("%s of %s left: %v", x.left, x.life, hits)
		}
	}
}
