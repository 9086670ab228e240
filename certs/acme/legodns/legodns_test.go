package legodns_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-acme/lego/v4/challenge"
	"github.com/miekg/dns"

	"postseal/certs/acme"
	"postseal/certs/acme/legodns"
	"postseal/certs/dnsproviders"
	"postseal/internal/hint"
	"postseal/internal/lab/pebble"
)

const token = "hunter2-is-a-secret"

// secret is a file with the token in it.
func secret(t *testing.T, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// powerDNS is the part of PowerDNS's API that makes records, in front of a name
// server.
type powerDNS struct {
	dns *pebble.DNS
	mu  sync.Mutex
	txt map[string][]string
}

type rrset struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	ChangeType string `json:"changetype"`
	Records    []struct {
		Content string `json:"content"`
	} `json:"records"`
}

func (p *powerDNS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.Header.Get("X-API-Key") != token:
		http.Error(w, `{"error": "Unauthorized"}`, http.StatusUnauthorized)
	case r.URL.Path == "/api":
		fmt.Fprint(w, `[{"url": "/api/v1", "version": 1}]`)
	case r.Method == http.MethodPatch:
		var body struct {
			RRSets []rrset `json:"rrsets"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, s := range body.RRSets {
			p.dns.Remove(s.Name, dns.TypeTXT)
			p.txt[s.Name] = nil
			for _, x := range s.Records {
				p.txt[s.Name] = append(p.txt[s.Name], x.Content)
				p.dns.Add(s.Name + " 1 IN TXT " + x.Content)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut: // notify
	default:
		var sets []map[string]any
		for name, values := range p.txt {
			var records []map[string]any
			for _, v := range values {
				records = append(records, map[string]any{"content": v})
			}
			sets = append(sets, map[string]any{"name": name, "type": "TXT", "records": records})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"id": "mx.test.", "name": "mx.test.", "kind": "Master", "url": "/api/v1/servers/localhost/zones/mx.test.", "rrsets": sets})
	}
}

// request is lego's own protocol, for programs of one's own.
func request(server *pebble.DNS) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct{ FQDN, Value string }
		_, password, _ := r.BasicAuth()
		switch err := json.NewDecoder(r.Body).Decode(&body); {
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		case password != token:
			http.Error(w, "no", http.StatusUnauthorized)
		case r.URL.Path == "/present":
			server.Add(body.FQDN + " 1 IN TXT " + body.Value)
		default:
			server.Remove(body.FQDN, dns.TypeTXT)
		}
	}
}

func client(t *testing.T, p *pebble.Server) *acme.Client {
	t.Helper()
	a, err := acme.NewAccount(p.Directory, "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := acme.New(acme.Options{Directory: p.Directory, Roots: p.Roots, Account: a, Poll: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Register(context.Background(), true, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// bed is a CA, and two ways to change its zone.
func bed(t *testing.T) (ca *pebble.Server, pdns, other *httptest.Server) {
	t.Helper()
	ca = pebble.New(t, pebble.Options{})
	ca.DNS.Add("mx.test. 1 IN SOA ns.mx.test. h.mx.test. 1 1 1 1 1", "mx.test. 1 IN NS ns.mx.test.")
	pdns = httptest.NewServer(&powerDNS{dns: ca.DNS, txt: map[string][]string{}})
	other = httptest.NewServer(request(ca.DNS))
	t.Cleanup(pdns.Close)
	t.Cleanup(other.Close)
	return ca, pdns, other
}

// TestObtain: a certificate with a wildcard, by the library's providers; the
// records are gone afterwards, and so is what was in the environment.
func TestObtain(t *testing.T) {
	ca, pdns, other := bed(t)
	t.Setenv("PDNS_API_KEY", "the caller's own")
	for code, values := range map[string]map[string]string{
		"pdns":    {"PDNS_API_URL": pdns.URL},
		"httpreq": {"HTTPREQ_ENDPOINT": other.URL, "HTTPREQ_USERNAME": "me"},
	} {
		t.Run(code, func(t *testing.T) {
			files := map[string]string{map[string]string{"pdns": "PDNS_API_KEY", "httpreq": "HTTPREQ_PASSWORD"}[code]: secret(t, 0o600)}
			p, err := legodns.New(context.Background(), code, values, files)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{fmt.Sprintf("%v %+v %#v", p, p, p)} {
				if strings.Contains(text, token) {
					t.Errorf("it prints its secret: %s", text)
				}
			}
			if data, err := json.Marshal(p); err != nil || strings.Contains(string(data), token) {
				t.Errorf("%s, %v", data, err)
			}
			key, err := acme.NewKey("P256")
			if err != nil {
				t.Fatal(err)
			}
			solver := acme.DNS{Provider: p, Resolvers: []string{ca.DNS.Addr}, ResolversOnly: true, Timeout: 10 * time.Second, Interval: 50 * time.Millisecond}
			var said strings.Builder
			got, err := client(t, ca).Obtain(context.Background(), acme.Order{Names: []string{"*.mx.test", "mx.test"}, Key: key}, solver, func(e acme.Event) { fmt.Fprintln(&said, e.Phase, e.Name, e.Text, e.Err) })
			if err != nil {
				t.Fatal(err)
			}
			if names := got.Leaf().DNSNames; !slices.Contains(names, "*.mx.test") || !slices.Contains(names, "mx.test") {
				t.Errorf("names %q", names)
			}
			if n := ca.DNS.Count("_acme-challenge.mx.test.", dns.TypeTXT); n != 0 {
				t.Errorf("%d records stay", n)
			}
			if strings.Contains(said.String(), token) {
				t.Errorf("the secret is told:\n%s", said.String())
			}
		})
	}
	if os.Getenv("PDNS_API_KEY") != "the caller's own" || os.Getenv("PDNS_API_URL") != "" || os.Getenv("HTTPREQ_PASSWORD_FILE") != "" {
		t.Error("the environment is not as it was")
	}
}

// TestRefused: a wrong token, values that are missing, wrong or public: an
// error that says what to do, and never the secret.
func TestRefused(t *testing.T) {
	ca, pdns, _ := bed(t)
	good := map[string]string{"PDNS_API_URL": pdns.URL}
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("wrong-"+token), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		code          string
		values, files map[string]string
		want          string
	}{
		"unknown":           {"nobody", nil, nil, "unknown DNS provider"},
		"nothing given":     {"cloudflare", nil, nil, "credentials information are missing"},
		"a field of others": {"pdns", map[string]string{"CF_API_EMAIL": "x"}, nil, "has no field"},
		"secret as a value": {"pdns", map[string]string{"PDNS_API_KEY": token}, nil, "is a secret"},
		"file that is read": {"pdns", good, map[string]string{"PDNS_API_KEY": secret(t, 0o644)}, "others can read the secret"},
		"empty file":        {"pdns", good, map[string]string{"PDNS_API_KEY": empty}, "is empty"},
		"no such file":      {"pdns", good, map[string]string{"PDNS_API_KEY": "/nowhere"}, "does not exist"},
		"no address":        {"pdns", map[string]string{"PDNS_API_URL": "::"}, map[string]string{"PDNS_API_KEY": secret(t, 0o600)}, "PowerDNS"},
	} {
		_, err := legodns.New(context.Background(), c.code, c.values, c.files)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, e := range hint.All(err) {
			if h := hint.Of(e); h == "" || strings.Contains(h, token) {
				t.Errorf("%s: hint %q", name, h)
			}
		}
	}
	p, err := legodns.New(context.Background(), "pdns", good, map[string]string{"PDNS_API_KEY": wrong})
	if err != nil {
		t.Fatal(err) // that it is wrong shows when it is used
	}
	key, err := acme.NewKey("P256")
	if err != nil {
		t.Fatal(err)
	}
	_, err = client(t, ca).Obtain(context.Background(), acme.Order{Names: []string{"mx.test"}, Key: key}, acme.DNS{Provider: p, Resolvers: []string{ca.DNS.Addr}, ResolversOnly: true, Timeout: 3 * time.Second}, nil)
	if err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), token) {
		t.Errorf("%v", err)
	}
}

// TestHangs: a provider that does not answer is left to itself when the order
// is cancelled.
func TestHangs(t *testing.T) {
	ca := pebble.New(t, pebble.Options{})
	ca.DNS.Add("mx.test. 1 IN SOA ns.mx.test. h.mx.test. 1 1 1 1 1", "mx.test. 1 IN NS ns.mx.test.")
	asked, stop := make(chan struct{}, 10), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-stop }))
	defer server.Close()
	defer close(stop)
	p, err := legodns.New(context.Background(), "httpreq", map[string]string{"HTTPREQ_ENDPOINT": server.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := acme.NewKey("P256")
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, ca)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := c.Obtain(ctx, acme.Order{Names: []string{"mx.test"}, Key: key}, acme.DNS{Provider: p, Resolvers: []string{ca.DNS.Addr}, ResolversOnly: true, Timeout: time.Minute}, nil)
		done <- err
	}()
	select {
	case <-asked:
	case err := <-done:
		t.Fatal(err)
	case <-time.After(10 * time.Second):
		t.Fatal("the provider was not asked")
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	case <-time.After(4 * time.Second):
		t.Error("it does not end")
	}
}

// TestAllCanBeMade: each provider of the table has a constructor, which fails
// in words when nothing is given, and neither panics nor hangs.
func TestAllCanBeMade(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, p := range dnsproviders.All() {
		_, err := legodns.New(ctx, p.Code, nil, nil)
		if err != nil && (strings.Contains(err.Error(), "unknown DNS provider") || strings.Contains(err.Error(), "rejected these values")) {
			t.Errorf("%s: %v", p.Code, err)
		}
	}
}

// TestErrorsHideSecrets: APIs that want the token in the URL, and values that
// the library cannot read, are in its errors; the secrets are not.
func TestErrorsHideSecrets(t *testing.T) {
	ca, _, _ := bed(t)
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		t.Fatal("another default transport")
	}
	dial, proxy := transport.DialContext, transport.Proxy
	t.Cleanup(func() { transport.DialContext, transport.Proxy = dial, proxy })
	transport.Proxy = nil
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no way out") }
	key, err := acme.NewKey("P256")
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, ca)
	for code, files := range map[string][]string{
		"duckdns": {"DUCKDNS_TOKEN"}, "ddnss": {"DDNSS_KEY"}, "dode": {"DODE_TOKEN"}, "dreamhost": {"DREAMHOST_API_KEY"}, "epik": {"EPIK_SIGNATURE"}, "cloudns": {"CLOUDNS_AUTH_ID", "CLOUDNS_AUTH_PASSWORD"},
		"hurricane": {"HURRICANE_TOKENS"}, "syse": {"SYSE_CREDENTIALS"}, "dnshomede": {"DNSHOMEDE_CREDENTIALS"}, "myaddr": {"MYADDR_PRIVATE_KEYS_MAPPING"},
	} {
		given := map[string]string{}
		for _, name := range files {
			given[name] = secret(t, 0o600)
		}
		p, err := legodns.New(context.Background(), code, nil, given)
		if err == nil {
			_, err = c.Obtain(context.Background(), acme.Order{Names: []string{"mx.test"}, Key: key}, acme.DNS{Provider: p, Resolvers: []string{ca.DNS.Addr}, ResolversOnly: true, Timeout: 3 * time.Second}, func(e acme.Event) {
				if e.Err != nil && strings.Contains(e.Err.Error(), token) {
					t.Errorf("%s: event %v", code, e.Err)
				}
			})
		}
		if err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "[secret]") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// TestCallersEnvironment: what our caller has in his environment is not taken
// for what was answered, by no name, and is there again afterwards.
func TestCallersEnvironment(t *testing.T) {
	theirs := map[string]string{"CLOUDFLARE_DNS_API_TOKEN": "x", "CLOUDFLARE_EMAIL": "x", "CLOUDFLARE_API_KEY": "x", "CF_DNS_API_TOKEN_FILE": "/x", "CLOUDFLARE_PROPAGATION_TIMEOUT": "86400", "LEGO_DEBUG_DNS_API_HTTP_CLIENT": "true"}
	for name, value := range theirs {
		t.Setenv(name, value)
	}
	if _, err := legodns.New(context.Background(), "cloudflare", nil, nil); err == nil || !strings.Contains(err.Error(), "CLOUDFLARE_EMAIL,CLOUDFLARE_API_KEY") && !strings.Contains(err.Error(), "CF_API_EMAIL") {
		t.Errorf("made of an environment: %v", err)
	}
	p, err := legodns.New(context.Background(), "cloudflare", nil, map[string]string{"CF_DNS_API_TOKEN": secret(t, 0o600)})
	if err != nil {
		t.Fatal(err)
	}
	if timeout, _ := p.Provider.(challenge.ProviderTimeout).Timeout(); timeout > time.Hour {
		t.Errorf("it waits for %s", timeout)
	}
	for name, value := range theirs {
		if os.Getenv(name) != value {
			t.Errorf("%s is now %q", name, os.Getenv(name))
		}
	}
}

// TestPaths: where the library wants a path, it gets the path, and not what is
// in the file.
func TestPaths(t *testing.T) {
	for code, name := range map[string]string{"hyperone": "HYPERONE_PASSPORT_LOCATION", "transip": "TRANSIP_PRIVATE_KEY_PATH"} {
		values := map[string]string{}
		if code == "transip" {
			values["TRANSIP_ACCOUNT_NAME"] = "me"
		}
		_, err := legodns.New(context.Background(), code, values, map[string]string{name: secret(t, 0o600)})
		if err != nil && (strings.Contains(err.Error(), "no such file") || strings.Contains(err.Error(), "missing") || strings.Contains(err.Error(), "[secret]")) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// TestLate: a record that comes when the order was cancelled already is told
// of, and taken away as soon as it is there.
func TestLate(t *testing.T) {
	ca, _, _ := bed(t)
	asked, answer := make(chan struct{}, 1), request(ca.DNS)
	removed := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/present" {
			asked <- struct{}{}
			time.Sleep(4 * time.Second)
		}
		answer(w, r)
		if r.URL.Path == "/cleanup" {
			close(removed)
		}
	}))
	t.Cleanup(server.Close)
	p, err := legodns.New(context.Background(), "httpreq", map[string]string{"HTTPREQ_ENDPOINT": server.URL, "HTTPREQ_USERNAME": "me"}, map[string]string{"HTTPREQ_PASSWORD": secret(t, 0o600)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := acme.NewKey("P256")
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, ca)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { <-asked; cancel() }()
	_, err = c.Obtain(ctx, acme.Order{Names: []string{"mx.test"}, Key: key}, acme.DNS{Provider: p, Resolvers: []string{ca.DNS.Addr}, ResolversOnly: true, Timeout: time.Minute}, nil)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "mx.test could not be removed") || hint.Of(err) == "" {
		t.Errorf("%v", err)
	}
	select {
	case <-removed:
	case <-time.After(8 * time.Second):
		t.Error("it is not taken away")
	}
	if n := ca.DNS.Count("_acme-challenge.mx.test.", dns.TypeTXT); n != 0 {
		t.Errorf("%d records stay", n)
	}
}
