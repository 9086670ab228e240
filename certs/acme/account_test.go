package acme_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"postseal/certs/acme"
	"postseal/internal/hint"
	"postseal/internal/lab/pebble"
)

// TestAccount: an account is stored and found again, by its data or by its key
// alone; nothing that prints it shows the key.
func TestAccount(t *testing.T) {
	t.Parallel()
	p := pebble.New(t, pebble.Options{})
	c, a := stranger(t, p)
	if err := c.Register(context.Background(), false, nil); err == nil || hint.Of(err) == "" {
		t.Errorf("terms not accepted: %v", err)
	}
	if err := c.Register(context.Background(), true, nil); err != nil {
		t.Fatal(err)
	}
	key, err := a.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(key)
	shown := fmt.Sprintf("%v %+v %#v %s %v %+v %#v %s", a, a, a, a, *a, *a, *a, data)
	for _, part := range []string{"PRIVATE", base64.StdEncoding.EncodeToString(block.Bytes)[20:60], "ecdsa.PrivateKey", "D:"} {
		if strings.Contains(shown, part) {
			t.Errorf("%q is shown in %s", part, shown)
		}
	}
	for name, stored := range map[string][]byte{"with data": data, "by key alone": nil} {
		b, err := acme.LoadAccount(key, stored)
		if err != nil {
			t.Fatal(err)
		}
		c, err := acme.New(acme.Options{Directory: p.Directory, Roots: p.Roots, Account: b})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Register(context.Background(), true, nil); err != nil || b.URL != a.URL {
			t.Errorf("%s: %v, %s is not %s", name, err, b.URL, a.URL)
		}
	}
	for name, bad := range map[string][]byte{"nothing": nil, "garbage": []byte("x"), "another block": []byte("-----BEGIN X-----\nAAAA\n-----END X-----\n")} {
		if _, err := acme.LoadAccount(bad, nil); err == nil {
			t.Errorf("%s was taken for a key", name)
		}
	}
}

// TestEAB: a CA that wants an account of its own says so, and takes the right one.
func TestEAB(t *testing.T) {
	t.Parallel()
	mac := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	p := pebble.New(t, pebble.Options{EAB: map[string]string{"kid-1": mac}})
	for _, c := range []struct {
		name string
		eab  *acme.EAB
		ok   bool
		says string
	}{
		{"none", nil, false, "externalAccountRequired"},
		{"wrong key", &acme.EAB{KID: "kid-1", HMAC: base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{8}, 32))}, false, ""},
		{"wrong ID", &acme.EAB{KID: "kid-2", HMAC: mac}, false, ""},
		{"not base64url", &acme.EAB{KID: "kid-1", HMAC: "a b"}, false, "base64url"},
		{"right", &acme.EAB{KID: "kid-1", HMAC: mac}, true, ""},
		{"right, with padding and a newline", &acme.EAB{KID: "kid-1", HMAC: mac + "=\n"}, true, ""},
	} {
		client, _ := stranger(t, p)
		err := client.Register(context.Background(), true, c.eab)
		if (err == nil) != c.ok || err != nil && (!strings.Contains(err.Error(), c.says) || hint.Of(err) == "" && c.says != "") {
			t.Errorf("%s: %v (%s)", c.name, err, hint.Of(err))
		}
		if err != nil && c.eab != nil && strings.Contains(err.Error(), c.eab.HMAC) {
			t.Errorf("%s: the secret is in %v", c.name, err)
		}
	}
	client, _ := stranger(t, p)
	if m, err := client.Meta(context.Background()); err != nil || !m.EAB || m.Terms == "" || m.RenewalInfo == "" || len(m.CAA) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
}
