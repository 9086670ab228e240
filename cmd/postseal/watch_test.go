package main

import (
	"strings"
	"testing"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/session"
)

// TestTakeNewer: the command is about the instance that was looked at, and
// changes what stayed behind, and nothing else.
func TestTakeNewer(t *testing.T) {
	one := func(chain, algorithm string) detect.Certificate {
		return detect.Certificate{Chain: chain, Facts: certs.Facts{Algorithm: algorithm}}
	}
	ec, rsa, client := one("/c/ec.pem", "ECDSA"), one("/c/rsa.pem", "RSA"), one("/c/client.pem", "ECDSA")
	ec.Server, rsa.Server, client.Client = true, true, true
	renewed := one("/live/fullchain.pem", "ECDSA")
	renewed.Owner = "certbot"
	source := one("/etc/ssl/bought.pem", "ECDSA")
	for name, c := range map[string]struct {
		outdated []detect.Outdated
		want     string
	}{
		"one of a pair":        {[]detect.Outdated{{Shown: ec, Renewed: renewed}}, " --cert /live/fullchain.pem --cert /c/rsa.pem"},
		"sent with":            {[]detect.Outdated{{Shown: client, Renewed: renewed}}, " --client-cert /live/fullchain.pem"},
		"both":                 {[]detect.Outdated{{Shown: ec, Renewed: renewed}, {Shown: client, Renewed: renewed}}, " --cert /live/fullchain.pem --cert /c/rsa.pem --client-cert /live/fullchain.pem"},
		"made of a given file": {[]detect.Outdated{{Shown: ec, Renewed: source}}, ""},
	} {
		s := &session.Session{Settings: session.Settings{ConfigDir: "/etc/postfix-out", StateDir: "/var/lib/out", CertsDir: "/etc/postseal/certs"}, Facts: &detect.Facts{Certificates: []detect.Certificate{ec, rsa, client}}}
		if got, want := strings.Join(takeNewer(s, c.outdated), " "), "postseal apply --config-dir /etc/postfix-out --state-dir /var/lib/out"+c.want; got != want {
			t.Errorf("%s:\n%s\n%s", name, got, want)
		}
	}
}
