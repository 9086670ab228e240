package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// permissionRules are those about owners and modes.
var permissionRules = []string{"PS-CFG-019", "PS-CFG-020", "PS-CFG-021", "PS-CFG-022", "PS-CRT-021", "PS-CRT-022", "PS-CRT-023"}

// onPermissions are the findings about owners and modes.
func onPermissions(f *detect.Facts) []Finding {
	return slices.DeleteFunc(Audit(&Evidence{Facts: f}).Findings, func(f Finding) bool { return !slices.Contains(permissionRules, f.ID) })
}

// TestRemedies: the command of each place, run by a shell, makes the finding go.
func TestRemedies(t *testing.T) {
	lab.NeedRoot(t)
	leaf := lab.NewCA(t).Issue(t, lab.Leaf{})
	chmod := func(path string, mode os.FileMode) func(dir string) error {
		return func(dir string) error { return os.Chmod(filepath.Join(dir, path), mode) }
	}
	chown := func(path string, uid, gid int) func(dir string) error {
		return func(dir string) error { return os.Lchown(filepath.Join(dir, path), uid, gid) }
	}
	for _, x := range []struct {
		name, rule string
		spoil      []func(dir string) error
	}{
		{"main.cf for all to write", "PS-CFG-019", []func(string) error{chmod("main.cf", 0o666)}},
		{"the folder for all to write", "PS-CFG-019", []func(string) error{chmod(".", 0o777)}},
		{"a folder above it for all to write", "PS-CFG-019", []func(string) error{chmod("..", 0o777)}},
		{"master.cf of a stranger", "PS-CFG-019", []func(string) error{chown("master.cf", wwwData, 0)}},
		{"OpenSSL's configuration of a stranger", "PS-CFG-019", []func(string) error{chown("openssl.cnf", wwwData, 0)}},
		{"the folder of a stranger", "PS-CFG-019", []func(string) error{chown(".", wwwData, 0)}},
		{"main.cf for a group to write", "PS-CFG-020", []func(string) error{chown("main.cf", 0, wwwData), chmod("main.cf", 0o664)}},
		{"a policy table for all to write", "PS-CFG-021", []func(string) error{chmod("policy", 0o646)}},
		{"a compiled policy table of a stranger", "PS-CFG-021", []func(string) error{chown("policy.db", wwwData, 0)}},
		{"another table for all to write", "PS-CFG-021", []func(string) error{chmod("transport", 0o646)}},
		{"a routing table of a stranger", "PS-CFG-021", []func(string) error{chown("transport", wwwData, 0)}},
		{"another table of a stranger", "PS-CFG-022", []func(string) error{chown("mailboxes", wwwData, 0)}},
		{"a table that a service names", "PS-CFG-022", []func(string) error{chown("access", wwwData, 0)}},
		{"keys in a compiled table for all to read", "PS-CRT-021", []func(string) error{chmod("sni", 0o644), chmod("sni.db", 0o644)}},
		{"a key for all to read", "PS-CRT-021", []func(string) error{chmod("ssl/key.pem", 0o644)}},
		{"a certificate of a stranger", "PS-CRT-022", []func(string) error{chown("ssl/cert.pem", wwwData, 0)}},
		{"a key for all to write", "PS-CRT-022", []func(string) error{chmod("ssl/key.pem", 0o602)}},
		{"a link of a stranger", "PS-CRT-022", []func(string) error{chown("ssl/link.pem", wwwData, 0)}},
		{"CA certificates of a stranger", "PS-CRT-022", []func(string) error{chown("ssl/ca.pem", wwwData, 0)}},
		{"a key for a group to read", "PS-CRT-023", []func(string) error{chown("ssl/key.pem", 0, wwwData), chmod("ssl/key.pem", 0o640)}},
		{"a key behind a folder", "PS-CRT-023", []func(string) error{chmod("ssl/key.pem", 0o644), chmod("ssl", 0o700)}},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "it's")
			open(t, filepath.Dir(filepath.Dir(dir)))
			lab.Write(t, dir, "main.cf", "myhostname = mx.example.org\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = "+dir+"/ssl/link.pem\nsmtpd_tls_key_file = "+dir+"/ssl/key.pem\nsmtp_tls_CAfile = "+dir+"/ssl/ca.pem\ntls_config_file = "+dir+"/openssl.cnf\nsmtp_tls_policy_maps = hash:"+dir+"/policy\ntransport_maps = texthash:"+dir+"/transport\nvirtual_mailbox_maps = texthash:"+dir+"/mailboxes\ntls_server_sni_maps = hash:"+dir+"/sni\n", 0o644)
			lab.Write(t, dir, "master.cf", "smtp inet n - n - - smtpd -o smtpd_client_restrictions=check_client_access,texthash:"+dir+"/access\nsmtp unix - - n - - smtp\n", 0o644)
			for name, text := range map[string]string{"policy": "", "policy.db": "", "openssl.cnf": "", "transport": "", "mailboxes": "", "access": "", "ssl/cert.pem": leaf.Cert, "ssl/ca.pem": leaf.Cert} {
				lab.Write(t, dir, name, text, 0o644)
			}
			for name, text := range map[string]string{"ssl/key.pem": leaf.Key, "sni": "", "sni.db": ""} {
				lab.Write(t, dir, name, text, 0o600)
			}
			if err := os.Symlink("cert.pem", filepath.Join(dir, "ssl/link.pem")); err != nil {
				t.Fatal(err)
			}
			look := func() []Finding {
				f, err := detect.Look(context.Background(), host.ReadOnly{Reader: offline{}}, dir, "", nil)
				if err != nil {
					t.Fatal(err)
				}
				return onPermissions(f)
			}
			for _, f := range look() {
				t.Fatalf("before: %s %+v", f.ID, f.Hits)
			}
			for _, spoil := range x.spoil {
				if err := spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			found := look()
			if len(found) != 1 || found[0].ID != x.rule || len(found[0].Hits) != 1 {
				t.Fatalf("%+v", found)
			}
			if out, err := exec.Command("sh", "-c", found[0].Hits[0].Remedy).CombinedOutput(); err != nil {
				t.Fatalf("%s: %s", found[0].Hits[0].Remedy, out)
			}
			for _, f := range look() {
				t.Errorf("after %s: %s %+v", found[0].Hits[0].Remedy, f.ID, f.Hits)
			}
		})
	}
}

