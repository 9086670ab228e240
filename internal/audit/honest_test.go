package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"postseal/internal/detect"
	"postseal/internal/domain"
	"postseal/internal/probe"
)

// problemScenes have a problem of each kind.
var problemScenes = map[detect.ProblemKind]scene{
	detect.Grammar:   {main: good + "smtpd_tls_loglevel = 0\n"},
	detect.Swallowed: {main: good + "  smtpd_tls_ask_ccert = no\n"},
	detect.Obsolete:  {main: good + "smtp_use_tls = yes\n"},
	detect.Unheard:   {main: good + "smtp_tls_securty_level = may\n"},
	detect.Deadly:    {main: good + "smtp_tls_security_level = maye\n"},
	detect.TLSOff:    {main: good + "smtp_tls_ciphers = strong\n"},
	detect.Comment:   {main: good + "smtp_tls_CApath = /etc/ssl/certs # all\n"},
	detect.Ignored:   {main: good + "smtp_tls_chain_files = /c/chain.pem\nsmtp_tls_cert_file = /c/cert.pem\n"},
	detect.NotHere:   {main: good, master: "smtp inet n - n - - smtpd -o smtpd_tls_session_cache_database=btree:x\n" + sender},
	detect.NoTable:   {main: good + "smtp_tls_policy_maps = hash:/none\n"},
	detect.NoCache:   {main: good + "smtp_tls_session_cache_database = nosuch:x\n"},
	detect.NoDANE:    {main: without("smtp_tls_security_level = dane-only\n", "smtp_tls_security_level")},
	detect.InClear:   {main: good, master: router + "submission inet n - n - - smtpd\n" + sender},
	detect.BadFile:   {main: good + "smtp_tls_cert_file = /none.pem\n"},
	detect.Stray:     {main: good, master: strayMaster},
	detect.BadPolicy: {main: good + "smtp_tls_policy_maps = static:encypt\n"},
	detect.NoAnswer:  {main: good + "smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8461:postfix\n", silent: true},
	detect.NoFolder:  {main: good + "smtp_tls_CApath = /none\n"},
	detect.NoStart:   {main: good + "default_privs = root\n", dies: "default_privs: user root has privileged user ID"},
	detect.NoProgram: {main: good, master: router + sender + "scan unix - - n - - ../sbin\n", installed: true},
}

// How far a conversation came.
var (
	refused    = &probe.Error{Stage: probe.Greeting, Err: &textproto.Error{Code: 554, Msg: "no SMTP service here"}}
	closedPort = &probe.Error{Stage: probe.Connecting, Err: syscall.ECONNREFUSED}
)

// TestProblems: what detection finds is on the card, whatever its kind: nobody
// else shows it.
func TestProblems(t *testing.T) {
	for _, kind := range detect.ProblemKinds {
		s, ok := problemScenes[kind]
		if !ok {
			t.Errorf("%s: nobody has seen it", kind)
			continue
		}
		if s.master == "" {
			s.master = router + sender
		}
		s.change = well
		e := s.evidence(t)
		i := slices.IndexFunc(e.Problems, func(p detect.Problem) bool { return p.Kind == kind })
		if i < 0 {
			t.Errorf("%s: not among %+v", kind, e.Problems)
			continue
		}
		p := e.Problems[i]
		met := slices.ContainsFunc(Audit(e).Findings, func(f Finding) bool {
			return slices.ContainsFunc(f.Hits, func(h Hit) bool { return strings.Contains(h.Detail, p.Text) }) || kind == detect.InClear && f.ID == submissionInClear.ID
		})
		if !met {
			t.Errorf("%s: no rule takes %+v", kind, p)
		}
	}
}

