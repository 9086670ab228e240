package session

import (
	"context"
	"time"

	"postseal/internal/census"
)

// The census of a session is for the numbers beside its questions: postseal census reads
// the whole log, however long that takes.
const (
	countedDays = 30
	countLimit  = 2 * time.Second
)

// count takes the census of the last days, or returns nil if the log cannot be read, or not
// in time.
func (s *Session) count(ctx context.Context) *census.Census {
	ctx, cancel := context.WithTimeout(ctx, countLimit)
	defer cancel()
	c, err := census.Read(ctx, s.Machine, census.Sources{Log: s.Facts.MailLog(), Since: s.Machine.Now().AddDate(0, 0, -countedDays)})
	if err != nil {
		return nil
	}
	return c
}
