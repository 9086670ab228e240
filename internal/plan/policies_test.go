package plan_test

import (
	"strings"
	"testing"

	"postseal/internal/ask"
	"postseal/internal/interview"
	"postseal/internal/lab"
	"postseal/internal/plan"
)

// TestPolicyMaps: the table that is kept here comes after the administrator's own, a second
// run changes nothing, and to leave it out is a risk with a name.
func TestPolicyMaps(t *testing.T) {
	const table = "hash:/etc/postseal/tls_policy"
	const own = "inline:{ { a.test = may } }, hash:/etc/postfix/own"
	for name, x := range map[string]struct {
		main, table, answer string
		want                string // the value afterwards
		risk                bool
	}{
		"alone":          {"", table, "evidence", table, false},
		"after others":   {"smtp_tls_policy_maps = " + own + "\n", table, "evidence", own + ", " + table, false},
		"already":        {"smtp_tls_policy_maps = " + own + ", " + table + "\n", table, "", own + ", " + table, false},
		"not asked for":  {"smtp_tls_policy_maps = " + own + "\n", table, "", own, false},
		"not built":      {"smtp_tls_policy_maps = " + own + "\n", "", "", own, false},
		"left out":       {"smtp_tls_policy_maps = " + own + ", " + table + "\n", table, "none", own, true},
		"left out alone": {"smtp_tls_policy_maps = " + table + "\n", table, "none", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				m := lab.Machine(t, "3.7.11", tree(t, "myhostname = mx.example.org\n"+x.main, "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n"))
				f, a := look(t, m, "role=sender")
				f.PolicyTable = x.table
				if x.answer != "" {
					q, _ := interview.All.Lookup("policy")
					if err := q.Set(a, []string{x.answer}, ask.Flag); err != nil {
						t.Fatal(err)
					}
				}
				p, err := plan.Build(f, a, options)
				if err != nil {
					t.Fatal(err)
				}
				risk := len(p.Unaccepted(nil)) > 0 && strings.Contains(p.Risks[0].Name, plan.RiskDropPolicies)
				text := after(p, plan.MainCF)
				if text == "" { // nothing changes
					text = f.Config.Main.String()
				}
				if x.want == "" && strings.Contains(text, "smtp_tls_policy_maps") || x.want != "" && !strings.Contains(text, "smtp_tls_policy_maps = "+x.want+"\n") || risk != x.risk {
					t.Fatalf("risk %v:\n%s", p.Risks, text)
				}
				x.main, x.answer, x.risk = strings.TrimPrefix(text, "myhostname = mx.example.org\n"), "", false
				if x.want == own {
					break
				}
			}
		})
	}
	m := lab.Machine(t, "3.7.11", tree(t, "myhostname = mx.example.org\nsmtp_tls_per_site = hash:/etc/postfix/sites\n", "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n"))
	f, a := look(t, m, "role=sender", "policy=evidence")
	f.PolicyTable = table
	if err := interview.All.Verify(f, a); err == nil || !strings.Contains(err.Error(), "smtp_tls_per_site") {
		t.Errorf("%v", err)
	}
}
