package listen_test

import (
	"flag"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postseal/internal/lab"
)

var nodes = flag.String("nodes", "", "`folder` with node4, whose OpenSSL is 1.0.2 (make probe-oracles)")

// sender asks for STARTTLS and shakes hands.
const sender = `var net = require('net'), tls = require('tls'), said = 0;
var lines = ['EHLO old.example\r\n', 'STARTTLS\r\n'];
var s = net.connect(PORT, '127.0.0.1');
s.on('data', function more() {
  if (said < lines.length) { s.write(lines[said++]); return; }
  s.removeListener('data', more);
  var end = function () { process.exit(0); };
  tls.connect({socket: s, rejectUnauthorized: false}, end).on('error', end);
});
`

// TestOldOpenSSL: a sender with OpenSSL 1.0.2 has nothing newer than TLS 1.2.
func TestOldOpenSSL(t *testing.T) {
	if *nodes == "" {
		t.Skip("make probe-oracles")
	}
	l := listener(t, "127.0.0.1:0")
	server(t, l, false)
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	script := lab.Write(t, lab.Dir(t), "sender.js", strings.Replace(sender, "PORT", port, 1), 0o644)
	h := hear(t, lab.Dir(t), "lo", portOf(t, l.Addr().String()))
	run(t, filepath.Join(*nodes, "node4", "node_modules", "node", "bin", "node"), script)
	_, sender, seen := only(t, h.end(t))
	x := seen.Hello
	if sender.TLS != 1 || !slices.Equal(x.VersionNames(), []string{"TLS 1.2"}) || len(x.Versions) > 0 || slices.Contains(x.GroupNames(), "x25519") ||
		!slices.Contains(x.GroupNames(), "secp256r1") || !slices.Contains(x.SuiteNames(), "ECDHE-RSA-AES128-GCM-SHA256") {
		t.Errorf("%v %v %v", x.VersionNames(), x.GroupNames(), x.SuiteNames())
	}
}
