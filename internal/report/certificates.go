package report

import (
	"errors"
	"io/fs"
	"strings"

	"postseal/certs"
	"postseal/internal/detect"
	"postseal/internal/host"
)

// Certificates judges each certificate of a server for what it is used for, in the order of
// the facts.
func Certificates(m host.Reader, f *detect.Facts) []Judged {
	want := certs.Want{Names: f.NeededNames(), TLSA: f.TLSA, Roots: f.Roots(), Now: f.Now}
	list := []Judged{}
	for _, c := range f.Certificates {
		j := Judged{Where: c.Chain, Role: role(c)}
		want.Client, want.Names = sentOnly(c), f.NamesFor(c)
		found, err := f.JudgeUse(c, want)
		if err != nil {
			j.Err, j.Unseen = err.Error(), errors.Is(err, fs.ErrPermission)
		}
		for i := range found {
			if found[i].Fingerprint == c.Fingerprint {
				j.Inspection = &found[i]
			}
		}
		if c.Err != nil {
			j.Err, j.Unseen, j.Inspection = c.Err.Error(), errors.Is(c.Err, fs.ErrPermission), nil
		}
		j.Access = f.CertificateAccess(m, c)
		list = append(list, j)
	}
	return list
}

// sentOnly reports whether a certificate is only sent with, or, if it is not in use,
// only good for that.
func sentOnly(c detect.Certificate) bool {
	return !c.Shown() && (c.Client || c.Err == nil && !c.ServerUse && c.ClientUse)
}

// role says in words what a certificate is used for.
func role(c detect.Certificate) string {
	var out []string
	if c.Server {
		out = append(out, "shown to senders")
	}
	if c.Client {
		out = append(out, "shown when sending")
	}
	if len(c.Services) > 0 {
		out = append(out, "of "+strings.Join(c.Services, " and "))
	}
	if len(c.SNI) > 0 {
		out = append(out, "shown to clients that ask for "+strings.Join(c.SNI, ", "))
	}
	if len(out) == 0 {
		out = append(out, "not in use")
	}
	switch {
	case c.Source != "":
		out = append(out, "a copy of what "+c.Owner+" renews in "+c.Source)
	case c.Owner != "":
		out = append(out, c.Owner+" renews it")
	}
	return strings.Join(out, ", ")
}
