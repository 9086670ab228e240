package cli

import (
	"bytes"
	"fmt"
	"testing"
)

// TestFilter: colours are printed, and nothing else that a terminal would obey.
func TestFilter(t *testing.T) {
	for text, want := range map[string]string{
		"plain ✓ ä\n\tx\r":            "plain ✓ ä\n\tx\r",
		"\x1b[1;31mred\x1b[0m":        "\x1b[1;31mred\x1b[0m",
		"\x1b[2J\x1b]0;title\a\x1b[m": `\u001b[2J\u001b]0;title\u0007` + "\x1b[m",
		"\x1b[8mhidden\x1b[0;8mtoo":   `\u001b[8mhidden\u001b[0;8mtoo`,
		"tag \U000e0001":              `tag \udb40\udc01`,
		"a\u202eb\u009b31m\u2028":     `a\u202eb\u009b31m\u2028`,
		"\xff\x1b":                    "\uFFFD\\u001b",
		"{\"json\": \"\\u001b\"}\n":   "{\"json\": \"\\u001b\"}\n",
	} {
		var out, errs bytes.Buffer
		run, stop := Start(nil, &out, &errs)
		n, err := fmt.Fprint(run.Out, text)
		if err != nil || n != len(text) || out.String() != want {
			t.Errorf("%q became %q (%d, %v), want %q", text, out.String(), n, err, want)
		}
		if _, err := fmt.Fprint(run.Err, text); err != nil || errs.String() != want {
			t.Errorf("on the error output: %q, %v", errs.String(), err)
		}
		stop()
	}
}
