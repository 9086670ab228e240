package wizard

import (
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

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

// TestCardColumns: part and severity stand under each other, also where a title does
// not fit, and the first page wraps.
func TestCardColumns(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {40, 15}} {
		h := open(t, files(t))
		h.width, h.height = size[0], size[1]
		if seen := h.see(); strings.Contains(seen, signFolded) {
			t.Errorf("%v: %s", size, seen)
		}
		h.stage, h.card.ready = carding, true
		h.card.card = audit.Card{}
		for _, title := range []string{"short", strings.Repeat("long ", 30)} {
			h.card.card.Findings = append(h.card.card.Findings, audit.Finding{Rule: audit.Rule{ID: "X", Title: title, Part: audit.Receiving, Severity: audit.Medium}})
		}
		columns := map[int]bool{}
		for _, l := range h.cardPage().lines {
			if at := strings.Index(l, audit.Medium.String()); at >= 0 {
				columns[ansi.StringWidth(l[:at])] = true
			}
		}
		if len(columns) != 1 {
			t.Errorf("%v: columns %v: %s", size, columns, strings.Join(h.cardPage().lines, "\n"))
		}
	}
}
