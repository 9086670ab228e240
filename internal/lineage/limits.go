package lineage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"postseal/certs/authority"
	"postseal/internal/hint"
)

// attempt is one order at a CA, as it counts against the CA's limits.
type attempt struct {
	When  time.Time `json:"when"`
	Names []string  `json:"names"`
	// Signed is false if the names could not be proved.
	Signed bool `json:"signed"`
	// Renewal is true if the CA was told which certificate it replaces: CAs
	// with RFC 9773 do not count that.
	Renewal bool `json:"renewal"`
}

// maxAttempts bounds what is kept of the past.
const maxAttempts = 200

func (s Store) attemptsFile(server string) (string, error) {
	dir, err := s.accountDir(server)
	return filepath.Join(dir, "attempts.json"), err
}

// attempts are the past orders at a CA, the oldest first.
func (s Store) attempts(server string) (out []attempt, err error) {
	path, err := s.attemptsFile(server)
	if err != nil {
		return nil, err
	}
	data, err := s.M.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("reading past orders: %w", err), hint.ShellLine([]string{"rm", path})+": it only helps to stay within the CA's limits")
	}
	return out, nil
}

// remember adds an order to the past ones.
func (s Store) remember(server string, a attempt) error {
	past, err := s.attempts(server)
	if err != nil {
		return err
	}
	past = append(past, a)
	path, err := s.attemptsFile(server)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(past[max(0, len(past)-maxAttempts):], "", "  ")
	if err != nil {
		return err
	}
	return s.M.Replace(path, append(data, '\n'), 0o600)
}

// within says whether one more order is within a CA's limits. left is how many
// certificates for these names it would sign after that, or -1 if that is not
// limited; the error says from when on it may be asked again.
func within(l *authority.Limits, past []attempt, names []string, now time.Time) (left int, err error) {
	if l == nil {
		return -1, nil
	}
	names = slices.Sorted(slices.Values(names))
	span := time.Duration(l.Days) * 24 * time.Hour
	var signed []time.Time
	failed := map[string][]time.Time{}
	for _, a := range past {
		same := slices.Equal(slices.Sorted(slices.Values(a.Names)), names)
		switch {
		case a.Signed && !a.Renewal && same && now.Sub(a.When) < span:
			signed = append(signed, a.When)
		case !a.Signed && now.Sub(a.When) < time.Hour:
			for _, n := range a.Names {
				failed[n] = append(failed[n], a.When)
			}
		}
	}
	for _, n := range names {
		if f := failed[n]; len(f) >= l.Failures {
			again := f[len(f)-l.Failures].Add(time.Hour)
			return 0, hint.New(fmt.Sprintf("validation of %s failed in the last hour as often as the CA allows (%d): it would refuse before %s UTC", n, len(f), again.UTC().Format("15:04")),
				"correct the cause in the meantime, and test it with --staging")
		}
	}
	left = l.SameNames - len(signed) - 1
	if left < 0 {
		again := signed[len(signed)-l.SameNames].Add(span)
		return 0, hint.New(fmt.Sprintf("the CA signs %d certificates for exactly these names in %d days, and that many were obtained: it would refuse before %s UTC", l.SameNames, l.Days, again.UTC().Format("2006-01-02 15:04")),
			"use an existing one, test with --staging, or order one name more or less")
	}
	return left, nil
}
