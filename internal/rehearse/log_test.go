package rehearse_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"postseal/internal/lab"
)

// TestLogDaemon starts a Postfix whose daemons all complain of main.cf at once, which
// fills the socket of postlogd before it reads from it, if it is the last to start.
func TestLogDaemon(t *testing.T) {
	lab.NeedRoot(t)
	main := "myhostname = one.example\nmyhostname = two.example\nmyhostname = mx.example\n"
	var services []string
	for range 12 {
		services = append(services, "%s inet n - n - - smtpd")
	}
	s := lab.Postfix(t, main, services...)
	for _, addr := range s.Addrs {
		c, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if greeting, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(greeting, "220 mx.example ") {
			t.Error(fmt.Errorf("%s: %q: %w", addr, greeting, err))
		}
		_ = c.Close()
	}
}
