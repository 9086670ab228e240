package acme

import "time"

// SetTimes makes a CA that hangs testable.
func (c *Client) SetTimes(request, sign time.Duration) { c.requestTime, c.signTime = request, sign }
