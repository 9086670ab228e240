package main

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"postseal/cmd/cli"
	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lineage"
	"postseal/internal/session"
)

// enabled is a machine on which systemctl answers so.
type enabled struct {
	host.Machine
	out host.Output
	err error
}

func (e enabled) Run(_ context.Context, name string, args ...string) (host.Output, error) {
	if name != "systemctl" || strings.Join(args, " ") != "is-enabled postseal-renew.timer" {
		return host.Output{}, errors.New("another program")
	}
	return e.out, e.err
}

// TestSayObtained: what must still be typed is said, and nothing else is.
func TestSayObtained(t *testing.T) {
	const enable, cron, send = "systemctl enable --now postseal-renew.timer", "run postseal cert renew twice a day", "postseal apply --client-cert /c/ecdsa.pem"
	usual := session.Settings{ConfigDir: "/etc/postfix", StateDir: session.DefaultStateDir, CertsDir: "/etc/postseal/certs"}
	other := session.Settings{ConfigDir: "/etc/postfix-out", StateDir: "/var/lib/out", CertsDir: "/etc/postseal/certs"}
	const folders = " --config-dir /etc/postfix-out --state-dir /var/lib/out"
	for name, c := range map[string]struct {
		machine   enabled
		both      bool
		settings  session.Settings
		want, not []string
	}{
		"enabled":         {enabled{out: host.Output{Stdout: "enabled\n"}}, false, usual, nil, []string{enable, cron, "enewed", send}},
		"not enabled":     {enabled{out: host.Output{Stdout: "disabled\n", Code: 1}}, false, usual, []string{enable}, []string{cron}},
		"not installed":   {enabled{out: host.Output{Stderr: "Failed to get unit file state\n", Code: 1}}, false, usual, []string{cron}, []string{enable}},
		"without systemd": {enabled{err: exec.ErrNotFound}, false, usual, []string{cron}, []string{enable}},
		"both uses":       {enabled{}, true, usual, []string{send}, []string{enable}},
		"other folders":   {enabled{}, true, other, []string{"postseal cert renew" + folders, "postseal apply" + folders + " --cert /c/ecdsa.pem", "postseal apply" + folders + " --client-cert /c/ecdsa.pem", "postseal-renew.service"}, []string{enable}},
	} {
		var out bytes.Buffer
		a := &app{Run: &cli.Run{Out: &out, Ctx: context.Background(), Machine: &host.Recorder{Machine: c.machine}}}
		a.sayObtained(&session.Session{Settings: c.settings, Facts: &detect.Facts{}}, &lineage.Lineage{BothUses: c.both}, []string{"/c/ecdsa.pem"})
		for _, text := range append(c.want, "Installed: /c/ecdsa.pem", " --cert /c/ecdsa.pem") {
			if !strings.Contains(out.String(), text) {
				t.Errorf("%s: %q is missing in\n%s", name, text, &out)
			}
		}
		for _, text := range c.not {
			if strings.Contains(out.String(), text) {
				t.Errorf("%s: %q is in\n%s", name, text, &out)
			}
		}
	}
}
