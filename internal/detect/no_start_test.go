package detect_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// TestNoStart: where the programs of the real Postfix die of main.cf, that is said, with
// the line, and no table type is said to be missing for it.
func TestNoStart(t *testing.T) {
	lab.Need(t, "postconf")
	const cache = "myhostname = mx.example.org\nsmtp_tls_session_cache_database = btree:${data_directory}/smtp_scache\nsmtp_tls_policy_maps = static:may\n"
	for _, x := range []struct{ name, main, parameter, text string }{
		{"sound", "", "", ""},
		{"an account that does not exist", "mail_owner = nosuch\n", "mail_owner", "unknown user name"},
		{"a group that does not exist", "setgid_group = nosuch\n", "setgid_group", "unknown group name"},
		{"a privileged account", "default_privs = root\n", "default_privs", "privileged user ID"},
		{"a file that does not exist", "myorigin = /nonexistent/mailname\n", "myorigin", "cannot open file"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			dir := lab.Dir(t)
			lab.Write(t, dir, "main.cf", cache+x.main, 0o644)
			lab.Write(t, dir, "master.cf", smtp, 0o644)
			f, err := detect.Look(context.Background(), host.ReadOnly{Reader: host.Local{}}, dir, filepath.Join(dir, "certs"), nil)
			if err != nil {
				t.Fatal(err)
			}
			var found []detect.Problem
			for _, p := range f.Problems {
				switch p.Kind {
				case detect.NoStart:
					found = append(found, p)
				case detect.NoCache, detect.NoTable:
					t.Errorf("%+v", p)
				}
			}
			if x.parameter == "" {
				if len(found) > 0 || !slices.Contains(f.MapTypes, "btree") {
					t.Errorf("%+v, %v", found, f.MapTypes)
				}
				return
			}
			if len(found) != 1 || found[0].Parameter != x.parameter || found[0].Origin.Line != 4 || !strings.Contains(found[0].Text, x.text) || f.MapTypes != nil {
				t.Errorf("%+v, %v", found, f.MapTypes)
			}
		})
	}
}
