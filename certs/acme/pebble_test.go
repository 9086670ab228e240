package acme_test

import (
	"context"
	"os"
	"postseal/certs/acme"
	"postseal/internal/lab/pebble"
	"testing"
	"time"
)

// TestMain names a file that is not there: the library panics over it, if it is let.
func TestMain(m *testing.M) {
	if err := os.Setenv("LEGO_CA_CERTIFICATES", "/nowhere.pem"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// registered is a client with a registered account.
func registered(t testing.TB, p *pebble.Server) (*acme.Client, *acme.Account) {
	t.Helper()
	c, a := stranger(t, p)
	if err := c.Register(context.Background(), true, nil); err != nil {
		t.Fatal(err)
	}
	return c, a
}

// stranger is a client whose account is not registered.
func stranger(t testing.TB, p *pebble.Server) (*acme.Client, *acme.Account) {
	t.Helper()
	a, err := acme.NewAccount(p.Directory, "postmaster@mx.test")
	if err != nil {
		t.Fatal(err)
	}
	c, err := acme.New(acme.Options{Directory: p.Directory, Roots: p.Roots, Account: a, Poll: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, a
}
