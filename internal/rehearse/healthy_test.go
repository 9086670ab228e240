package rehearse_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"postseal/internal/lab"
	"postseal/internal/rehearse"
)

// TestHealthy: configurations that are unusual and sound are not called broken.
func TestHealthy(t *testing.T) {
	b := newBed(t)
	store := "smtp_tls_CAfile = " + publicStore(t, b) + "\n"
	may := "smtpd_tls_security_level = may\n"
	chain := "smtpd_tls_chain_files = " + b.ec + "\n"
	cert, key := b.dir+"/legacy.pem", b.dir+"/legacy.key"
	lab.Write(t, b.dir, "legacy.pem", b.ecIssued.Cert+b.ca.IntermediatePEM, 0o644)
	lab.Write(t, b.dir, "legacy.key", b.ecIssued.Key, 0o600)
	lab.Write(t, b.dir, "sni", "other.example.org "+b.rs+"\nmx.example.org "+b.rs+"\n", 0o600)
	if out, err := exec.Command("postmap", "-F", "hash:"+b.dir+"/sni").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := exec.Command("sh", "-c", "cd "+b.dir+" && openssl req -x509 -newkey ed25519 -nodes -keyout ed.key -out ed.crt -subj /CN=mx.example.org -days 3 && cat ed.key ed.crt > ed.pem").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for name, x := range map[string]struct{ main, master string }{
		"old names of everything":      {"smtpd_use_tls = yes\nsmtpd_tls_cert_file = " + cert + "\nsmtpd_tls_key_file = " + key + "\nsmtp_use_tls = yes\n" + store, ""},
		"certificates by SNI":          {may + chain + "tls_server_sni_maps = hash:" + b.dir + "/sni\n", ""},
		"a table that asks a service":  {may + chain + "tls_server_sni_maps = socketmap:inet:127.0.0.1:1:sni\n", ""},
		"no TLS at all":                {"", ""},
		"filter, users, reinjection":   {may + chain + "content_filter = amavis:[127.0.0.1]:10024\n", "127.0.0.1:2587 inet n - y - - smtpd -o smtpd_tls_security_level=encrypt -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }\n127.0.0.1:10025 inet n - n - - smtpd -o content_filter= -o smtpd_tls_security_level=none\n"},
		"IPv6 alone":                   {may + chain + "inet_protocols = ipv6\ninet_interfaces = loopback-only\n", "[::1]:2526 inet n - n - - smtpd\n"},
		"variables":                    {"sslDir = " + b.dir + "\nlevel = may\nsmtpd_tls_security_level = $level\nsmtpd_tls_chain_files = ${sslDir}/ec.pem\nsmtp_tls_security_level = ${level}\n" + store, ""},
		"maps, milters, policies":      {may + chain + "smtpd_milters = unix:/nonexistent\nsmtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:1, reject\nrelay_domains = ldap:/nonexistent\nsmtp_tls_policy_maps = mysql:/nonexistent\n" + store, ""},
		"relay with TLS at once":       {may + chain + "relayhost = [relay.example.net]:465\nsmtp_tls_wrappermode = yes\nsmtp_tls_security_level = encrypt\n" + store, ""},
		"relay that must prove itself": {may + chain + "relayhost = [relay.example.net]:587\nsmtp_tls_security_level = secure\nsmtp_tls_secure_cert_match = relay.example.net\n" + store, ""},
		"relay pinned by its key":      {may + chain + "smtp_tls_security_level = fingerprint\nsmtp_tls_fingerprint_digest = sha256\nsmtp_tls_fingerprint_cert_match = 00:11\n" + store, ""},
		"trust anchors of its own":     {may + chain + "smtp_tls_security_level = secure\nsmtp_tls_trust_anchor_file = " + cert + "\n" + store, ""},
		"session caches":               {may + chain + "smtpd_tls_session_cache_database = btree:${data_directory}/smtpd_scache\nsmtp_tls_session_cache_database = btree:/var/lib/postfix/smtp_scache\n" + store, ""},
		"old compatibility level":      {may + chain + "compatibility_level = 0\n" + store, ""},
		"demands client certificates":  {chain + "smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\nsmtpd_tls_CAfile = " + cert + "\n", ""},
		"TLS 1.3 alone":                {may + chain + "smtpd_tls_protocols = >=TLSv1.3\n", ""},
		"RSA alone, ECDSA suites left": {may + "smtpd_tls_chain_files = " + b.rs + "\nsmtpd_tls_exclude_ciphers = aECDSA\n", ""},
		"no SMTP client in master.cf":  {may + chain, "lmtp unix - - n - - lmtp\n"},
		"dane with DNSSEC for Postfix": {may + chain + "smtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec\n" + store, ""},
		"paths by config_directory":    {may + "smtpd_tls_chain_files = ${config_directory}/../../ec.pem\nsmtp_tls_CAfile = $(config_directory)/../../store.pem\nhere = $config_directory/..\nsmtpd_tls_CAfile = $here/../store.pem\nsmtp_tls_security_level = secure\n", ""},
		"an environment of its own":    {may + chain + "import_environment = TZ LANG=C\nsmtp_tls_security_level = may\n" + store, ""},
		"a CA of its own, demanded":    {may + chain + "smtp_tls_security_level = secure\nsmtp_tls_CAfile = " + cert + "\n", ""},
		"a certificate or nothing":     {may + chain + "smtpd_tls_req_ccert = yes\nsmtpd_tls_CAfile = " + cert + "\n", "127.0.0.1:2465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n127.0.0.1:2587 inet n - n - - smtpd -o smtpd_tls_security_level=Encrypt\n127.0.0.1:2600 inet n - n - - smtpd -o smtpd_tls_security_level=secure\n"},
		"a postscreen's own service":   {may + chain, "127.0.0.1:2526 inet n - y - 1 postscreen -o smtpd_service_name=inner\ninner pass - - n - - smtpd\nsmtpd pass - - n - - smtpd -o smtpd_tls_security_level=none\n"},
		"a proxy before postscreen":    {may + chain, "127.0.0.1:2526 inet n - y - 1 postscreen -o postscreen_upstream_proxy_protocol=haproxy\nsmtpd pass - - n - - smtpd\n"},
		"Ed25519 alone":                {may + "smtpd_tls_chain_files = " + b.dir + "/ed.pem\n", ""},
		"smtp that runs in its jail":   {may + chain + "smtp_tls_security_level = may\n" + store, "CHROOT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := *b
			own.dir = b.dir + "/" + strings.ReplaceAll(name, " ", "-")
			master := plainMaster
			switch {
			case x.master == "CHROOT":
				master += "smtp unix - - y - - smtp\n"
			case strings.HasPrefix(x.master, "lmtp"):
				master += x.master
			default:
				master += x.master + "smtp unix - - n - - smtp\n"
			}
			c := own.candidate(t, x.main, master)
			c.Validates = true
			r, err := rehearse.Run(context.Background(), c, rehearse.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Failures() {
				t.Errorf("%+v %+v", f, f.Cause)
			}
			for _, n := range r.Notes {
				if strings.Contains(n, "not rehearsed") {
					t.Error(n)
				}
			}
		})
	}
}

