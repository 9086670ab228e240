package lifecycle_test

import (
	"testing"
	"time"

	"postseal/internal/hint"
	"postseal/internal/lifecycle"
)

func day(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t.Add(12 * time.Hour)
}

// TestKnown: a release is found by its branch, and a branch ends after its last day.
func TestKnown(t *testing.T) {
	l := lifecycle.Known()
	for _, c := range []struct {
		product, release, on string
		branch               string // empty: not known
		ended                bool
	}{
		{lifecycle.Postfix, "3.7.11", "2026-11-30", "3.7", true},
		{lifecycle.Postfix, "3.10.3", "2026-11-30", "3.10", false},
		{lifecycle.Postfix, "3.1.0", "2026-11-30", "", false},
		{lifecycle.OpenSSL, "1.1.1w", "2026-11-30", "1.1.1", true},
		{lifecycle.OpenSSL, "3.0.19", "2026-11-30", "3.0", true},
		{lifecycle.OpenSSL, "3.5.4", "2026-11-30", "3.5", false},
		{lifecycle.OpenSSL, "3.5.4", "2030-04-08", "3.5", false},
		{lifecycle.OpenSSL, "3.5.4", "2030-04-10", "3.5", true},
		{lifecycle.OpenSSL, "3.50", "2026-11-30", "", false},
	} {
		b, ok := l.Find(c.product, c.release)
		if b.Branch != c.branch || ok != (c.branch != "") || ok && b.Ended(day(c.on)) != c.ended {
			t.Errorf("%s %s on %s: %+v", c.product, c.release, c.on, b)
		}
	}
	as := day(l.AsOf)
	if l.Stale(as.AddDate(1, 0, -1)) || !l.Stale(as.AddDate(1, 0, 1)) {
		t.Error("a list is stale after a year")
	}
}

// TestRead: a list that cannot be right is refused with what to do.
func TestRead(t *testing.T) {
	for text, hinted := range map[string]bool{
		`{"as_of": "soon"}`: true, `{"as_of": "2027-01-01", "branches": [{"product": "Exim", "branch": "4", "source": "x"}]}`: true,
		`{"as_of": "2027-01-01", "branches": [{"product": "Postfix", "branch": "3.12"}]}`:                                    true,
		`{"as_of": "2027-01-01", "branches": [{"product": "Postfix", "branch": "3.12", "newest": "3.11.1", "source": "x"}]}`: true,
		`{"as_of": "2027-01-01", "branches": [{"product": "Postfix", "branch": "3.12", "ends": "never", "source": "x"}]}`:    true,
		`{"as_of": "2027-01-01", "branchs": []}`: false, `[`: false, "": false,
	} {
		if l, err := lifecycle.Read([]byte(text)); err == nil || hinted != (hint.Of(err) != "") {
			t.Errorf("%s: %+v, %v", text, l, err)
		}
	}
}
