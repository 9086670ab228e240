package audit

import (
	"strings"
	"testing"

	"postseal/internal/probe"
)

// TestOneCauseOnce: one cause has one finding. What a postscreen and the smtpd behind it
// have in common is told once and names both; where the cause is one of theirs alone, only
// that one is named.
func TestOneCauseOnce(t *testing.T) {
	const screened = "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\ntlsproxy unix - - n - 0 tlsproxy\n" + sender
	both := "smtp/inet (and smtpd/pass behind it) "
	old := without("smtpd_tls_protocols = >=TLSv1\nsmtpd_tls_exclude_ciphers = aNULL\n", "smtpd_tls_protocols", "smtpd_tls_exclude_ciphers")
	level := func(smtpd, screen string) string {
		return without("smtpd_tls_security_level = "+smtpd+"\npostscreen_tls_security_level = "+screen+"\n", "smtpd_tls_security_level")
	}
	hidden := &probe.Error{Stage: probe.STARTTLS, Err: probe.ErrNotOffered}
	for _, x := range []struct {
		name string
		scene
		rules string // of those below, the ones that find something
		want  string // the only detail of the first of them begins with it
	}{
		{"old versions of both", scene{main: old, master: screened}, "RCV-003", both + "accepts"},
		{"old versions of the smtpd behind", scene{main: good, master: strings.Replace(screened, "- - smtpd\n", "- - smtpd -o smtpd_tls_protocols=>=TLSv1 -o smtpd_tls_exclude_ciphers=aNULL\n", 1)}, "RCV-003", "smtpd/pass behind smtp/inet accepts"},
		{"old versions of both, seen at the smtpd", scene{main: old, master: screened, seen: shown("TLS 1.0")}, "RCV-003", both + "accepts TLS 1.0"},
		{"a certificate for both", scene{main: good + "smtpd_tls_ask_ccert = yes\n", master: screened}, "RCV-013", both + "asks"},
		{"no TLS in both", scene{main: without("", "smtpd_tls_security_level"), master: screened}, "RCV-001", both + "has TLS level none"},
		{"no TLS in postscreen", scene{main: level("may", "none"), master: screened}, "RCV-021", "smtp/inet has TLS level none, smtpd/pass behind smtp/inet has may"},
		{"no TLS behind postscreen", scene{main: level("none", "may"), master: screened}, "RCV-001", "smtpd/pass behind smtp/inet has TLS level none"},
		{"TLS required by postscreen", scene{main: level("may", "encrypt"), master: screened}, "RCV-021", "smtp/inet has TLS level encrypt"},
		{"TLS required behind postscreen", scene{main: level("encrypt", "may"), master: screened}, "RCV-002", "smtpd/pass behind smtp/inet requires"},
		{"STARTTLS is hidden", scene{main: good + "smtpd_discard_ehlo_keywords = starttls\n", master: router + sender, failed: hidden}, "RCV-019", "smtp/inet does not announce"},
		{"STARTTLS is missing", scene{main: good, master: router + sender, failed: hidden}, "RCV-025", "smtp/inet does not list"},
	} {
		e := x.evidence(t)
		var found []string
		for _, r := range []Rule{noInboundTLS, inboundTLSRequired, oldInboundVersions, certificateRequested, starttlsHidden, screenLevelDiffers, starttlsNotOffered} {
			hits := r.Find(e)
			if len(hits) > 0 {
				found = append(found, strings.TrimPrefix(r.ID, "PS-"))
			}
			if len(hits) > 1 || len(hits) == 1 && !strings.HasPrefix(hits[0].Detail, x.want) {
				t.Errorf("%s: %s: %+v", x.name, r.ID, hits)
			}
		}
		if got := strings.Join(found, " "); got != x.rules {
			t.Errorf("%s: %s, not %s", x.name, got, x.rules)
		}
	}
}