// TestLiveCache: a session cache that a variable names is not shared with the
// live server, whose tlsmgr would not share it either.
func TestLiveCache(t *testing.T) {
	b := newBed(t)
	live := b.dir + "/live"
	if err := os.Mkdir(live, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chown", "postfix", live).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	c := b.candidate(t, "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+b.ec+"\ncache = btree:"+live+"/smtpd\nsmtpd_tls_session_cache_database = ${cache}\n", plainMaster)
	r, err := rehearse.Receive(context.Background(), c, rehearse.Options{})
	if err != nil || len(r.Failures()) > 0 {
		t.Errorf("%v %+v", err, r.Failures())
	}
	if got, err := os.ReadDir(live); err != nil || len(got) > 0 {
		t.Errorf("%v: the private Postfix made %v there", err, got)
	}
}

// TestCause: that one client shares no suite is not why another one fails.
func TestCause(t *testing.T) {
	b := newBed(t)
	c := b.candidate(t, "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = "+b.ec+"\n", plainMaster)
	c.Checks[0].Serves = map[string]string{"ECDSA": "00"}
	r, err := rehearse.Receive(context.Background(), c, rehearse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Failures() {
		if f.Cause != nil && f.Cause.Log != "" {
			t.Errorf("%s: %s is blamed on: %s", f.With, f.Got, f.Cause.Text)
		}
	}
}
