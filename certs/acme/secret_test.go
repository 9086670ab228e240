package acme_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"postseal/certs/acme"
)

// TestSecrets: what holds a key or a password shows it in no way of printing.
func TestSecrets(t *testing.T) {
	t.Parallel()
	const word = "S3CR3T"
	a, err := acme.NewAccount("https://ca.test/", "")
	if err != nil {
		t.Fatal(err)
	}
	keyPEM, err := a.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(keyPEM)
	update := acme.RFC2136{Server: "ns.test", Secret: word}
	order := acme.Order{Names: names(), Key: newKey(t)}
	issued := acme.Issued{}
	issued.Key = order.Key
	var hidden acme.Secrets
	hidden.Add(word)
	c, err := acme.New(acme.Options{Directory: "https://ca.test/", Account: a})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{a, *a, acme.EAB{KID: "k", HMAC: word}, &acme.EAB{HMAC: word}, update, &update, acme.DNS{Provider: update}, order, &order, issued, &issued, c, &hidden, &acme.Library{Secrets: &hidden}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			s := fmt.Sprintf(verb, v)
			if strings.Contains(s, word) || strings.Contains(s, fmt.Sprintf("%x", word)) || strings.Contains(s, base64.StdEncoding.EncodeToString(block.Bytes)[20:60]) || len(s) > 600 {
				t.Errorf("%s of %T: %.200s", verb, v, s)
			}
		}
		j, err := json.Marshal(v)
		if err != nil || strings.Contains(string(j), word) || strings.Contains(string(j), `"D"`) {
			t.Errorf("JSON of %T: %.200s, %v", v, j, err)
		}
	}
}

// TestHide: whatever way an error has to show a secret, it is taken out, and
// the rest stays.
func TestHide(t *testing.T) {
	t.Parallel()
	var s acme.Secrets
	s.Add("a b/c+d\"e\n")
	s.Add("mx.test:t0ken-1, other.test:t0ken-2")
	s.Add("x")
	for _, c := range []struct{ in, want string }{
		{`Get "https://api.test/?token=a+b%2Fc%2Bd%22e&x=1": refused`, `Get "https://api.test/?token=[secret]&x=1": refused`},
		{`Get "https://api.test/a%20b%2Fc+d%22e/zone"`, `Get "https://api.test/[secret]/zone"`},
		{`parse "a b/c+d\"e"`, `parse "[secret]"`},
		{"incorrect pair: mx.test:t0ken-1", "incorrect pair: [secret]"},
		{"id t0ken-2 of mx.test", "id [secret] of mx.test"},
		{"x stays", "x stays"},
	} {
		if got := s.Hide(errors.New(c.in)); got.Error() != c.want {
			t.Errorf("%s: %s", c.in, got)
		}
	}
	if s.Hide(nil) != nil || !errors.Is((*acme.Secrets)(nil).Hide(io.EOF), io.EOF) || !errors.Is(s.Hide(io.EOF), io.EOF) {
		t.Error("what shows nothing is not left as it is")
	}
}
