package rehearse_test

import (
	"context"
	"syscall"
	"testing"

	"postseal/internal/rehearse"
)

// TestUmaskAndEnvironment: a rehearsal in both directions goes well whatever the umask of
// the caller, and with variables that would make Postfix's daemons fail.
func TestUmaskAndEnvironment(t *testing.T) { // not parallel: the umask is the process's
	b := newBed(t)
	t.Setenv("MAIL_DEBUG", "1")
	t.Setenv("MAIL_VERBOSE", "1")
	c := b.candidate(t, "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+b.ec+"\nsmtp_tls_security_level = may\nsmtp_tls_CAfile = "+publicStore(t, b)+"\n",
		plainMaster+"smtp unix - - y - - smtp\n")
	for _, mask := range []int{0o027, 0o077} {
		old := syscall.Umask(mask)
		r, err := rehearse.Run(context.Background(), c, rehearse.Options{})
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Failures() {
			t.Errorf("umask %03o: %+v", mask, f)
		}
		if len(r.Missing) > 0 {
			t.Errorf("umask %03o: not rehearsed: %q", mask, r.Missing)
		}
	}
}
