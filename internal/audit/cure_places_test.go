package audit

import (
	"strings"
	"testing"

	"postseal/internal/postfix"
)

// moved are the servers of a scene on which one parameter that a rule fires for stands in
// master.cf, as an override of each service that reads it, and no longer in main.cf.
func (s scene) moved(t *testing.T, r Rule) map[string]scene {
	t.Helper()
	out := map[string]scene{}
	f, _ := s.machine(t)
	for _, entry := range f.Config.Main.Entries() {
		p, known := postfix.Lookup(entry.Name)
		if entry.Bad != "" || !known || strings.Contains("\n"+good, "\n"+entry.Name+" = "+entry.Value+"\n") {
			continue
		}
		reads := func(program string) bool {
			switch prefix, _, _ := strings.Cut(p.Name, "_"); prefix {
			case "smtpd", "smtp", "lmtp", "tlsproxy", "postscreen":
				return program == prefix
			}
			return program == "smtpd" || program == "smtp"
		}
		master, any := f.Config.Master, false
		for _, one := range master.Services() {
			if _, own := one.Override(p.Name); own || !reads(one.Program()) || one.Bad != "" {
				continue
			}
			var err error
			if master, err = master.Set(one.Name, one.Type, p.Name, entry.Value); err != nil {
				t.Fatal(err)
			}
			any = true
		}
		if !any {
			continue
		}
		m := s
		m.main = lines(s.main, func(line string) bool { return !strings.HasPrefix(line, p.Name+" =") })
		moved := m
		moved.master = master.String()
		m.main += "\n" + lines(good, func(line string) bool { return strings.HasPrefix(line, p.Name+" =") })
		if e := m.evidence(t); r.Applies(e) && len(r.Find(e)) > 0 {
			continue // it fires without the parameter
		}
		out[p.Name] = moved
	}
	return out
}

// elsewhere are causes of which only a part was moved, and the cure is about the rest.
var elsewhere = map[string]bool{
	"PS-SND-004/smtp_dns_support_level": true, "PS-SND-032/smtp_tls_security_level": true, "PS-RCV-014/smtpd_tls_security_level": true,
	"PS-RCV-052/smtpd_tls_ask_ccert": true, "PS-RCV-052/smtpd_tls_CAfile": true,
	"PS-CRT-007/smtpd_tls_cert_file":       true, // its key is in main.cf
	"PS-RCV-003/smtpd_tls_exclude_ciphers": true, "PS-SUB-004/smtpd_tls_exclude_ciphers": true,
}

// TestCausesInMaster: where a service in master.cf has the cause, the finding and its cure
// say so, and the cure helps there.
func TestCausesInMaster(t *testing.T) {
	moved := 0
	for id, s := range scenes() {
		r := Rules[ruleAt(id)]
		for name, m := range s.moved(t, r) {
			e := m.evidence(t)
			hits := []Hit(nil)
			if r.Applies(e) {
				hits = r.Find(e)
			}
			if len(hits) == 0 {
				continue // the rule is about main.cf, which has nothing of it now
			}
			moved++
			if elsewhere[id+"/"+name] {
				continue
			}
			t.Run(id+"/"+name, func(t *testing.T) {
				t.Parallel()
				c := e.placed(e.here(r.Cure), hits)

				if !strings.Contains(c.Text, "master.cf") {
					t.Errorf("the cure %q does not say that the cause is in master.cf", c.Text)
				}
				if _, other := beyond[id]; other || !c.done() {
					return
				}
				after := m.cured(t, c, hits)
				if strings.Contains(c.Text, "which changes") && after.Config.Master.String() == m.master {
					t.Errorf("%q, and master.cf is as before", c.Text)
				}
				for _, h := range r.Find(after) {
					t.Errorf("%q leaves: %s (%s)\n%s\n%s", c, h.Detail, h.At, after.Config.Main, after.Config.Master)
				}
			})
		}
	}
	if moved < 20 {
		t.Errorf("only %d causes were moved", moved)
	}
}

// ruleAt is where a rule stands in the list.
func ruleAt(id string) int {
	for i, r := range Rules {
		if r.ID == id {
			return i
		}
	}
	return -1
}
