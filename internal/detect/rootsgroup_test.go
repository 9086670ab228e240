package detect_test

import (
	"testing"

	"postseal/internal/detect"
	"postseal/internal/host"
	"postseal/internal/lab"
)

// crowdedRoot is a machine on which the group of root has members, as on RHEL, and can
// write everywhere.
type crowdedRoot struct{ *host.Fake }

func (crowdedRoot) Exposed(path string) ([]host.Exposure, error) {
	return []host.Exposure{{Path: path, Kind: host.GroupWritable, Mode: 0o664}}, nil
}

// TestRootsGroup: what root's own group can do, no other account can.
func TestRootsGroup(t *testing.T) {
	leaf := lab.NewCA(t).Issue(t, lab.Leaf{})
	f := look(t, crowdedRoot{lab.Machine(t, "3.7.11", map[string]string{"main.cf": named + "smtpd_tls_chain_files = /c/mx.pem\n", "master.cf": smtp, "/c/mx.pem": leaf.Key + leaf.Cert})})
	for _, a := range f.Access {
		for _, w := range a.Weaknesses {
			if w.Kind == detect.GroupWrites {
				t.Errorf("%+v", w)
			}
		}
	}
	if c := f.Certificates; len(f.Access) == 0 || len(c) != 1 || len(c[0].Exposed) > 0 {
		t.Errorf("%+v", c)
	}
}