// open lets every user pass through the folder of a test.
func open(t *testing.T, dir string) {
	t.Helper()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func postfixUID(t *testing.T) int {
	t.Helper()
	u, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

// offline is this machine without its network, its Postfix and its certificates
// elsewhere.
type offline struct{ host.Local }

func (offline) Run(context.Context, string, ...string) (host.Output, error) {
	return host.Output{}, exec.ErrNotFound
}

func (offline) LookUp(context.Context, string, string, uint16) (host.Answer, error) {
	return host.Answer{}, errors.New("offline")
}
func (offline) Glob(string) ([]string, error)         { return nil, nil }
func (offline) ReadDir(string, int) ([]string, error) { return nil, nil }

// usual is a server as Debian and certbot set it up, with its owners and modes.
func usual(t *testing.T) *host.Fake {
	t.Helper()
	lab.NeedRoot(t)
	leaf := lab.NewCA(t).Issue(t, lab.Leaf{})
	const archive, live, private = "/etc/letsencrypt/archive/mx/", "/etc/letsencrypt/live/mx/", "/etc/ssl/private/"
	m := lab.Machine(t, "3.7.11", map[string]string{
		"/srv/postfix/main.cf": debianMain + "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = " + live + "fullchain.pem\nsmtpd_tls_key_file = " + live + "privkey.pem\n" +
			"smtp_tls_cert_file = /etc/ssl/certs/ssl-cert-snakeoil.pem\nsmtp_tls_key_file = " + private + "ssl-cert-snakeoil.key\n",
		"/srv/postfix/master.cf": debianMaster, "/etc/aliases": "", "/etc/aliases.db": "",
		archive + "fullchain1.pem": leaf.Cert, archive + "privkey1.pem": leaf.Key,
		"/etc/ssl/certs/ssl-cert-snakeoil.pem": leaf.Cert, private + "ssl-cert-snakeoil.key": leaf.Key,
		"/var/lib/postfix/smtp_scache.db": "", "/var/lib/postfix/master.lock": "",
		"/etc/group": "root:x:0:\nssl-cert:x:33:\npostfix:x:120:\n", "/etc/passwd": "root:x:0:0::/root:/bin/sh\n",
	})
	const defaults = "postconf -c /etc/postfix -d"
	m.Programs[defaults] = host.Output{Stdout: m.Programs[defaults].Stdout + "alias_maps = hash:/etc/aliases, nis:mail.aliases\nalias_database = hash:/etc/aliases\n"}
	for _, dir := range []string{"/etc/letsencrypt/live/mx"} {
		if err := os.MkdirAll(filepath.Join(m.Root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{"/etc/postfix": "../srv/postfix", live + "fullchain.pem": "../../archive/mx/fullchain1.pem", live + "privkey.pem": "../../archive/mx/privkey1.pem"} {
		if err := os.Symlink(to, filepath.Join(m.Root, from)); err != nil {
			t.Fatal(err)
		}
	}
	postfix := postfixUID(t)
	scene{
		modes: map[string]os.FileMode{
			"/etc/letsencrypt/live": 0o700, "/etc/letsencrypt/archive": 0o700, private: 0o710, private + "ssl-cert-snakeoil.key": 0o640, "/var/lib/postfix/smtp_scache.db": 0o600,
		},
		owners: map[string][2]int{
			private: {0, wwwData}, private + "ssl-cert-snakeoil.key": {0, wwwData}, "/var/lib/postfix": {postfix, postfix}, "/var/lib/postfix/smtp_scache.db": {postfix, postfix},
		},
	}.protect(t, m.Root)
	return m
}

// TestUsualPermissions: what Debian and certbot set up has nothing to be told, and a
// change to it has.
func TestUsualPermissions(t *testing.T) {
	const key, archive, live = "/etc/ssl/private/ssl-cert-snakeoil.key", "/etc/letsencrypt/archive", "/etc/letsencrypt/live/mx/privkey.pem"
	for _, x := range []struct {
		name  string
		spoil func(t *testing.T, m *host.Fake)
		want  string
	}{
		{"as installed", func(*testing.T, *host.Fake) {}, ""},
		{"postfix owns a table outside its folder", func(t *testing.T, m *host.Fake) {
			uid := postfixUID(t)
			scene{owners: map[string][2]int{"/etc/aliases": {uid, uid}}}.protect(t, m.Root)
		}, "PS-CFG-022: /etc/aliases is owned by postfix"},
		{"a stranger owns a session cache", func(t *testing.T, m *host.Fake) {
			scene{owners: map[string][2]int{"/var/lib/postfix/smtp_scache.db": {wwwData, wwwData}}}.protect(t, m.Root)
		}, "PS-CFG-021: /var/lib/postfix/smtp_scache.db is owned by www-data"},
		{"ssl-cert has members", func(t *testing.T, m *host.Fake) {
			lab.Write(t, m.Root, "/etc/group", "ssl-cert:x:33:postfix,postgres\n", 0o644)
		}, "PS-CRT-023: members of the group ssl-cert (postgres) can read the private key in /etc/ssl/private/ssl-cert-snakeoil.key"},
		{"the folder of ssl-cert has an open key", func(t *testing.T, m *host.Fake) {
			lab.Write(t, m.Root, "/etc/group", "ssl-cert:x:33:postgres\n", 0o644)
			scene{modes: map[string]os.FileMode{key: 0o644}, owners: map[string][2]int{key: {0, 0}}}.protect(t, m.Root)
		}, "PS-CRT-023: members of the group ssl-cert (postgres) can read the private key in " + key},
		{"it has no members", func(t *testing.T, m *host.Fake) {
			scene{modes: map[string]os.FileMode{key: 0o644}, owners: map[string][2]int{key: {0, 0}}}.protect(t, m.Root)
		}, "PS-CRT-023: the private key in " + key + " is world-readable; only its directory protects it"},
		{"the folder is for one group, the key for another", func(t *testing.T, m *host.Fake) {
			lab.Write(t, m.Root, "/etc/group", "ssl-cert:x:33:postgres,ldap\nweb:x:34:caddy\n", 0o644)
			scene{owners: map[string][2]int{key: {0, 34}}}.protect(t, m.Root)
		}, ""},
		{"an access control list names www-data", func(t *testing.T, m *host.Fake) {
			scene{modes: map[string]os.FileMode{"/etc/ssl/private": 0o711}}.protect(t, m.Root)
			grant(t, m, key, 6, host.Grant{ID: wwwData, Perm: 4})
		}, "PS-CRT-023: www-data can read the private key in " + key},
		{"access control lists let www-data through a folder", func(t *testing.T, m *host.Fake) {
			grant(t, m, archive, 7, host.Grant{ID: wwwData, Perm: 5})
			grant(t, m, archive+"/mx/privkey1.pem", 6, host.Grant{ID: wwwData, Perm: 4})
		}, "PS-CRT-023: www-data can read the private key in " + live},
		{"access control lists let a group through a folder", func(t *testing.T, m *host.Fake) {
			lab.Write(t, m.Root, "/etc/group", "ssl-cert:x:33:postgres\n", 0o644)
			scene{modes: map[string]os.FileMode{key: 0o600}}.protect(t, m.Root)
			grant(t, m, archive, 7, host.Grant{Group: true, ID: wwwData, Perm: 1})
			grant(t, m, archive+"/mx/privkey1.pem", 6, host.Grant{Group: true, ID: wwwData, Perm: 4})
		}, "PS-CRT-023: members of the group ssl-cert (postgres) can read the private key in " + live},
		{"access control lists for different accounts", func(t *testing.T, m *host.Fake) {
			grant(t, m, archive, 7, host.Grant{ID: wwwData, Perm: 5})
			grant(t, m, archive+"/mx/privkey1.pem", 6, host.Grant{ID: wwwData + 1, Perm: 4})
		}, ""},
		{"an access control list lets www-data to an open key", func(t *testing.T, m *host.Fake) {
			scene{modes: map[string]os.FileMode{archive + "/mx/privkey1.pem": 0o644}}.protect(t, m.Root)
			grant(t, m, archive, 7, host.Grant{ID: wwwData, Perm: 5})
		}, "PS-CRT-023: www-data can read the private key in " + live},
		{"an access control list lets www-data write main.cf", func(t *testing.T, m *host.Fake) {
			grant(t, m, "/srv/postfix/main.cf", 6, host.Grant{ID: wwwData, Perm: 6})
		}, "PS-CFG-019: /srv/postfix/main.cf is writable by www-data; it leads to /etc/postfix/main.cf"},
		{"postfix owns a table that proxymap opens", func(t *testing.T, m *host.Fake) {
			uid := postfixUID(t)
			lab.Write(t, m.Root, "/etc/mail/users", "", 0o600)
			add(t, m, "main.cf", "virtual_alias_maps = texthash:/etc/mail/users\nvirtual_mailbox_maps = proxy:texthash:/etc/mail/users\n")
			scene{owners: map[string][2]int{"/etc/mail": {uid, uid}, "/etc/mail/users": {uid, uid}}}.protect(t, m.Root)
		}, ""},
		{"postfix owns a session cache elsewhere", func(t *testing.T, m *host.Fake) {
			uid := postfixUID(t)
			lab.Write(t, m.Root, "/var/cache/tls/smtp.db", "", 0o600)
			add(t, m, "main.cf", "lmtp_tls_session_cache_database = btree:/var/cache/tls/smtp\n")
			scene{owners: map[string][2]int{"/var/cache/tls": {uid, uid}, "/var/cache/tls/smtp.db": {uid, uid}}}.protect(t, m.Root)
		}, ""},
		{"a session cache in a folder of a stranger", func(t *testing.T, m *host.Fake) {
			add(t, m, "main.cf", "lmtp_tls_session_cache_database = btree:/var/cache/tls/smtp\n")
			if err := os.MkdirAll(filepath.Join(m.Root, "/var/cache/tls"), 0o755); err != nil {
				t.Fatal(err)
			}
			scene{owners: map[string][2]int{"/var/cache/tls": {wwwData, wwwData}}}.protect(t, m.Root)
		}, "PS-CFG-021: /var/cache/tls is owned by www-data: use a path in $data_directory; it leads to /var/cache/tls/smtp"},
		{"the group of postfix writes to its folder", func(t *testing.T, m *host.Fake) {
			uid := postfixUID(t)
			lab.Write(t, m.Root, "/etc/passwd", "root:x:0:0::/root:/bin/sh\npostfix:x:"+strconv.Itoa(uid)+":120::/:/bin/false\n", 0o644)
			scene{owners: map[string][2]int{"/var/lib/postfix": {uid, 120}}, modes: map[string]os.FileMode{"/var/lib/postfix": 0o770 | os.ModeSetgid}}.protect(t, m.Root)
		}, ""},
		{"networks in a file for all to write", func(t *testing.T, m *host.Fake) {
			lab.Write(t, m.Root, "/etc/nets", "", 0o644)
			add(t, m, "main.cf", "mynetworks = 127.0.0.0/8, !/etc/nets\n")
			scene{modes: map[string]os.FileMode{"/etc/nets": 0o646}}.protect(t, m.Root)
		}, "PS-CFG-021: /etc/nets is writable by every user"},
		{"a program of master.cf for all to write", func(t *testing.T, m *host.Fake) {
			lab.Write(t, m.Root, "/opt/lists/run", "", 0o755)
			add(t, m, "master.cf", "lists unix - n n - - pipe\n  flags=R user=nobody argv=/opt/lists/run ${sender}\n")
			scene{modes: map[string]os.FileMode{"/opt/lists/run": 0o777}}.protect(t, m.Root)
		}, "PS-CFG-019: /opt/lists/run is writable by every user"},
		{"a program of the account as which it runs", func(t *testing.T, m *host.Fake) {
			lab.Write(t, m.Root, "/opt/lists/run", "", 0o755)
			add(t, m, "master.cf", "lists unix - n n - - pipe\n  flags=R user=www-data:nogroup argv=/opt/lists/run ${sender}\n")
			scene{owners: map[string][2]int{"/opt/lists/run": {wwwData, wwwData}}}.protect(t, m.Root)
		}, ""},
		{"DH parameters of a stranger", func(t *testing.T, m *host.Fake) {
			lab.Write(t, m.Root, "/etc/dh.pem", "", 0o644)
			add(t, m, "main.cf", "smtpd_tls_dh1024_param_file = /etc/dh.pem\nsmtpd_tls_dh512_param_file = auto\n")
			scene{owners: map[string][2]int{"/etc/dh.pem": {wwwData, wwwData}}}.protect(t, m.Root)
		}, "PS-CRT-022: /etc/dh.pem is owned by www-data"},
		{"a trust anchor of a stranger", func(t *testing.T, m *host.Fake) {
			lab.Write(t, m.Root, "/etc/anchor.pem", "", 0o644)
			add(t, m, "main.cf", "smtp_tls_trust_anchor_file = /etc/anchor.pem\n")
			scene{owners: map[string][2]int{"/etc/anchor.pem": {wwwData, wwwData}}}.protect(t, m.Root)
		}, "PS-CRT-022: /etc/anchor.pem is owned by www-data"},
		{"the group of root has members", func(t *testing.T, m *host.Fake) {
			lab.Write(t, m.Root, "/etc/group", "root:x:0:root\nssl-cert:x:33:\n", 0o644)
			lab.Write(t, m.Root, "/etc/passwd", "root:x:0:0::/root:/bin/sh\nsync:x:5:0::/sbin:/bin/sync\n", 0o644)
			scene{modes: map[string]os.FileMode{key: 0o640}, owners: map[string][2]int{key: {0, 0}, "/etc/ssl/private": {0, 0}}}.protect(t, m.Root)
		}, ""},
		{"postfix owns a key among its caches", func(t *testing.T, m *host.Fake) {
			uid := postfixUID(t)
			lab.Write(t, m.Root, "/var/lib/postfix/key.pem", readFile(t, m, key), 0o600)
			lab.Write(t, m.Root, "/etc/postfix/main.cf", strings.ReplaceAll(readFile(t, m, "/etc/postfix/main.cf"), key, "/var/lib/postfix/key.pem"), 0o644)
			scene{owners: map[string][2]int{"/var/lib/postfix/key.pem": {uid, uid}}}.protect(t, m.Root)
		}, "PS-CRT-022: /var/lib/postfix is owned by postfix: move the file to a directory that root owns; it leads to /var/lib/postfix/key.pem\nPS-CRT-022: /var/lib/postfix/key.pem is owned by postfix"},
		{"where the link leads", func(t *testing.T, m *host.Fake) {
			scene{modes: map[string]os.FileMode{"/srv/postfix": 0o777}}.protect(t, m.Root)
		}, "PS-CFG-019: /srv/postfix is writable by every user; it leads to /etc/postfix/main.cf"},
		{"certbot's folders opened", func(t *testing.T, m *host.Fake) {
			scene{modes: map[string]os.FileMode{"/etc/letsencrypt/archive": 0o755, "/etc/letsencrypt/archive/mx/privkey1.pem": 0o644}}.protect(t, m.Root)
		}, "PS-CRT-021: every user can read the private key in /etc/letsencrypt/live/mx/privkey.pem"},
	} {
		t.Run(x.name, func(t *testing.T) {
			m := usual(t)
			open(t, filepath.Dir(m.Root))
			x.spoil(t, m)
			f, err := detect.Look(context.Background(), host.ReadOnly{Reader: m}, "/etc/postfix", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, found := range onPermissions(f) {
				for _, h := range found.Hits {
					got = append(got, found.ID+": "+h.Detail)
				}
			}
			if strings.Join(got, "\n") != x.want {
				t.Errorf("%q, want %q", got, x.want)
			}
		})
	}
}

// TestRemedyOfCache: Postfix gets back the cache that it writes as mail_owner.
func TestRemedyOfCache(t *testing.T) {
	m := usual(t)
	open(t, filepath.Dir(m.Root))
	lab.Write(t, m.Root, "/etc/cache.db", "", 0o600)
	add(t, m, "main.cf", "lmtp_tls_session_cache_database = btree:/etc/cache\n")
	scene{owners: map[string][2]int{"/etc/cache.db": {wwwData, wwwData}}}.protect(t, m.Root)
	f, err := detect.Look(context.Background(), host.ReadOnly{Reader: m}, "/etc/postfix", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = "chown -h postfix /etc/cache.db"
	if found := onPermissions(f); len(found) != 1 || len(found[0].Hits) != 1 || found[0].Hits[0].Remedy != want {
		t.Errorf("%+v, want %s", found, want)
	}
}

// add appends text to a file of the configuration.
func add(t *testing.T, m *host.Fake, file, text string) {
	t.Helper()
	lab.Write(t, m.Root, "/srv/postfix/"+file, readFile(t, m, "/srv/postfix/"+file)+text, 0o644)
}

// grant gives a file an access control list of one entry beside those of its owner, its
// group and everyone (linux/posix_acl_xattr.h).
func grant(t *testing.T, m *host.Fake, path string, owner uint16, g host.Grant) {
	t.Helper()
	st, err := m.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	list := binary.LittleEndian.AppendUint32(nil, 2)
	entry := func(tag, perm uint16, id uint32) {
		list = binary.LittleEndian.AppendUint16(list, tag)
		list = binary.LittleEndian.AppendUint16(list, perm)
		list = binary.LittleEndian.AppendUint32(list, id)
	}
	const none = ^uint32(0)
	entry(0x01, owner, none)
	if !g.Group {
		entry(0x02, uint16(g.Perm), uint32(g.ID))
	}
	entry(0x04, 0, none)
	if g.Group {
		entry(0x08, uint16(g.Perm), uint32(g.ID))
	}
	entry(0x10, uint16(g.Perm), none)
	entry(0x20, uint16(st.Mode.Perm()&0o7), none)
	if err := unix.Setxattr(filepath.Join(m.Root, path), "system.posix_acl_access", list, 0); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, m *host.Fake, path string) string {
	t.Helper()
	data, err := m.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// shownTo is a machine as host.Local shows it to a user: what that user owns is left out.
type shownTo struct {
	*host.Fake
	uid int
}

func (s shownTo) UID() int { return s.uid }

func (s shownTo) Exposed(path string) ([]host.Exposure, error) {
	all, err := s.Fake.Exposed(path)
	return slices.DeleteFunc(all, func(e host.Exposure) bool {
		return e.UID == s.uid && e.Kind == host.OwnedByOther || e.GID == s.uid && e.Kind == host.GroupWritable
	}), err
}

// TestVerdictForEveryUser: what the account that runs the audit can change is found as
// what any other account can.
func TestVerdictForEveryUser(t *testing.T) {
	for name, spoil := range map[string]scene{
		"main.cf":          {owners: map[string][2]int{"/srv/postfix/main.cf": {wwwData, wwwData}}},
		"a folder":         {owners: map[string][2]int{"/srv/postfix": {wwwData, wwwData}}},
		"its group writes": {owners: map[string][2]int{"/srv/postfix": {0, wwwData}}, modes: map[string]os.FileMode{"/srv/postfix": 0o775}},
	} {
		m := usual(t)
		open(t, filepath.Dir(m.Root))
		lab.Write(t, m.Root, "/etc/passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n", 0o644)
		lab.Write(t, m.Root, "/etc/group", "root:x:0:\nwww-data:x:33:\n", 0o644)
		spoil.protect(t, m.Root)
		var got []string
		for _, uid := range []int{0, wwwData} {
			f, err := detect.Look(context.Background(), host.ReadOnly{Reader: shownTo{m, uid}}, "/etc/postfix", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			about := ""
			for _, a := range f.Access {
				if a.Held == detect.HoldsConfiguration {
					for _, w := range a.Weaknesses {
						about += a.Path + ": " + w.Text + "\n"
					}
				}
			}
			got = append(got, about)
		}
		if got[0] == "" || got[0] != got[1] {
			t.Errorf("%s: for root\n%sfor www-data\n%s", name, got[0], got[1])
		}
	}
}

// TestPermissionsUnseen: what this user may not see is not said to have been looked for.
func TestPermissionsUnseen(t *testing.T) {
	f := look(t, scene{main: good, master: router + sender, change: well})
	for i := range f.Access {
		f.Access[i].Err = os.ErrPermission
	}
	c := Audit(&Evidence{Facts: f})
	for _, id := range []string{"PS-CFG-019", "PS-CRT-021", "PS-CRT-022"} {
		if !slices.ContainsFunc(c.Idle, func(r Rule) bool { return r.ID == id }) {
			t.Errorf("%s was looked for", id)
		}
	}
}
