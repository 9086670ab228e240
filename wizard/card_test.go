package wizard

import (
	"slices"
	"strings"
	"testing"

	"postseal/internal/audit"
)

// TestLost: on a roomy screen each part says what keeps it from an A.
func TestLost(t *testing.T) {
	m := &Model{width: 100, theme: newTheme(nil, false, true)}
	m.card.card.Grades = []audit.Grade{
		{Part: audit.Receiving, Letter: "C", Points: 65, Basis: "x", Lost: []string{"PS-RCV-002: one, -25", "PS-RCV-003: two, -10", "PS-RCV-005: three, -3", "PS-RCV-006: four, -3", "PS-RCV-007: more, -1"}},
		{Part: audit.Sending, Letter: "A", Points: 97, Basis: "x", Lost: []string{"PS-SND-005: five, -3"}},
	}
	m.height = 24
	m.card.card.Grades = append(m.card.card.Grades, audit.Grade{Part: audit.Publishing, Letter: audit.Unjudged, Basis: "nothing: DNS is silent"})
	if text := strings.Join(m.gradeLines(), "\n"); !strings.Contains(text, "not judged: DNS is silent") {
		t.Error(text)
	}
	for height, want := range map[int][]string{40: {"one, -25", "two, -10", "three, -3", "and 2 others"}, 24: nil} {
		m.height = height
		text := strings.Join(m.gradeLines(), "\n")
		for _, w := range []string{"one, -25", "two, -10", "three, -3", "four, -3", "five, -3", "and 2 others"} {
			has := slices.Contains(want, w)
			if strings.Contains(text, w) != has {
				t.Errorf("%d lines: %q: %v\n%s", height, w, !has, text)
			}
		}
	}
}

// TestCureQuestion: a finding that a question cures leads to that question: all
// certificates are chosen, and ordered, in one.
func TestCureQuestion(t *testing.T) {
	for cure, want := range map[string]string{
		"--min-protocol TLSv1.2":                          "min-protocol",
		"--cert FILE, or postseal cert obtain":            "cert",
		"postseal cert obtain --key-type P256,RSA2048":    "cert",
		"postseal cert renew, or postseal cert obtain":    "cert",
		"take smtpd_tls_ask_ccert out of main.cf":         "",
		"postseal cert client new":                        "",
		"postseal cert inspect shows what is wrong":       "",
		"-o smtp_tls_security_level=none in master.cf":    "",
		"smtp_dns_support_level, or --outbound-level may": "",
	} {
		if got := cureQuestion(audit.Finding{Rule: audit.Rule{Cure: cure}}); got != want {
			t.Errorf("%s: %q, not %q", cure, got, want)
		}
	}
}
