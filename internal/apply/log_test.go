package apply

import (
	"context"
	"testing"

	"postseal/internal/host"
	"postseal/internal/maillog"
)

// TestNoLog: where there is no log to read, the run says where Postfix's log is.
func TestNoLog(t *testing.T) {
	for why, want := range map[string]string{"": "no log file that can be read", "it goes to /dev/stdout": "it goes to /dev/stdout"} {
		var got []Event
		tr := &transaction{m: host.Local{}, Receipt: &Receipt{}, o: Options{Log: maillog.Source{Why: why}, Events: func(e Event) { got = append(got, e) }}}
		read, alarms := tr.readLog(context.Background(), tr.o.Log.Mark(tr.m))
		if last := got[len(got)-1]; read || len(alarms) != 0 || last.State != Noted || last.Text != want {
			t.Errorf("%q: %v %v %+v", why, read, alarms, got)
		}
	}
}

// TestIsBroken: what Postfix says of itself counts; what it quotes of a client
// or a server does not, whatever that one wrote.
func TestIsBroken(t *testing.T) {
	for text, want := range map[string]bool{
		"fatal: bind 127.0.0.1 port 465: Address already in use":                                               true,
		"fatal: no SASL authentication mechanisms":                                                             true,
		"warning: cannot get RSA certificate from file \"/x.pem\": disabling TLS support":                      true,
		"warning: error loading chain from /x.pem: key not first: disabling TLS support":                       true,
		"warning: No server certs available. TLS can't be enabled":                                             true,
		"warning: TLS library problem: error:0A000126:SSL routines::unexpected eof":                            false,
		`NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 554 5.7.1 ...; from=<order 57 cannot get@x> to=<a@b>`:  false,
		"warning: non-SMTP command from unknown[192.0.2.1]: fatal: disabling TLS support":                      false,
		"warning: hostname x does not resolve to address 192.0.2.1: Name cannot load":                          true, // too careful, and no more than that
		`A1B2: to=<a@b>, relay=mx[192.0.2.9]:25, status=deferred (said: 454 fatal: cannot load)`:               false,
		"connect from mx.example.org[192.0.2.1]":                                                               false,
		"Untrusted TLS connection established to mx[192.0.2.9]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384": false,
		"statistics: max connection rate 1/60s for (smtp:192.0.2.1) at Nov 23 cannot get":                      false,
	} {
		if got := isBroken(text); got != want {
			t.Errorf("%v: %s", got, text)
		}
	}
}
