package acme_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
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
	c, err := acme.New(acme.Options{Directory: "https://ca.test/", Account: a})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{a, *a, acme.EAB{KID: "k", HMAC: word}, &acme.EAB{HMAC: word}, update, &update, acme.DNS{Provider: update}, order, &order, issued, &issued, c} {
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
