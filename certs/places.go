package certs

import (
	"path/filepath"
	"strings"
	"time"
)

// Place is where some program keeps certificates.
type Place struct {
	// Owner is the program that renews what lies there, or empty.
	Owner string
	// Glob finds the chain files; the path that does not change at a renewal,
	// if there is one.
	Glob string
	// Key is the file of the private key, made from the path of the chain.
	Key func(chain string) string
}

// NextKey ends the name of a file with a key that is kept for later, in the
// folder of our own chain files.
const NextKey = ".next.pem"

// beside is a file in the folder of the chain.
func beside(name string) func(string) string {
	return func(chain string) string { return filepath.Join(filepath.Dir(chain), name) }
}

// dotKey is the chain's path with another ending.
func dotKey(chain string) string { return strings.TrimSuffix(chain, filepath.Ext(chain)) + ".key" }

// acmeSh has its key under the name of its folder, without "_ecc".
func acmeSh(chain string) string {
	dir := filepath.Dir(chain)
	return filepath.Join(dir, strings.TrimSuffix(filepath.Base(dir), "_ecc")+".key")
}

// postfixTLS: "postfix tls" writes cert-DATE.pem beside key-DATE.pem, with "ec"
// before both for ECDSA, and renews neither.
func postfixTLS(chain string) string {
	return filepath.Join(filepath.Dir(chain), strings.Replace(filepath.Base(chain), "cert-", "key-", 1))
}

func itself(chain string) string { return chain }

// Places are where certificates lie by the habits of well-known programs.
// ours is the folder of our own chain files.
func Places(ours string) []Place {
	return []Place{
		{"", filepath.Join(ours, "*", "*.pem"), itself},
		{"certbot", "/etc/letsencrypt/live/*/fullchain.pem", beside("privkey.pem")},
		{"dehydrated", "/var/lib/dehydrated/certs/*/fullchain.pem", beside("privkey.pem")},
		{"dehydrated", "/etc/dehydrated/certs/*/fullchain.pem", beside("privkey.pem")},
		{"acme.sh", "/root/.acme.sh/*/fullchain.cer", acmeSh},
		{"acme.sh", "/etc/acme.sh/*/fullchain.cer", acmeSh},
		{"lego", "/root/.lego/certificates/*.crt", dotKey},
		{"lego", "/etc/lego/certificates/*.crt", dotKey},
		{"lego", "/var/lib/lego/certificates/*.crt", dotKey},
		{"Caddy", "/var/lib/caddy/.local/share/caddy/certificates/*/*/*.crt", dotKey},
		{"acmetool", "/var/lib/acme/live/*/fullchain", beside("privkey")},
		{"step", "/etc/step/certs/*.crt", dotKey},
		{"step", "/root/.step/certs/*.crt", dotKey},
		{"", "/etc/postfix/cert-*.pem", postfixTLS},
		{"", "/etc/postfix/eccert-*.pem", postfixTLS},
		{"", "/etc/ssl/certs/ssl-cert-snakeoil.pem", func(string) string { return "/etc/ssl/private/ssl-cert-snakeoil.key" }},
	}
}

// LongLived is the least lifetime of a certificate that an administrator may renew by
// hand: one with a shorter life is renewed by a program.
const LongLived = 120 * 24 * time.Hour

// Renewer tells from a path which program renews a certificate there, if any.
func Renewer(path string) string {
	for _, p := range Places("") {
		// Everything below the fixed part of the pattern is that program's.
		fixed, _, _ := strings.Cut(p.Glob, "*")
		if p.Owner != "" && strings.HasPrefix(path, fixed[:strings.LastIndexByte(fixed, '/')+1]) {
			return p.Owner
		}
	}
	if strings.Contains(path, "/.acme.sh/") {
		return "acme.sh"
	}
	return ""
}

// Stable is the path under which the owner keeps the newest of the chain whose
// generation lies at path, or path itself: certbot's archive/NAME/fullchain3.pem
// is what live/NAME/fullchain.pem led to, and does not follow a renewal.
func Stable(path string) string {
	dir, base := filepath.Split(path)
	name, ok := strings.CutPrefix(filepath.Clean(dir), "/etc/letsencrypt/archive/")
	stem := strings.TrimRight(strings.TrimSuffix(base, ".pem"), "0123456789")
	if !ok || strings.Contains(name, "/") || stem != "fullchain" && stem != "cert" {
		return path
	}
	return filepath.Join("/etc/letsencrypt/live", name, "fullchain.pem")
}
