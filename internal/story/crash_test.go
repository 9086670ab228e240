package story

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// keyless TRACE KEYS...: what a crash has printed holds nothing of the private
// keys in these files, which are patterns of glob(7).
func cmdKeyless(ts *testscript.TestScript, _ bool, args []string) {
	m := current(ts).machine
	trace, err := os.ReadFile(m.Path(args[0]))
	ts.Check(err)
	for _, pattern := range args[1:] {
		paths, err := filepath.Glob(m.Path(pattern))
		ts.Check(err)
		if len(paths) == 0 {
			ts.Fatalf("there is no %s", pattern)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			ts.Check(err)
			if err := leak(string(trace), text); err != nil {
				ts.Fatalf("%s of %s", err, path)
			}
		}
	}
}

// leak says what part of a private key a text holds: as PEM, in base64, as bytes
// in hex, or as words of the machine, which is how Go prints arguments.
func leak(text string, keyPEM []byte) error {
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return fmt.Errorf("no key in PEM is the content")
	}
	secrets := [][]byte{}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		key, err = x509.ParseECPrivateKey(block.Bytes)
	}
	if err != nil {
		return err
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		d, err := k.Bytes()
		if err != nil {
			return err
		}
		secrets = append(secrets, d)
	case *rsa.PrivateKey:
		secrets = append(secrets, k.D.Bytes(), k.Primes[0].Bytes(), k.Primes[1].Bytes())
	default:
		return fmt.Errorf("a key of the kind %T is the content", key)
	}
	lower := strings.ToLower(text)
	for _, line := range strings.Split(base64.StdEncoding.EncodeToString(block.Bytes), "\n") {
		for i := 0; i+32 <= len(line); i += 16 {
			if part := line[i : i+32]; strings.Contains(text, part) || strings.Contains(text, strings.NewReplacer("+", "-", "/", "_").Replace(part)) {
				return fmt.Errorf("a part in base64")
			}
		}
	}
	for _, s := range secrets {
		for i := 0; i+8 <= len(s); i++ {
			w := s[i : i+8]
			for _, hexadecimal := range []string{hex.EncodeToString(w), word(w, false), word(w, true)} {
				if len(hexadecimal) >= 14 && strings.Contains(lower, hexadecimal) { // shorter ones are there by chance
					return fmt.Errorf("the bytes %d to %d", i, i+8)
				}
			}
		}
	}
	return nil
}

// word is eight bytes as Go prints a word: with the last of them first, if the
// machine is little-endian.
func word(b []byte, little bool) string {
	b = slices.Clone(b)
	if little {
		slices.Reverse(b)
	}
	return "0x" + strings.TrimLeft(hex.EncodeToString(b), "0")
}

// TestLeak: what would be a leak is one.
func TestLeak(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	d, p := key.D.Bytes(), key.Primes[1].Bytes()
	for name, trace := range map[string]string{
		"PEM":           strings.ReplaceAll(string(text), "\n", ""),
		"base64":        "x" + base64.RawURLEncoding.EncodeToString(der) + "x",
		"hex":           hex.EncodeToString(d[100:120]),
		"a word":        "main.sign(" + word(p[9:17], true) + ", 0xc000012340)",
		"large letters": strings.ToUpper(hex.EncodeToString(p)),
	} {
		if leak(trace, text) == nil {
			t.Errorf("%s is not seen", name)
		}
	}
	if err := leak("goroutine 1 [running]: main.sign(0xc000012340)", text); err != nil {
		t.Error(err)
	}
}
