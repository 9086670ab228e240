package session

import (
	"cmp"
	"context"
	"path/filepath"

	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/policy"
)

// Policies are all destinations that are known, the rule of the latest sync, and whether
// Postfix reads the table.
type Policies struct {
	Views []policy.View
	Rule  policy.Rule
	InUse bool
}

// Policies returns what is known of every destination. It looks nothing up.
func (s *Session) Policies(ctx context.Context) (Policies, error) {
	if !s.Facts.Root {
		return Policies{}, hint.New("only root can read the evidence", "run the same command as root, with sudo")
	}
	instance := plan.Instance(s.ConfigDir)
	state, err := policy.At(s.Machine, s.StateDir, instance).Read()
	if err != nil {
		return Policies{}, err
	}
	table := policy.TableIn(filepath.Dir(s.CertsDir), instance, s.Facts.MapTypes)
	own := policy.OwnIn(ctx, s.Machine, s.Facts, table)
	rule := *cmp.Or(state.Rule, &policy.Usual)
	views := state.Views(nil, own.At, policy.SettingOf(s.Facts, rule), s.Machine.Now())
	return Policies{views, rule, policy.InUse(s.Facts, table)}, own.Err()
}
