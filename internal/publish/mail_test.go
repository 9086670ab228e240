package publish

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postseal/internal/domain"
	"postseal/internal/resolve"
)

// view is what name servers answer: one string of records for each, separated by "|".
func view(servers ...string) (v resolve.View) {
	for i, text := range servers {
		s := resolve.Server{Name: fmt.Sprintf("ns%d.test", i+1), Answer: resolve.Absent{}}
		switch {
		case text == "timeout":
			s.Answer = resolve.Unknown{Reason: resolve.Timeout, Text: "it did not answer in time"}
		case text != "":
			s.Answer = resolve.Records{Values: strings.Split(text, "|")}
		}
		v.Servers = append(v.Servers, s)
	}
	return v
}

// TestMailSteps: a domain goes from nothing to an enforced policy in an order in which no
// record promises what is not served, and nothing is done where something is unknown.
func TestMailSteps(t *testing.T) {
	now := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	const rua, sts = `"v=TLSRPTv1; rua=mailto:x@a.test"`, `"v=STSv1; id=20261120000000;"`
	policy := func(mode string, mx ...string) *domain.Policy {
		return &domain.Policy{Mode: mode, MaxAge: 604800, MX: mx}
	}
	for name, c := range map[string]struct {
		sts, reports resolve.View
		policy       *domain.Policy
		unseen       bool
		want         []string
		wrong        string
	}{
		"nothing": {view("", ""), view("", ""), nil, false, []string{
			`add TXT "v=TLSRPTv1; rua=mailto:postmaster@a.test" due`, "serve testing due", `add TXT "v=STSv1; id=20261201100000;"`}, ""},
		"other TXT records": {view(`"v=spf1 -all"`), view(rua), nil, false, []string{"serve testing due", `add TXT "v=STSv1; id=20261201100000;"`}, ""},
		"served":            {view(""), view(rua), policy("testing", "mx1.test", "*.a.test"), false, []string{`add TXT "v=STSv1; id=20261201100000;" due`}, ""},
		"testing": {view(sts), view(rua), policy("testing", "mx1.test", "mx2.a.test"), false, []string{
			"serve enforce not before 2026-12-04", `remove TXT "v=STSv1; id=20261120000000;"`, `add TXT "v=STSv1; id=20261201100000;"`}, ""},
		"testing since nobody knows": {view(`"v=STSv1; id=1"`), view(rua), policy("testing", "mx1.test", "mx2.a.test"), false, []string{
			"serve enforce due", `remove TXT "v=STSv1; id=1"`, `add TXT "v=STSv1; id=20261201100000;"`}, ""},
		"enforced":                 {view(sts, sts), view(rua), policy("enforce", "mx1.test", "*.a.test"), false, nil, ""},
		"served, an MX is missing": {view(""), view(rua), policy("enforce", "mx1.test"), false, []string{"serve enforce due", `add TXT "v=STSv1; id=20261201100000;"`}, "does not list the mail server mx2.a.test"},
		"withdrawn":                {view(""), view(rua), policy("none"), false, nil, ""},
		"switched off":             {view(sts), view(rua), policy("none"), false, nil, ""},
		"an MX is missing":         {view(sts), view(rua), policy("enforce", "mx1.test"), false, []string{"serve enforce due", `remove TXT "v=STSv1; id=20261120000000;"`, `add TXT "v=STSv1; id=20261201100000;"`}, "does not list the mail server mx2.a.test"},
		"no policy":                {view(sts), view(rua), nil, false, []string{"serve testing due"}, ""},
		"policy not seen":          {view(sts), view(rua), nil, true, nil, ""},
		"two records":              {view(sts + "|" + `"v=STSv1; id=2"`), view(rua), policy("enforce", "mx1.test", "mx2.a.test"), false, []string{`remove TXT "v=STSv1; id=2" due`, `remove TXT "v=STSv1; id=20261120000000;" due`, `add TXT "v=STSv1; id=20261201100000;" due`}, "several TXT records"},
		"servers differ":           {view(sts, ""), view(rua), policy("enforce", "mx1.test", "mx2.a.test"), false, nil, "ns2.test differs"},
		"one is silent":            {view(sts, "timeout"), view(rua), policy("enforce", "mx1.test", "mx2.a.test"), false, nil, ""},
		"all are silent":           {view("timeout"), view("timeout"), nil, false, nil, "are unknown: ns1.test: it did not answer"},
		"two for reports":          {view(sts), view(rua + "|" + `"v=TLSRPTv1; rua=mailto:y@a.test"`), policy("enforce", "mx1.test", "mx2.a.test"), false, []string{`remove TXT "v=TLSRPTv1; rua=mailto:y@a.test" due`}, "several TXT records"},
		"broken report":            {view(sts), view(`"v=TLSRPTv1; rua=x@a.test"`), policy("enforce", "mx1.test", "mx2.a.test"), false, []string{`remove TXT "v=TLSRPTv1; rua=x@a.test" due`, `add TXT "v=TLSRPTv1; rua=mailto:postmaster@a.test" due`}, "is not a mailto"},
	} {
		in := Mail{Name: "a.test", MX: []string{"mx2.a.test", "mx1.test"}, STS: c.sts, Reports: c.reports, Policy: c.policy, Unseen: c.unseen, ReportTo: "postmaster@a.test", Now: now}
		var got []string
		for _, s := range in.Steps() {
			text := string(s.Action) + " " + s.Type + " " + s.Record
			if s.Action == Serve {
				p, err := domain.ParsePolicy(s.Record)
				if err != nil || !p.Names("mx1.test") || !p.Names("mx2.a.test") {
					t.Errorf("%s: %v\n%s", name, err, s.Record)
					continue
				}
				text = "serve " + p.Mode
			}
			if s.Due {
				text += " due"
			} else if !s.NotBefore.IsZero() {
				text += " not before " + s.NotBefore.Format(time.DateOnly)
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (want -, got +)\n%s", name, diff)
		}
		var wrong []string
		for _, f := range in.Findings() {
			wrong = append(wrong, f.Text)
		}
		if text := strings.Join(wrong, "\n"); c.wrong == "" && text != "" || !strings.Contains(text, c.wrong) {
			t.Errorf("%s: findings %q", name, wrong)
		}
	}
}
