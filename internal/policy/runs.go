package policy

import "time"

// Run is one change of the map.
type Run struct {
	ID      int       `json:"id"`
	When    time.Time `json:"when"`
	What    string    `json:"what"`
	Changes []Change  `json:"changes"`
	// Undone reports whether the run was undone since.
	Undone bool `json:"undone,omitempty"`
}
