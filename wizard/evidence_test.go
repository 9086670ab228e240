package wizard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postseal/internal/lab"
)

// TestNumbersOfTheLog: the question about the minimum version says how many senders of this
// server's own log a version would cut off, and so does the risk.
func TestNumbersOfTheLog(t *testing.T) {
	f := files(t)
	var log strings.Builder
	for i, protocol := range []string{"TLSv1", "TLSv1.3", "TLSv1.3"} {
		say := func(text string, args ...any) {
			fmt.Fprintf(&log, "%s mx postfix/smtpd[%d]: %s\n", lab.Noon.Add(time.Duration(i-90)*time.Hour).Format(time.RFC3339), 100+i, fmt.Sprintf(text, args...))
		}
		say("connect from s%d.example[192.0.2.%d]", i, i)
		say("Anonymous TLS connection established from s%d.example[192.0.2.%d]: %[3]s with cipher AES256-SHA (256/256 bits)", i, i, protocol)
		say("4ABC12345%d: client=s%d.example[192.0.2.%d]", i, i, i)
		say("disconnect from s%d.example[192.0.2.%d] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7", i, i)
	}
	f["/var/log/mail.log"] = log.String()
	h := open(t, f)
	h.begin()
	for n := 0; h.question.Name() != "min-protocol" && n < 20; n++ {
		h.press("enter")
	}
	page := strings.Join(strings.Fields(h.see()), " ")
	if !strings.Contains(page, "1 of 3 senders (1 of 3 messages)") {
		t.Errorf("%s", h.see())
	}
	h.press("a", "enter")
	for n := 0; n < 10 && h.stage == accepting && h.review.plan.Risks[h.risk.at].Name != "drop-tls10"; n++ {
		h.press("y")
	}
	if page = strings.Join(strings.Fields(h.see()), " "); !strings.Contains(page, "drop-tls10") || !strings.Contains(page, "1 of 3 senders") {
		t.Errorf("%s", h.see())
	}
}
