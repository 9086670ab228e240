package apply

import "time"

// Pauses sets the pauses between attempts to take a run back.
func Pauses(p ...time.Duration) (restore func()) {
	was := pauses
	pauses = p
	return func() { pauses = was }
}