// TestHonest: settings that are sane have no grave finding, and settings that
// stop mail have one. Each was once judged the other way.
func TestHonest(t *testing.T) {
	seen := shown("TLS 1.2", suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"))
	seen.Versions = append(seen.Versions, probe.Version{Name: "TLS 1.3"})
	lists := without("tls_medium_cipherlist = ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256\n", "smtpd_tls_exclude_ciphers")
	// half is what could be seen of a listener before time was over.
	half := func(versions ...probe.Version) *probe.Enumeration {
		return &probe.Enumeration{Incomplete: true, Problem: "it took more than 30s", Secure: true, Versions: versions}
	}
	mute := half()
	mute.Refused = "TLS handshake: timeout"
	lax := without("", "smtpd_tls_exclude_ciphers", "smtpd_tls_protocols")
	encrypted := without("smtp_tls_security_level = encrypt\n", "smtp_tls_security_level")
	dane := without("smtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec\n", "smtp_tls_security_level")
	noGroups := without("", "tls_eecdh_auto_curves")
	const relay = "relayhost = [relay.example.net]:587\nsmtp_sasl_auth_enable = yes\n"
	const filtered, amavis = "content_filter = amavis:[127.0.0.1]:10024\n", "amavis unix - - n - - smtp\n"
	for _, x := range []struct {
		name string
		scene
		// has are rules that must find something, not those that must not.
		has, not string
	}{
		{"the server's certificate as that of a client, by a reference", scene{main: good + "smtp_tls_chain_files = $smtpd_tls_chain_files\n", master: router + sender}, "SND-013", ""},
		{"filter without TLS by a policy", scene{main: encrypted + filtered + "smtp_tls_policy_maps = inline:{ {[127.0.0.1]:10024 = none} }\n", master: router + sender + amavis}, "", "SND-020"},
		{"filter with TLS by a policy", scene{main: good + filtered + "smtp_tls_policy_maps = inline:{ {[127.0.0.1]:10024 = encrypt} }\n", master: router + sender + amavis}, "SND-020", ""},
		{"a weaker transport, raised by a policy", scene{main: encrypted + "transport_maps = static:partner:[p.example]\nsmtp_tls_policy_maps = inline:{ {[p.example] = encrypt} }\n", master: router + sender + "partner unix - - n - - smtp -o smtp_tls_security_level=may\n"}, "", "SND-022"},
		{"a weaker transport by an obsolete parameter", scene{main: without("smtp_enforce_tls = yes\n", "smtp_tls_security_level"), master: router + sender + "partner unix - - n - - smtp -o smtp_enforce_tls=no -o smtp_use_tls=yes\n"}, "SND-022", ""},
		{"versions without effect, and policies that use others", scene{main: encrypted + "smtp_tls_protocols = >=TLSv1.3\nsmtp_tls_policy_maps = inline:{ {p.example = secure} }\n", master: router + sender}, "SND-032", ""},
		{"versions that a policy uses", scene{main: encrypted + "smtp_tls_protocols = >=TLSv1.3\nsmtp_tls_mandatory_protocols = >=TLSv1.2\nsmtp_tls_policy_maps = inline:{ {p.example = may} }\n", master: router + sender}, "", "SND-032"},
		{"versions without effect in a service without policies", scene{main: good + "smtp_tls_policy_maps = static:may\n", master: router + sender + "partner unix - - n - - smtp -o smtp_tls_security_level=encrypt -o smtp_tls_protocols=>=TLSv1.2 -o smtp_tls_policy_maps=\n"}, "SND-032", ""},
		{"versions that every service overrides", scene{main: encrypted + "smtp_tls_protocols = >=TLSv1.3\n", master: router + "smtp unix - - n - - smtp -o smtp_tls_protocols=>=TLSv1.2 -o smtp_tls_security_level=may\n"}, "", "SND-032"},
		{"a gap in a policy", scene{main: good + "smtp_tls_policy_maps = inline:{ {p.example = encrypt protocols=!TLSv1.1} }\n", master: router + sender}, "SND-037", ""},
		{"a gap that a policy closes", scene{main: encrypted + "relayhost = [r.example]\nsmtp_tls_mandatory_protocols = !TLSv1.1\nsmtp_tls_policy_maps = inline:{ {[r.example] = encrypt protocols=>=TLSv1.2} }\n", master: router + sender}, "", "SND-037"},
		{"filter without TLS", scene{main: good + "content_filter = smtp-amavis:[127.0.0.1]:10024\n", master: router + sender + "smtp-amavis unix - - n - - smtp -o smtp_tls_security_level=none\n"}, "", "SND-001 SND-027 SND-022"},
		{"filter that nobody names", scene{main: good, master: router + sender + "spamfilter unix - - n - - smtp -o smtp_tls_security_level=none\n"}, "", "SND-001 SND-027 SND-022"},
		{"another transport without TLS", scene{main: good, master: router + sender + "out unix - - n - - smtp -o smtp_tls_security_level=none\n"}, "SND-027", "SND-001"},
		{"a partner is strict", scene{main: good, master: router + sender + "partner unix - - n - - smtp -o smtp_tls_security_level=secure\n"}, "", "SND-003 SND-002"},
		{"back from a filter", scene{main: good, master: router + "127.0.0.1:10026 inet n - n - - smtpd -o smtpd_tls_security_level=none\n" + sender}, "", "RCV-001 RCV-043 RCV-023"},
		{"send only", scene{main: without("mydestination = localhost\nrelay_domains =\ninet_interfaces = loopback-only\nsmtpd_tls_security_level = none\n", "smtpd_tls_security_level"), master: router + sender}, "", "RCV-001 CRT-001"},
		{"a list of suites, seen", scene{main: lists, master: router + sender, seen: seen}, "", "RCV-005 RCV-006 RCV-007 RCV-008"},
		{"a list of suites, not seen", scene{main: lists, master: router + sender}, "", "RCV-005 RCV-006 RCV-007 RCV-008"},
		{"text says none, the service takes it", scene{main: good, master: router + sender, seen: shown("TLS 1.0", suite("TLS_RSA_WITH_AES_128_CBC_SHA"))}, "RCV-003 RCV-006 RCV-007", "RCV-005"},
		{"wrapper mode for the relay", scene{main: encrypted + "relayhost = [relay.example.net]:465\nsmtp_tls_wrappermode = yes\n", master: router + sender}, "", "SND-016 SND-035 SND-036"},
		{"wrapper mode, encrypted by its policy", scene{main: good + "relayhost = [relay.example.net]:465\nsmtp_tls_wrappermode = yes\nsmtp_tls_policy_maps = static:encrypt\n", master: router + sender}, "", "SND-016 SND-035 SND-036"},
		{"wrapper mode, loosened by its policy", scene{main: encrypted + "relayhost = [relay.example.net]:465\nsmtp_tls_wrappermode = yes\nsmtp_tls_policy_maps = static:may\n", master: router + sender}, "SND-016", "SND-035 SND-036"},
		{"wrapper mode at a level that a policy elsewhere may raise", scene{main: good + "relayhost = [relay.example.net]:465\nsmtp_tls_wrappermode = yes\nsmtp_tls_policy_maps = socketmap:unix:x:y\n", master: router + sender}, "", "SND-016"},
		{"wrapper mode for a partner alone, which a table elsewhere names", scene{main: good + "transport_maps = mysql:/c/t\n", master: router + sender + "smtps unix - - n - - smtp -o smtp_tls_wrappermode=yes -o smtp_tls_security_level=encrypt\n"}, "", "SND-016 SND-035 SND-036"},
		{"the same at level may", scene{main: good + "transport_maps = mysql:/c/t\n", master: router + sender + "smtps unix - - n - - smtp -o smtp_tls_wrappermode=yes\n"}, "SND-016", "SND-035 SND-036"},
		{"wrapper mode for a partner on port 587", scene{main: good + "transport_maps = static:smtps:[relay.example.net]:587\n", master: router + sender + "smtps unix - - n - - smtp -o smtp_tls_wrappermode=yes -o smtp_tls_security_level=encrypt\n"}, "SND-036", "SND-016 SND-035"},
		{"a partner on port 465 by the usual transport", scene{main: good + "transport_maps = static::[relay.example.net]:submissions\n", master: router + sender}, "SND-035", "SND-016 SND-036"},
		{"wrapper mode without a relay", scene{main: encrypted + "smtp_tls_wrappermode = yes\n", master: router + sender}, "SND-036", "SND-016 SND-035"},
		{"wrapper mode for the relay, and a filter without TLS", scene{main: encrypted + "relayhost = [relay.example.net]:465\nsmtp_tls_wrappermode = yes\ncontent_filter = scan:[127.0.0.1]:10025\n", master: router + sender + "scan unix - - n - - smtp -o smtp_tls_security_level=none\n"}, "SND-016", "SND-035 SND-036"},
		{"policy for the relay", scene{main: good + relay + "smtp_tls_policy_maps = texthash:/c/policy\n", master: router + sender}, "", "SND-015"},
		{"policy for somebody else", scene{main: good + relay + "smtp_tls_policy_maps = texthash:/c/other\n", master: router + sender}, "SND-015", ""},
		{"mandatory typo where TLS is offered", scene{main: without("smtpd_tls_mandatory_protocols = TLS1.2\n", "smtpd_tls_mandatory_protocols"), master: router + sender}, "CFG-013", "CFG-002"},
		{"mandatory typo for users", scene{main: without("smtpd_tls_mandatory_protocols = TLS1.2\n", "smtpd_tls_mandatory_protocols"), master: users + sender}, "CFG-002", ""},
		{"weak for users", scene{main: good, master: router + "submission inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes -o smtpd_tls_mandatory_protocols=>=TLSv1\n" + sender}, "RCV-023", ""},
		{"usual for users", scene{main: good, master: users + sender}, "", "RCV-023 RCV-044"},
		{"TLS 1.3 is left", scene{main: without("smtpd_tls_exclude_ciphers = aRSA\n", "smtpd_tls_exclude_ciphers"), master: router + sender, seen: seen}, "", "RCV-012"},
		{"postscreen says no in words", scene{main: good, master: router + sender, failed: refused}, "RCV-033", "RCV-036 RCV-037"},
		{"Postfix does not run", scene{main: good, master: router + sender, failed: closedPort, running: detect.No}, "RCV-033", "RCV-037"},
		{"wrong family for users beside a mail exchanger", scene{main: without("", "smtpd_tls_mandatory_protocols"), master: users + sender}, "RCV-034", ""},
		{"wrong family of a service", scene{main: good, master: router + "submission inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes -o smtpd_tls_protocols=>=TLSv1.3\n" + sender}, "RCV-034", ""},
		{"certificate of another listener", scene{main: without("smtpd_tls_exclude_ciphers = aRSA\n", "smtpd_tls_exclude_ciphers"), master: router + sender}, "RCV-012", ""},
		{"global encrypt and a filter", scene{main: without("smtp_tls_security_level = encrypt\nrelayhost = [r.example.net]\ncontent_filter = scan:[127.0.0.1]:10025\n", "smtp_tls_security_level"), master: router + sender + "scan unix - - n - - smtp\n"}, "SND-020", ""},
		{"an obsolete policy that turns TLS off", scene{main: without("smtp_tls_security_level = encrypt\nrelayhost = [r.example.net]\nsmtp_tls_per_site = static:NONE\n", "smtp_tls_security_level"), master: router + sender}, "SND-001", ""},
		{"certificates that decide who relays", scene{main: good + "smtpd_tls_ask_ccert = yes\nsmtpd_relay_restrictions = permit_tls_clientcerts, reject_unauth_destination\n", master: router + sender}, "", "RCV-013"},
		{"certificates that a class looks up", scene{main: good + "smtpd_tls_ask_ccert = yes\nsmtpd_restriction_classes = listed\nlisted = check_ccert_access hash:/t\n", master: router + sender}, "", "RCV-013"},
		{"a port for machines with certificates", scene{main: good + "machines = permit_tls_clientcerts, reject\n", master: router + "2587 inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes -o smtpd_relay_restrictions=$machines\n" + sender}, "", "RCV-014"},
		{"port 25 for those with certificates alone", scene{main: without("smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\nsmtpd_relay_restrictions = permit_tls_clientcerts, reject_unauth_destination\n", "smtpd_tls_security_level"), master: router + sender}, "RCV-014", ""},
		{"half seen", scene{main: good, master: router + sender, seen: half(probe.Version{Name: "TLS 1.3"})}, "RCV-033", "RCV-003 RCV-004 RCV-005 RCV-024 RCV-031"},
		{"half seen, and no forward secrecy yet", scene{main: good, master: router + sender, seen: half(probe.Version{Name: "TLS 1.2", Suites: []probe.Accepted{suite("TLS_RSA_WITH_AES_128_GCM_SHA256")}})}, "RCV-006 RCV-033", "RCV-031"},
		{"half seen, the rest is lax", scene{main: lax, master: router + sender, seen: half(probe.Version{Name: "TLS 1.3"})}, "RCV-003 RCV-005 RCV-033", ""},
		{"half seen, the rest has TLS 1.3 alone", scene{main: without("smtpd_tls_protocols = >=TLSv1.3\n", "smtpd_tls_protocols"), master: router + sender, seen: half(probe.Version{Name: "TLS 1.3"})}, "RCV-004", ""},
		{"seen before any version", scene{main: good, master: router + sender, seen: half()}, "RCV-033", "RCV-024"},
		{"silent after STARTTLS", scene{main: good, master: router + sender, seen: mute}, "RCV-024", ""},
		{"no time was left", scene{main: good, master: router + sender, failed: errors.New("it took more than 30s")}, "RCV-033", "RCV-024 RCV-036 RCV-037"},
		{"late once when a host is named", scene{main: good, master: router + sender, seen: seen, named: []Named{{Name: "mx.example.org", Ours: true, Err: &probe.Error{Stage: probe.Handshaking, Err: fmt.Errorf("timeout (%w)", os.ErrDeadlineExceeded)}}}}, "", "RCV-040"},
		{"a policy that is tried", scene{main: good, master: router + sender, domain: untrusted(promise("mx.example.net", follow(domain.Testing, 604800)))}, "PUB-007", "PUB-006 PUB-009"},
		{"a policy that nobody here can fetch", scene{main: good, master: router + sender, domain: promise("", domain.STS{Record: "v=STSv1; id=1", Problem: "timeout", Unseen: true})}, "PUB-012", "PUB-004 PUB-005"},
		{"of two certificates one has a record", scene{main: good, master: router + sender, domain: unnamed(promise("mx.example.org", domain.STS{}))}, "PUB-003", ""},
		{"records that senders of mail cannot use", scene{main: good, master: router + sender, change: func(f *detect.Facts) { well(f); f.TLSA = webTLSA }}, "PUB-031", "PUB-003"},
		{"a record of another key", scene{main: good, master: router + sender, change: func(f *detect.Facts) { well(f); f.TLSA = wrongTLSA }}, "PUB-003", "PUB-031"},
		{"users who log in inside TLS only", scene{main: good, master: strings.ReplaceAll(users, " -o smtpd_tls_security_level=encrypt", "") + sender}, "SUB-031", "SUB-001 SUB-002"},
		{"users who may log in without TLS", scene{main: without("", "smtpd_tls_auth_only"), master: strings.ReplaceAll(users, " -o smtpd_tls_security_level=encrypt", "") + sender}, "SUB-001", "SUB-031"},
		{"users who log in nowhere", scene{main: good, master: router + "submission inet n - n - - smtpd\n" + sender}, "SUB-001", "SUB-031"},
		{"a client certificate, and a log that cannot tell who asks for it", scene{main: good + "smtp_tls_chain_files = /c/chain.pem\n", master: router + sender, change: func(f *detect.Facts) { well(f); f.Wanted = detect.Wanted{Seen: true, Sent: 9} }}, "", "SND-012"},
		{"no post-quantum groups by default", scene{main: noGroups, master: router + sender}, "RCV-018", ""},
		{"post-quantum groups for the service, as apply sets them", scene{main: noGroups, master: "smtp inet n - n - - smtpd -o {tls_eecdh_auto_curves=X25519MLKEM768 X25519 prime256v1 secp384r1}\n" + sender}, "", "RCV-018"},
		{"post-quantum groups for one service of two", scene{main: noGroups, master: "smtp inet n - n - - smtpd -o {tls_eecdh_auto_curves=X25519MLKEM768 X25519}\n" + strings.TrimPrefix(users, router) + sender}, "RCV-018", ""},
		{"post-quantum groups in main.cf, and not for the service", scene{main: good, master: "smtp inet n - n - - smtpd -o tls_eecdh_auto_curves=X25519\n" + sender}, "RCV-018", ""},
		{"post-quantum groups, seen", scene{main: noGroups, master: router + sender, seen: &probe.Enumeration{Extended: true, Secure: true, Versions: []probe.Version{{Name: "TLS 1.3"}}, Groups: []string{"X25519MLKEM768"}}}, "", "RCV-018"},
		{"post-quantum groups by default", scene{main: noGroups, master: router + sender, version: "3.11.7"}, "", "RCV-018"},
		{"a filter before the queue, in the release that mends it", scene{main: good + "smtpd_proxy_filter = 127.0.0.1:10024\n", master: router + sender, version: "3.11.7"}, "", "CFG-041"},
		{"a filter before the queue, of a service", scene{main: good, master: "smtp inet n - n - - smtpd -o smtpd_proxy_filter=127.0.0.1:10024\n" + sender}, "CFG-041", ""},
		{"no filter before the queue", scene{main: good, master: router + sender}, "", "CFG-041"},
		{"old versions for users, seen", scene{main: good, master: "submission inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_security_level=encrypt\n" + sender, seen: shown("TLS 1.1")}, "SUB-004", "RCV-003"},
		{"a second certificate that this user may not read", scene{main: good, master: router + sender, change: func(f *detect.Facts) {
			well(f)
			f.Certificates = append(f.Certificates, detect.Certificate{Chain: "/c/secret.pem", Server: true, Err: fs.ErrPermission})
		}, seen: &probe.Enumeration{Certificates: []probe.Leaf{{Fingerprint: strings.Repeat("0", 64)}}}}, "", "CRT-015"},
		{"a floor for who will demand TLS, and nobody does yet", scene{main: good + "smtp_tls_mandatory_protocols = >=TLSv1.2\n", master: router + sender}, "", "SND-032"},
		{"dane uses what is set for mandatory TLS", scene{main: dane + "smtp_tls_mandatory_protocols = >=TLSv1.2\n", master: router + sender}, "", "SND-032"},
		{"dane uses what a service sets for mandatory TLS", scene{main: dane, master: router + "smtp unix - - n - - smtp -o smtp_tls_mandatory_protocols=>=TLSv1.2\n"}, "", "SND-032"},
		{"dane uses what is set for opportunistic TLS", scene{main: dane + "smtp_tls_protocols = >=TLSv1\n", master: router + sender}, "", "SND-032"},
		{"mandatory typo at dane", scene{main: dane + "smtp_tls_mandatory_protocols = >=TLS1.2\n", master: router + sender}, "SND-029", "CFG-013"},
		{"mandatory typo at may", scene{main: good + "smtp_tls_mandatory_ciphers = strong\n", master: router + sender}, "CFG-013", "SND-029"},
		{"opportunistic typo at dane", scene{main: dane + "smtp_tls_protocols = >=TLS1.2\n", master: router + sender}, "SND-029", "CFG-013"},
		{"opportunistic typo at dane-only", scene{main: without("smtp_tls_security_level = dane-only\n", "smtp_tls_security_level") + "smtp_dns_support_level = dnssec\nsmtp_tls_protocols = >=TLS1.2\n", master: router + sender}, "CFG-013", "SND-029"},
		{"obsolete, and so without effect", scene{main: good + "smtpd_use_tls = yes\n", master: router + sender}, "CFG-003", "CFG-005"},
		{"the key of another", scene{main: without("smtpd_tls_cert_file = /c/cert.pem\nsmtpd_tls_key_file = /c/other.pem\n", "smtpd_tls_chain_files"), master: router + sender}, "CRT-007", "CRT-008"},
		{"no TLS for anybody is told once", scene{main: without("smtp_tls_security_level =\n", "smtp_tls_security_level"), master: router + sender + "relay unix - - n - - smtp\n"}, "SND-001", "SND-027"},
		{"no TLS for anybody is told once, and what is sent elsewhere is relayed", scene{main: without("smtp_tls_security_level =\n", "smtp_tls_security_level") + "default_transport = error:no\n", master: router + sender + "relay unix - - n - - smtp\n"}, "SND-001", "SND-027"},
		{"RSA and SHA are names for kRSA and SHA1", scene{main: without("smtpd_tls_exclude_ciphers = aNULL, RSA, SHA, EDH\n", "smtpd_tls_exclude_ciphers"), master: router + sender}, "", "RCV-006 RCV-007 RCV-008 RCV-012"},
		{"AUTH behind postscreen is switched off", scene{main: without("smtpd_sasl_auth_enable = yes\n", "smtpd_tls_auth_only"), master: "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd -o smtpd_sasl_auth_enable=no\ntlsproxy unix - - n - 0 tlsproxy\n" + users[len(router):] + sender}, "", "SUB-002 SUB-005"},
		{"AUTH behind postscreen", scene{main: without("smtpd_sasl_auth_enable = yes\n", "smtpd_tls_auth_only"), master: "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\ntlsproxy unix - - n - 0 tlsproxy\n" + users[len(router):] + sender}, "SUB-002 SUB-005", ""},
		{"AUTH behind postscreen, inside TLS there", scene{main: without("smtpd_sasl_auth_enable = yes\n", "smtpd_tls_auth_only"), master: "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd -o smtpd_tls_auth_only=yes\ntlsproxy unix - - n - 0 tlsproxy\n" + users[len(router):] + sender}, "SUB-005", "SUB-002"},
		{"ports for the own networks", scene{main: good + "smtpd_sasl_auth_enable = yes\n", master: router + "590 inet n - n - - smtpd -o smtpd_client_restrictions=permit_mynetworks,reject -o smtpd_tls_auth_only=no\n10025 inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy\n" + sender}, "", "SUB-001 SUB-002"},
		{"a relay host on this machine", scene{main: without("smtp_tls_security_level =\nrelayhost = 127.0.0.1:1025\n", "smtp_tls_security_level", "smtp_tls_CAfile"), master: router + sender}, "", "SND-001 SND-005 SND-006"},
		{"a relay host on this machine, and a table", scene{main: without("smtp_tls_security_level =\nrelayhost = 127.0.0.1:1025\ntransport_maps = mysql:/x\n", "smtp_tls_security_level"), master: router + sender}, "SND-001", ""},
		{"verify for all but some, in a table that cannot be read", scene{main: without("smtp_tls_security_level = verify\nsmtp_tls_policy_maps = inline:{example.net=may}\n", "smtp_tls_security_level"), master: router + sender}, "SND-003", ""},
		{"DANE beside encrypt", scene{main: without("smtp_tls_security_level = dane\nsmtp_dns_support_level = dnssec\n", "smtp_tls_security_level"), master: router + sender + "bank unix - - n - - smtp -o smtp_tls_security_level=encrypt\n"}, "", "SND-022"},
		{"encrypt beside DANE", scene{main: encrypted, master: router + sender + "out unix - - n - - smtp -o smtp_tls_security_level=dane -o smtp_dns_support_level=dnssec\n"}, "", "SND-022"},
		{"encrypt beside secure", scene{main: without("smtp_tls_security_level = secure\n", "smtp_tls_security_level"), master: router + sender + "out unix - - n - - smtp -o smtp_tls_security_level=encrypt\n"}, "SND-022", ""},
		{"a private relay for machines with certificates", scene{main: without("inet_interfaces = 10.1.2.3\nrelay_domains =\nsmtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\n", "smtpd_tls_security_level"), master: router + sender}, "", "RCV-014"},
		{"a private address that takes mail for a domain", scene{main: without("inet_interfaces = 10.1.2.3\nsmtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\n", "smtpd_tls_security_level"), master: router + sender}, "RCV-014", ""},
		{"suites that no server has alone are excluded for sending", scene{main: good + "smtp_tls_exclude_ciphers = aNULL, ADH, eNULL, MD5, RC4, DES, 3DES, SEED\n", master: router + sender}, "", "SND-011"},
		{"the default digest of old releases, and no fingerprints", scene{main: good + "smtp_tls_policy_maps = texthash:/c/policy\n", master: router + sender, version: "3.5.25"}, "", "SND-019"},
		{"the default digest of old releases, and tables elsewhere", scene{main: good + "smtp_tls_policy_maps = ldap:x\n", master: router + sender, version: "3.5.25"}, "", "SND-019"},
		{"MD5 by hand, and tables elsewhere", scene{main: good + "smtp_tls_policy_maps = ldap:x\nsmtp_tls_fingerprint_digest = md5\n", master: router + sender}, "SND-019", ""},
		{"a folder of CAs for clients that nobody asks", scene{main: good + "smtpd_tls_CApath = /none\n", master: router + sender}, "", "CFG-050"},
		{"a folder of CAs for clients", scene{main: good + "smtpd_tls_CApath = /none\nsmtpd_tls_ask_ccert = yes\n", master: router + sender}, "CFG-050", ""},
		{"a folder of CAs that is not in the chroot", scene{main: without("smtp_tls_CApath = /none\n", "smtp_tls_CAfile"), master: router + "smtp unix - - y - - smtp\n"}, "SND-009", "CFG-050"},
		{"a web server has one for the same names", scene{main: good, master: router + sender, change: renewed(-1)}, "", "CRT-020"},
	} {
		t.Run(x.name, func(t *testing.T) {
			if x.change == nil {
				x.change = well
			}
			found := map[string]bool{}
			for _, f := range Audit(x.evidence(t)).Findings {
				found[f.ID] = true
			}
			for _, id := range strings.Fields(x.has) {
				if !found["PS-"+id] {
					t.Errorf("%s finds nothing", id)
				}
			}
			for _, id := range strings.Fields(x.not) {
				if found["PS-"+id] {
					t.Errorf("%s finds something", id)
				}
			}
		})
	}
}

// surprises are those of Postfix that its documentation does not lead one to
// expect, each with the rules that are about it. Those without rules concern
// how this program works, not how a server is set up.
var surprises = []struct {
	what  string
	rules string
}{
	{"a chain file that is missing leaves anonymous suites alone", "CRT-008 RCV-024"},
	{"STARTTLS is offered though TLS failed to start", "RCV-024 CRT-007 CFG-002"},
	{"a missing CA file, or client certificate, ends TLS without a warning", "SND-007 SND-034 CFG-002 RCV-015"},
	{"postfix check does not look at TLS", "CFG-001 CFG-013 SND-028 SND-029 CFG-018"},
	{"two instances may listen at one address", ""},
	{"a new main.cf costs two seconds", ""},
	{"postconf -e glues a setting to a last line without an end", "CFG-012"},
	{"newer versions alone, at level may, end in clear text", "SND-010 SND-011"},
	{"a header defeats the policy table", "SND-017"},
	{"hardening by the distribution does not reach Postfix", "RCV-003 RCV-005 RCV-007 CRT-009 CRT-017"},
	{"one line of exclusions is what NCSC-NL asks for", "RCV-005 RCV-006 RCV-007 RCV-008"},
	{"testers ask for more since spring 2026", "RCV-003 RCV-028 RCV-029 CRT-010 CRT-017"},
	{"certificates for servers only are not trusted from clients", "SND-013 RCV-042"},
	{"No post-quantum key exchange is offered though the library has it", "RCV-018"},
	{"main.cf counts before the reload", "CFG-017"},
	{"comments do not end a continuation", "CFG-014 CFG-013"},
	{"old releases say nothing without a terminal", ""},
	{"DANE without DNSSEC is none", "SND-031 SND-004"},
	{"postfix tls prints records of keys that are not in use", "PUB-003"},
}

// TestSurprises: each has rules, which exist.
func TestSurprises(t *testing.T) {
	for _, s := range surprises {
		for _, id := range strings.Fields(s.rules) {
			if !slices.ContainsFunc(Rules, func(r Rule) bool { return r.ID == "PS-"+id }) {
				t.Errorf("%s: there is no %s", s.what, id)
			}
		}
	}
}

// TestSentBy: what is wrong with a client certificate is told where it is set.
func TestSentBy(t *testing.T) {
	e := scene{main: good + "smtp_tls_chain_files = $smtpd_tls_chain_files\n", master: router + sender, change: func(f *detect.Facts) {
		well(f)
		for i := range f.Certificates {
			f.Certificates[i].ClientUse, f.Certificates[i].Err = false, nil
		}
		f.Wanted = detect.Wanted{Seen: true, Sent: 9}
	}}.evidence(t)
	hits := slices.Concat(needlessClientCertificate.Find(e), serverCertificateAsClient.Find(e))
	e.Certificates[0].Err = errors.New("broken")
	for _, h := range append(hits, brokenClientCertificate.Find(e)...) {
		if line := e.Config.Value(nil, "smtp_tls_chain_files").Origin.Line; h.At.Line != line {
			t.Errorf("%s: line %d, not %d", h.Detail, h.At.Line, line)
		}
	}
	if len(hits) != 2 {
		t.Errorf("%+v", hits)
	}
}

// TestCures: a cure names the files and the instance of this server.
func TestCures(t *testing.T) {
	for _, x := range []struct {
		cure              Cure
		bundle, dir, want string
	}{
		{noTrustAnchors.Cure, usualBundle, "/etc/postfix", "--ca-file /etc/ssl/certs/ca-certificates.crt"},
		{noTrustAnchors.Cure, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/postfix", "--ca-file /etc/pki/tls/certs/ca-bundle.crt"},
		{noTrustAnchors.Cure, "", "/etc/postfix", "install the CA certificates"},
		{notReloaded.Cure, usualBundle, "/etc/postfix", "postfix reload"},
		{notReloaded.Cure, usualBundle, "/etc/postfix-out", "postfix -c /etc/postfix-out reload"},
		{notSeen.Cure, usualBundle, "/etc/postfix-out", "postfix -c /etc/postfix-out status, and postfix -c /etc/postfix-out start"},
	} {
		e := &Evidence{Facts: &detect.Facts{Bundle: detect.CABundle{Path: x.bundle}}}
		e.Config.Dir = x.dir
		if got := e.here(x.cure).Text; !strings.HasPrefix(got, x.want) {
			t.Errorf("%q, not %q", got, x.want)
		}
	}
}

// TestProxyInFront: where a proxy may terminate TLS for a listener, what is missing at the
// listener says so.
func TestProxyInFront(t *testing.T) {
	bare := without("smtpd_tls_security_level = none\nsmtpd_sasl_auth_enable = yes\n", "smtpd_tls_security_level", "smtpd_tls_auth_only")
	master := router + "submission inet n - n - - smtpd\n" + sender
	for _, x := range []struct{ main, master, text string }{
		{bare, master, ""},
		{bare + "smtpd_authorized_xclient_hosts = 10.1.2.3\n", master, "smtpd_authorized_xclient_hosts (/etc/postfix/main.cf:"},
		{bare + "smtpd_upstream_proxy_protocol = haproxy\n", master, "the proxy in front may terminate TLS"},
		{bare + "smtpd_authorized_xclient_hosts = 10.1.2.3\n", "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n" + master[len(router):], "smtpd_authorized_xclient_hosts (/etc/postfix/main.cf:"},
	} {
		e := scene{main: x.main, master: x.master}.evidence(t)
		for _, r := range []Rule{noInboundTLS, submissionInClear, passwordsInClear} {
			hits := r.Find(e)
			if len(hits) == 0 {
				t.Errorf("%s finds nothing", r.ID)
			}
			for _, h := range hits {
				if strings.Contains(h.Detail, "may terminate TLS") != (x.text != "") || !strings.Contains(h.Detail, x.text) || len(h.Detail) > 300 {
					t.Errorf("%s: %q", r.ID, h.Detail)
				}
			}
		}
	}
}

// TestUsersBehindProxy: where a proxy is in front of a port for users, each finding says
// that it may terminate TLS, and no cure requires TLS there without saying so.
func TestUsersBehindProxy(t *testing.T) {
	const proxied = router + "10.0.0.1:587 inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_upstream_proxy_protocol=haproxy\n" + sender
	for _, main := range []string{good, without("", "smtpd_tls_auth_only")} {
		found := 0
		for _, f := range Audit((scene{main: main, master: proxied, change: well}).evidence(t)).Findings {
			if !strings.HasPrefix(f.ID, "PS-SUB") {
				continue
			}
			found++
			if !strings.Contains(f.Hits[0].Detail, "the proxy in front may") {
				t.Errorf("%s: %s", f.ID, f.Hits[0].Detail)
			}
			if f.ID != noImplicitTLS.ID && !strings.HasPrefix(f.Cure.Text, "if the proxy in front does not terminate TLS: --") {
				t.Errorf("%s: %s", f.ID, f.Cure)
			}
		}
		if found < 2 {
			t.Errorf("%d findings", found)
		}
	}
}
