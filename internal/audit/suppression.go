package audit

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"postseal/internal/hint"
)

// Suppression takes a finding out of the card until a day.
type Suppression struct {
	Rule   string
	Until  time.Time
	Reason string
}

// suppressionForm is how one is written in the answers file.
const suppressionForm = `suppress = ["PS-RCV-018 until 2027-03-01: why it is well here"]`

var suppressionText = regexp.MustCompile(`^(PS-[A-Z]{3}-\d{3}) until (\d{4}-\d{2}-\d{2}): *(\S.*)$`)

// maxSuppression bounds how far off the day may be: what nobody looks at again
// is no exception but a habit.
const maxSuppression = 2 * 366 * 24 * time.Hour

// ParseSuppression reads "PS-RCV-018 until 2027-03-01: reason".
func ParseSuppression(text string, now time.Time) (Suppression, error) {
	m := suppressionText.FindStringSubmatch(text)
	if m == nil {
		return Suppression{}, hint.New(fmt.Sprintf("suppress %.80q: this is no rule with a day and a reason", text), "write "+suppressionForm)
	}
	if !slices.ContainsFunc(Rules, func(r Rule) bool { return r.ID == m[1] }) {
		return Suppression{}, hint.New(fmt.Sprintf("suppress %s: there is no such rule", m[1]), "postseal audit --all lists them")
	}
	until, err := time.Parse(time.DateOnly, m[2])
	if err != nil {
		return Suppression{}, hint.New(fmt.Sprintf("suppress %s: %s is no day", m[1], m[2]), "write "+suppressionForm)
	}
	if until.Sub(now) > maxSuppression {
		return Suppression{}, hint.New(fmt.Sprintf("suppress %s: %s is more than two years off", m[1], m[2]), "take a nearer day; then it is looked at again")
	}
	return Suppression{Rule: m[1], Until: until, Reason: m[3]}, nil
}

// ended reports whether its last day is over.
func (s Suppression) ended(now time.Time) bool { return !now.Before(s.Until.AddDate(0, 0, 1)) }

// suppressed finds the suppression that takes a rule's findings out now.
func suppressed(rule string, all []Suppression, now time.Time) *Suppression {
	i := slices.IndexFunc(all, func(s Suppression) bool { return s.Rule == rule && !s.ended(now) })
	if i < 0 {
		return nil
	}
	return &all[i]
}
