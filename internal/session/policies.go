package session

import (
	"context"
	"path/filepath"

	"postseal/internal/hint"
	"postseal/internal/plan"
	"postseal/internal/policy"
)

// Policies returns what is known of every destination, and the rule of the latest sync. It
// looks nothing up.
func (s *Session) Policies(ctx context.Context) ([]policy.View, policy.Rule, error) {
	if !s.Facts.Root {
		return nil, policy.Rule{}, hint.New("only root can read the evidence", "run the same command as root, with sudo")
	}
	instance := plan.Instance(s.ConfigDir)
	state, err := policy.At(s.Machine, s.StateDir, instance).Read()
	if err != nil {
		return nil, policy.Rule{}, err
	}
	rule := policy.Usual
	if state.Rule != nil {
		rule = *state.Rule
	}
	own := policy.OwnIn(ctx, s.Machine, s.Facts, policy.TableIn(filepath.Dir(s.CertsDir), instance, s.Facts.MapTypes))
	views := state.Views(nil, own.At, policy.SettingOf(s.Facts, rule), s.Machine.Now())
	return views, rule, own.Err()
}
