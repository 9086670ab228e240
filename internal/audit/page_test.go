package audit

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write RULES.md")

// proofs are tests on a real Postfix, OpenSSL or DNS server, and the rules whose claims
// they compare with it.
var proofs = []struct {
	file, test string
	rules      []string
}{
	{"../posture/listeners_test.go", "TestListeners", []string{"RCV-001", "RCV-002", "RCV-003", "RCV-004", "RCV-005", "RCV-006", "RCV-007", "RCV-008", "RCV-012", "RCV-013", "RCV-014", "RCV-016", "RCV-019", "RCV-034", "RCV-043", "RCV-070", "SUB-001", "SUB-002", "SUB-004", "SUB-005", "SUB-031", "CFG-002"}},
	{"../posture/listeners_test.go", "TestScreens", []string{"RCV-001", "RCV-021", "RCV-061"}},
	{"../posture/routes_test.go", "TestRoutes", []string{"SND-001", "SND-002", "SND-003", "SND-010", "SND-011", "SND-016", "SND-022", "SND-027", "SND-029", "SND-032", "SND-038", "SND-070"}},
	{"../probe/enumerate_test.go", "TestEnumerate", []string{"RCV-018", "RCV-020", "RCV-027", "RCV-028", "RCV-029", "RCV-031", "RCV-045", "RCV-047"}},
	{"../probe/classes_test.go", "TestClasses", []string{"RCV-005", "RCV-006", "RCV-007", "RCV-008", "RCV-012"}},
	{"../session/evidence_test.go", "TestLive", []string{"RCV-024", "RCV-033", "RCV-036", "RCV-037", "CRT-015"}},
	{"../session/evidence_test.go", "TestReload", []string{"CFG-017"}},
	{"strangers_test.go", "TestRefusesCleartext", []string{"RCV-060"}},
	{"strangers_test.go", "TestNoTLSProxy", []string{"RCV-061"}},
	{"relaying_test.go", "TestRelayForCertificates", []string{"RCV-042", "RCV-052"}},
	{"holes_test.go", "TestHolesInReceiving", []string{"RCV-035"}},
	{"holes_test.go", "TestHolesInSending", []string{"SND-037"}},
	{"policies_test.go", "TestPolicyEntries", []string{"SND-038"}},
	{"no_certificate_test.go", "TestWithoutCertificate", []string{"CRT-001"}},
	{"stale_sni_map_test.go", "TestStaleMap", []string{"CRT-024"}},
	{"ca_folder_test.go", "TestMissingCAFolder", []string{"CFG-050"}},
	{"permissions_test.go", "TestRemedies", []string{"CFG-019", "CFG-020", "CFG-021", "CFG-022", "CRT-021", "CRT-022"}},
	{"../detect/commands_test.go", "TestDeadServices", []string{"CFG-032", "CFG-033"}},
	{"../detect/served_test.go", "TestServedChains", []string{"CRT-004", "CRT-018", "CRT-019", "RCV-015"}},
	{"../detect/asked_test.go", "TestWantedByPostfix", []string{"SND-012"}},
	{"../detect/no_start_test.go", "TestNoStart", []string{"CFG-040", "SND-040"}},
	{"../detect/policy_services_test.go", "TestPolicyServices", []string{"SND-039"}},
	{"../rehearse/broken_test.go", "TestBroken", []string{"CFG-001", "CFG-002", "CRT-007", "CRT-008"}},
	{"../rehearse/send_test.go", "TestTruthTable", []string{"SND-023", "SND-024"}},
	{"../rehearse/send_test.go", "TestSendBroken", []string{"SND-007", "SND-028", "SND-029", "SND-034"}},
	{"../rehearse/send_test.go", "TestWithoutDNSSEC", []string{"SND-004", "SND-031"}},
	{"../dane/differential_test.go", "TestPostfix", []string{"PUB-003", "PUB-031"}},
	{"../rehearse/trust_test.go", "TestTrustInJail", []string{"SND-006", "SND-009"}},
	{"../rehearse/wrappermode_test.go", "TestWrapperModeOfPostfix", []string{"SND-016", "SND-035", "SND-036"}},
	{"../../certs/load_test.go", "TestLoads", []string{"CRT-007", "CRT-008"}},
}

// TestPage keeps the page of all rules, with what proves each of them.
func TestPage(t *testing.T) {
	by := map[string][]string{}
	for _, p := range proofs {
		source, err := os.ReadFile(p.file)
		if err != nil || !strings.Contains(string(source), "func "+p.test+"(") {
			t.Errorf("%s has no %s: %v", p.file, p.test, err)
		}
		name := strings.TrimPrefix(filepath.Dir(filepath.Join("internal/audit", p.file)), "internal/") + "." + p.test
		for _, id := range p.rules {
			if !slices.ContainsFunc(Rules, func(r Rule) bool { return r.ID == "PS-"+id }) {
				t.Errorf("%s: there is no rule %s", p.test, id)
			}
			by["PS-"+id] = append(by["PS-"+id], name)
		}
	}
	var b strings.Builder
	b.WriteString("# The rules of the report card\n\nMade by `go test ./internal/audit -run TestPage -update`.\n\n" +
		"Each rule has a server in the tests on which it finds something (TestFinds), and finds nothing on servers without\n" +
		"fault (TestGood and the set-ups). The last columns say what carries out the cure in a test, and which tests compare\n" +
		"its claim with a real Postfix, OpenSSL or DNS server.\n\n" +
		"| rule | severity | finding | source | cure | compared with real programs |\n|---|---|---|---|---|---|\n")
	for _, r := range Rules {
		cure := "by the administrator"
		if _, live := beyond[r.ID]; live {
			cure = "needs a live server"
		} else if r.Cure.done() {
			cure = "carried out"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.ID, r.Severity, cell(r.Title), cell(string(r.Level)+": "+r.Source), cure, strings.Join(by[r.ID], ", "))
	}
	if *update {
		if err := os.WriteFile("RULES.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile("RULES.md")
	if err != nil || string(is) != b.String() {
		t.Errorf("RULES.md is stale: run go test ./internal/audit -run TestPage -update (%v)", err)
	}
}

// cell is a text in a table of Markdown.
func cell(text string) string { return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(text) }
