package session

import "time"

// Hurry makes a test wait less for a listener that says nothing.
func Hurry() { patience = 4 * time.Second }

// Shown is shown.
var Shown = shown
