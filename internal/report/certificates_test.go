package report

import (
	"errors"
	"testing"

	"postseal/certs"
	"postseal/internal/detect"
)

// TestSentOnly: a certificate that is shown is judged for servers, whatever it
// is good for.
func TestSentOnly(t *testing.T) {
	server, client := certs.Facts{ServerUse: true}, certs.Facts{ClientUse: true}
	for name, c := range map[string]struct {
		detect.Certificate
		want bool
	}{
		"not in use":              {detect.Certificate{Facts: server}, false},
		"good for sending alone":  {detect.Certificate{Facts: client}, true},
		"sent with":               {detect.Certificate{Facts: server, Client: true}, true},
		"shown and sent with":     {detect.Certificate{Facts: server, Server: true, Client: true}, false},
		"shown, and not good":     {detect.Certificate{Facts: client, Server: true}, false},
		"shown by one, not good":  {detect.Certificate{Facts: client, Services: []string{"submission/inet"}}, false},
		"not read":                {detect.Certificate{Err: errors.New("unreadable")}, false},
		"not read, and sent with": {detect.Certificate{Err: errors.New("unreadable"), Client: true}, true},
	} {
		if got := sentOnly(c.Certificate); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
