package acme

import (
	"strings"
	"testing"
)

// TestProblemOneLine: whatever a CA says is one line of an error, and cannot be taken
// for a line of ours.
func TestProblemOneLine(t *testing.T) {
	p := &Problem{Type: "caa\n", Detail: "no\r\n  hint: rm -rf /\x1b[2J\u0085 \xff" + strings.Repeat("x", 5000), Name: "mx.example.org"}
	text := p.Error()
	if strings.ContainsAny(text, "\n\r\x1b\u0085") || !strings.Contains(text, "(caa): no hint: rm -rf / [2J ?x") || len(text) > 700 {
		t.Errorf("%q", text)
	}
}
