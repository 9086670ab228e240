package host

import "time"

// Bounds makes programs end after d, until restore is called.
func Bounds(d time.Duration) (restore func()) {
	was := runTime
	runTime = d
	return func() { runTime = was }
}
