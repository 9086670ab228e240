package probe

import "time"

// AtOnce is atOnce.
const AtOnce = atOnce

// NewHastyGate is a gate whose first pause is shorter than a second.
func NewHastyGate(unit time.Duration) *Gate {
	g := NewGate()
	g.unit = unit
	return g
}
