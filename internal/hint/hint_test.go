package hint_test

import (
	"errors"
	"fmt"
	"testing"

	"postseal/internal/hint"
)

// TestAll: what was joined comes apart, each part with its hint; what only
// wraps several stays whole.
func TestAll(t *testing.T) {
	a, b := hint.New("a", "do a"), errors.New("b")
	both := fmt.Errorf("failed: %w; and %w", a, b)
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"nothing": {nil, 0}, "one": {a, 1}, "joined": {errors.Join(a, b), 2}, "joined twice": {errors.Join(a, errors.Join(b, a)), 3},
		"wrapping two": {both, 1}, "that with a hint": {hint.Wrap(both, "x"), 1}, "joined with that": {errors.Join(both, b), 2},
	} {
		if got := hint.All(c.err); len(got) != c.want {
			t.Errorf("%s: %d parts", name, len(got))
		}
	}
	if got := hint.Of(hint.All(errors.Join(b, a))[1]); got != "do a" {
		t.Errorf("hint %q", got)
	}
	if hint.Wrap(nil, "x") != nil || hint.Of(hint.Wrap(b, "")) != "" {
		t.Error("Wrap adds what is not there")
	}
}
