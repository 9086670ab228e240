package session

import "time"

// Hurry makes a test wait less for a listener that says nothing.
func Hurry() { patience = 10 * time.Second }

// Shown is shown.
var Shown = shown
