package rehearse

import (
	"strings"
	"testing"
)

// TestHop: a next hop as a policy table names it is understood, and what would
// only fail inside the private Postfix is refused in words.
func TestHop(t *testing.T) {
	for in, want := range map[string]string{
		"example.com": "example.com", "Example.COM.": "example.com", "[relay.example.com]:587": "relay.example.com",
		"[relay.example.com]": "relay.example.com", "example.com:submission": "example.com", "localhost": "localhost",
		"": "", "a b": "", "-a": "", "..": "", "a\nb": "", "}": "", "$myhostname": "", "münchen.de": "", "user@example.com": "",
		"127.0.0.1": "", "[::1]:25": "", ".example.com": "", strings.Repeat("a.", 120) + "com": "",
	} {
		got, err := hop(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q %v, not %q", in, got, err, want)
		}
	}
}
