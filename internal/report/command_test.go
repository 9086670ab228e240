package report_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"postseal/internal/audit"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/report"
)

// TestCommandsUnbroken: a command to paste stands on one line, however narrow the terminal
// is. Broken before the name of a file, it would run that file.
func TestCommandsUnbroken(t *testing.T) {
	path := "/srv/" + strings.Repeat("a long directory/", 8) + "x\n"
	words := []string{"chmod", "o-w", path}
	line := hint.ShellLine(words)
	for name, print := range map[string]func(report.Printer){
		"a hint": func(p report.Printer) {
			p.Errors(hint.Run(errors.New("it is exposed"), "check its contents and run", words))
		},
		"a finding": func(p report.Printer) {
			p.Finding(audit.Finding{Rule: audit.Rule{ID: "PS-CFG-019"}, Hits: []audit.Hit{{Detail: "it is exposed", Remedy: line}}})
		},
		"a certificate": func(p report.Printer) {
			p.Certificate(report.Judged{Access: []detect.Weakness{{Text: "it is exposed", Remedy: words}}}, false)
		},
	} {
		for _, width := range []int{20, 40, 80} {
			var out bytes.Buffer
			print(report.Printer{W: &out, Width: width})
			alone := 0
			for l := range strings.Lines(out.String()) {
				if strings.HasSuffix(l, line+"\n") {
					alone++
				}
			}
			if alone != 1 {
				t.Errorf("%s at %d columns:\n%s", name, width, out.String())
			}
		}
	}
}
